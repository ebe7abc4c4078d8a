"""Published accuracies of models on the ImageNet 2012 validation set.

data/published.csv has a line per model with the source of its figures: the README of
keras-applications 1.0.8, measured with the recipe `published` (of TensorNets, according to
keras-team/keras-applications#88); https://keras.io/api/applications; the README of
https://github.com/sayakpaul/ConvNeXt-TF; and the README of
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite. Those of
torchvision are in its weight metadata; see `torchvision_entries`.
"""

from __future__ import annotations

from functools import cache

from benchmarking.io.files import shipped_rows
from benchmarking.models.backends import listed_source
from benchmarking.models.spec import Published
from benchmarking.models.torchvision_entries import shipped

# The predictions of 2019 were made with the same weights, under other source names.
_WEIGHTS_OF = {"2019-pytorch": "torchvision", "2019-keras": "keras"}


def published(source: str, model: str) -> Published | None:
    """The published accuracy of a model, to be reproduced; None if there is none.

    >>> published("2019-keras", "mobilenetV2").acc1
    71.336
    """
    return _all().get((weights_source(source), model.casefold()))


def weights_source(source: str) -> str:
    """The source whose weights the runs of a source use; usually the source itself."""
    return _WEIGHTS_OF.get(source) or listed_source(source)


@cache
def _all() -> dict[tuple[str, str], Published]:
    listed = {
        (row["source"], row["model"].casefold()): Published(
            float(row["acc1"]), row["citation"], float(row["acc5"]) if row["acc5"] else None
        )
        for row in shipped_rows("published.csv")
    }
    entries = {("torchvision", entry.name.casefold()): entry for entry in shipped().entries}
    return listed | {key: one.published for key, one in entries.items() if one.published}
