"""The 13 models of 2019 from keras.applications, with its ImageNet weights.

Files and digests: keras.applications itself. Sizes: https://keras.io/api/applications. The recipe
`published` is that of TensorNets, according to keras-team/keras-applications#88.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.errors import WeightsError, requires
from benchmarking.io.files import shipped_rows
from benchmarking.io.user_folders import expanded, home
from benchmarking.models.frameworks import keras as keras_framework
from benchmarking.models.published import published
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

if TYPE_CHECKING:
    import keras

NAME = "keras"
MODULES = ("cv2",)
EXTRA = "keras"
DISTRIBUTIONS = ("h5py",)

_ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/"
# Shorter side after the resize, by crop size, in the recipe `published`.
_RESIZED = {224: 256, 299: 341, 331: 378}


@cache
def specs() -> tuple[ModelSpec, ...]:
    """The models, family by family."""
    return tuple(_spec(row) for row in shipped_rows("keras_models.csv"))


def weights_folder(spec: ModelSpec) -> Path:
    """Keras's folder of downloaded weights."""
    named = os.environ.get("KERAS_HOME")
    return (expanded(named) if named else home("KERAS_HOME") / ".keras") / "models"


def build(spec: ModelSpec, weights: Path | None) -> keras.Model:
    """Build the model with weights from a file, or with random weights; its output is softmax.

    Raises:
        WeightsError: the file is not HDF5, or its tensors do not fit the model.
        MissingDependency: Keras or TensorFlow is not installed.
    """
    with requires(EXTRA):
        import keras

    model: keras.Model = getattr(keras.applications, spec.name)(weights=None)
    if weights:
        try:
            model.load_weights(weights)
        except (ValueError, OSError, KeyError) as error:
            raise WeightsError(f"{weights} does not fit {spec.name}: {error}") from error
    return model


def _spec(row: Mapping[str, str]) -> ModelSpec:
    side, scaling = int(row["crop"]), SCALINGS[row["scaling"]]
    return ModelSpec(
        NAME,
        row["name"],
        keras_framework.NAME,
        Weights(
            "imagenet",
            row["file"],
            md5=row["md5"],
            url=_ADDRESS + row["address"],
            megabytes=float(row["megabytes"]),
        ),
        {
            "published": Preprocessing(
                "opencv", "bicubic", _RESIZED[side], side, scaling, crop_rounding="floor"
            ),
            "northcutt2019": Preprocessing("pillow", "nearest", (side, side), side, scaling),
        },
        int(row["parameters"]),
        published(NAME, row["name"]),
    )
