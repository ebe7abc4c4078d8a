"""The 40 classifiers of keras.applications, with its ImageNet weights.

Files and digests: keras.applications itself. Sizes: https://keras.io/api/applications.

The recipes `published` are those with which the published accuracies were measured:

- tensornets: by the author of TensorNets, who contributed these weights and figures, with
  `tests/all_imagenet_models.py` of github.com/taehoonlee/tensornets; he states the steps in
  keras-team/keras-applications#88. ResNetV2 was measured at 299 pixels: so says the table in the
  README of TensorNets, with the same figures to the third decimal. Keras's default is 224.
- efficientnet: `preprocessing.py` of the authors (github.com/tensorflow/tpu,
  models/official/efficientnet), also used for EfficientNetV2 B0 to B3 by the author of Keras's
  weights (github.com/sebastian-sz/efficientnet-v2-keras, imagenet_evaluation).
- efficientnetv2: `preprocessing.py` of the authors (github.com/google/automl, efficientnetv2),
  which does not crop above 320 pixels; see keras-team/keras#14935.
- convnext: `i1k_eval/eval.ipynb` of the author of Keras's weights
  (github.com/sayakpaul/ConvNeXt-TF).

No recipe of MobileNetV3 is known to give its published accuracy (tensorflow/tensorflow#48066).

TensorNets resizes with OpenCV, the others with TensorFlow. Here OpenCV resizes for all, which is
nearer to TensorFlow than Pillow is, because neither antialiases. On 42 sample pictures, pixels
differ from TensorFlow's by 0.3 grey levels (bilinear) and 0.7 (bicubic) on average. The exception
is the recipe efficientnet, which uses a resize of TensorFlow 1 that shifts the picture by up to
half a pixel of the larger size: pixels differ by 2 to 4 grey levels, with Pillow by a little more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from benchmarking.errors import BenchmarkError, WeightsError, requires
from benchmarking.io.files import shipped_rows
from benchmarking.io.user_folders import expanded, home
from benchmarking.models.frameworks import keras as keras_framework
from benchmarking.models.published import published
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.pictures.recipe import SCALINGS, Preprocessing, Scaling

if TYPE_CHECKING:
    import keras

NAME = "keras"
MODULES = ("cv2",)
EXTRA = "keras"
DISTRIBUTIONS = ("h5py",)

_ADDRESS = "https://storage.googleapis.com/"


@cache
def specs() -> tuple[ModelSpec, ...]:
    """The models, family by family; first those of the table of 2019."""
    return tuple(map(_spec, _rows().values()))


def weights_folder(spec: ModelSpec) -> Path:
    """Keras's folder of downloaded weights."""
    named = os.environ.get("KERAS_HOME")
    return (expanded(named) if named else home("KERAS_HOME") / ".keras") / "models"


def build(spec: ModelSpec, weights: Path | None) -> keras.Model:
    """Build the model with weights from a file, or with random weights; its output is softmax.

    Keras's own function does this, as for `weights="imagenet"`: for these weights it adds a layer
    to EfficientNet, without which the same file gives other predictions. Only the download is
    replaced.

    Raises:
        WeightsError: the file is not HDF5, or its tensors do not fit the model.
        MissingDependency: Keras or its backend is not installed.
    """
    with requires(EXTRA):
        import keras

    side = int(_rows()[spec.name]["crop"])
    inputs = keras.Input((side, side, 3))
    try:
        built = _built(spec.name, inputs, weights)
    except (ValueError, OSError, KeyError) as error:
        raise WeightsError(f"{weights} does not fit {spec.name}: {error}") from error
    return keras.Model(inputs, built.output, name=built.name)


def _built(name: str, inputs: Any, weights: Path | None) -> keras.Model:
    """What Keras makes of `weights="imagenet"`, with weights from a file or with random ones."""
    import keras
    from keras.src.utils import file_utils

    loading, downloading = keras.Model.load_weights, file_utils.get_file

    def load(model: keras.Model, path: Path | None) -> None:
        if path != weights:
            raise BenchmarkError(f"keras {keras.__version__} loads other weights of {name}: {path}")
        if path:
            loading(model, path)

    file_utils.get_file = lambda *_, **__: weights
    keras.Model.load_weights = load
    try:
        model: keras.Model = getattr(keras.applications, name)(
            weights="imagenet", input_tensor=inputs
        )
    finally:
        file_utils.get_file, keras.Model.load_weights = downloading, loading
    return model


@cache
def _rows() -> Mapping[str, Mapping[str, str]]:
    """Facts about each model, by its name."""
    return {row["name"]: row for row in shipped_rows("keras_models.csv")}


def _spec(row: Mapping[str, str]) -> ModelSpec:
    side, scaling, digest = int(row["crop"]), SCALINGS[row["scaling"]], row["digest"]
    return ModelSpec(
        NAME,
        row["name"],
        keras_framework.NAME,
        Weights(
            "imagenet",
            row["file"],
            sha256=digest if len(digest) == 64 else "",
            md5=digest if len(digest) == 32 else "",
            url=_ADDRESS + row["address"],
            megabytes=float(row["megabytes"]) if row["megabytes"] else None,
        ),
        {
            "northcutt2019" if name == "northcutt2019" else "published": _RECIPES[name](
                side, scaling
            )
            for name in row["recipes"].split()
        },
        int(row["parameters"]),
        published(NAME, row["name"]),
    )


def _tensornets(side: int, scaling: Scaling) -> Preprocessing:
    resized = {224: 256, 299: 341, 331: 378}[side]
    return Preprocessing("opencv", "bicubic", resized, side, scaling, crop_rounding="floor")


def _northcutt2019(side: int, scaling: Scaling) -> Preprocessing:
    return Preprocessing("pillow", "nearest", (side, side), side, scaling)


def _efficientnet(side: int, scaling: Scaling) -> Preprocessing:
    return Preprocessing(
        "opencv", "bicubic", side + 32, side, scaling, crop_rounding="ceil", first="crop"
    )


def _efficientnetv2(side: int, scaling: Scaling) -> Preprocessing:
    return Preprocessing("opencv", "bilinear", (side, side), side, scaling)


def _convnext(side: int, scaling: Scaling) -> Preprocessing:
    return Preprocessing("opencv", "bicubic", (256, 256), side, scaling)


_RECIPES: Mapping[str, Callable[[int, Scaling], Preprocessing]] = MappingProxyType(
    {
        "tensornets": _tensornets,
        "northcutt2019": _northcutt2019,
        "efficientnet": _efficientnet,
        "efficientnetv2": _efficientnetv2,
        "convnext": _convnext,
    }
)
