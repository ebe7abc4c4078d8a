"""The 13 models of 2019 from keras.applications, with its ImageNet weights.

Files and digests: keras.applications itself. Sizes: https://keras.io/api/applications. Accuracies:
the README of keras-applications 1.0.8; they were measured with the recipe `published` (TensorNets,
as keras-team/keras-applications#88 tells).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.errors import WeightsError, requires
from benchmarking.frameworks import keras as keras_framework
from benchmarking.specs import ModelSpec, Preprocessing, Published, Weights

if TYPE_CHECKING:
    import keras

NAME = "keras"
MODULES = ("cv2",)
EXTRA = "keras"
DISTRIBUTIONS = ("h5py",)

_ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/"
# Shorter side by crop, in the published recipe.
_RESIZED = {224: 256, 299: 341, 331: 378}


def specs() -> tuple[ModelSpec, ...]:
    """The models, family by family."""
    return (
        _spec(
            "VGG16",
            "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
            "64373286793e3c8b2b4e3219cbf3544b",
            138_357_544,
            (71.268, 90.050),
            528,
            224,
            "caffe",
        ),
        _spec(
            "VGG19",
            "vgg19/vgg19_weights_tf_dim_ordering_tf_kernels.h5",
            "cbe5617147190e668d6c5d5026f83318",
            143_667_240,
            (71.256, 89.988),
            549,
            224,
            "caffe",
        ),
        _spec(
            "ResNet50",
            "resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5",
            "2cb95161c43110f7111970584f804107",
            25_636_712,
            (74.928, 92.060),
            98,
            224,
            "caffe",
        ),
        _spec(
            "InceptionV3",
            "inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels.h5",
            "9a0d58056eeedaa3f26cb7ebd46da564",
            23_851_784,
            (77.898, 93.720),
            92,
            299,
            "tf",
        ),
        _spec(
            "InceptionResNetV2",
            "inception_resnet_v2/inception_resnet_v2_weights_tf_dim_ordering_tf_kernels.h5",
            "e693bd0210a403b3192acc6073ad2e96",
            55_873_736,
            (80.256, 95.252),
            215,
            299,
            "tf",
        ),
        _spec(
            "Xception",
            "xception/xception_weights_tf_dim_ordering_tf_kernels.h5",
            "0a58e3b7378bc2990ea3b43d5981f1f6",
            22_910_480,
            (79.006, 94.452),
            88,
            299,
            "tf",
        ),
        _spec(
            "MobileNet",
            "mobilenet/mobilenet_1_0_224_tf.h5",
            "",
            4_253_864,
            (70.424, 89.504),
            16,
            224,
            "tf",
        ),
        _spec(
            "MobileNetV2",
            "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
            "",
            3_538_984,
            (71.336, 90.142),
            14,
            224,
            "tf",
        ),
        _spec(
            "DenseNet121",
            "densenet/densenet121_weights_tf_dim_ordering_tf_kernels.h5",
            "9d60b8095a5708f2dcce2bca79d332c7",
            8_062_504,
            (74.972, 92.258),
            33,
            224,
            "torch",
        ),
        _spec(
            "DenseNet169",
            "densenet/densenet169_weights_tf_dim_ordering_tf_kernels.h5",
            "d699b8f76981ab1b30698df4c175e90b",
            14_307_880,
            (76.176, 93.176),
            57,
            224,
            "torch",
        ),
        _spec(
            "DenseNet201",
            "densenet/densenet201_weights_tf_dim_ordering_tf_kernels.h5",
            "1ceb130c1ea1b78c3bf6114dbdfd8807",
            20_242_984,
            (77.320, 93.620),
            80,
            224,
            "torch",
        ),
        _spec(
            "NASNetMobile",
            "nasnet/NASNet-mobile.h5",
            "020fb642bf7360b370c678b08e0adf61",
            5_326_716,
            (74.366, 91.854),
            23,
            224,
            "tf",
            file="nasnet_mobile.h5",
        ),
        _spec(
            "NASNetLarge",
            "nasnet/NASNet-large.h5",
            "11577c9a518f0070763c2b964a382f17",
            88_949_818,
            (82.498, 96.004),
            343,
            331,
            "tf",
            file="nasnet_large.h5",
        ),
    )


def weights_folder(spec: ModelSpec) -> Path:
    """Keras's folder of downloaded weights."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".keras") / "models"


def build(spec: ModelSpec, weights: Path | None) -> keras.Model:
    """The model, filled from a file or with random values; its output is softmax.

    Raises:
        WeightsError: the file is no HDF5, or holds other tensors than the model has.
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


def _spec(
    name: str,
    address: str,
    md5: str,
    parameters: int,
    accuracy: tuple[float, float],
    megabytes: float,
    crop: int,
    scaling: str,
    *,
    file: str = "",
) -> ModelSpec:
    published = Preprocessing(
        "opencv", "bicubic", _RESIZED[crop], crop, scaling, crop_rounding="floor"
    )
    northcutt2019 = Preprocessing("pillow", "nearest", (crop, crop), crop, scaling)
    return ModelSpec(
        NAME,
        name,
        keras_framework.NAME,
        Weights(
            "imagenet",
            file or address.rpartition("/")[2],
            md5=md5,
            url=_ADDRESS + address,
            megabytes=megabytes,
        ),
        {"published": published, "northcutt2019": northcutt2019},
        parameters,
        Published(accuracy[0], "keras-applications README", accuracy[1]),
    )
