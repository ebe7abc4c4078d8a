"""Published accuracies of models on the ImageNet 2012 validation set.

data/published.csv has a line per model with the source of its figures: the README of
keras-applications 1.0.8, measured with the recipe `published` (of TensorNets, according to
keras-team/keras-applications#88); https://keras.io/api/applications; the README of
https://github.com/sayakpaul/ConvNeXt-TF; and the README of
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite. Those of
torchvision are in its weight metadata; see `torchvision_entries`. Those of timm depend on the
recipe, and are of other sets of pictures and labels too; see `timm_results`.
"""

from __future__ import annotations

from functools import cache

from benchmarking.io.files import shipped_rows
from benchmarking.models import timm_results
from benchmarking.models.backends import listed_source
from benchmarking.models.spec import ModelSpec, Published
from benchmarking.models.torchvision_entries import shipped

# The predictions of 2019 were made with the same weights, under other source names.
_WEIGHTS_OF = {"2019-pytorch": "torchvision", "2019-keras": "keras"}

IMAGES, LABELS = "imagenet-val", "original"
"""The set of pictures and the labels of the accuracies that most publishers give."""
_BY_RECIPE = {"timm": timm_results.published}
"""Sources whose figures depend on the recipe."""


def published(source: str, model: str) -> Published | None:
    """The published accuracy of a model, to be reproduced; None if there is none.

    >>> published("2019-keras", "mobilenetV2").acc1
    71.336
    """
    return _all().get((weights_source(source), model.casefold()))


def published_with(
    spec: ModelSpec, recipe: str, *, images: str = IMAGES, labels: str = LABELS
) -> Published | None:
    """The published accuracy of a listed model with one of its recipes; None if there is none.

    Args:
        spec: the model.
        recipe: name of the recipe.
        images: name of the set of pictures.
        labels: name of the set of labels.
    """
    if spec.source in _BY_RECIPE:
        used = spec.recipes.get(recipe)
        look_up = _BY_RECIPE[spec.source]
        return look_up(spec.name, used, images=images, labels=labels) if used else None
    return spec.published if (images, labels) == (IMAGES, LABELS) else None


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
