"""EfficientNet-Lite in Keras, built from keras.layers, with the transposed PyTorch weights.

The weights are the same in both frameworks, so any difference in accuracy is due to the harness.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import WeightsError, requires
from benchmarking.models.frameworks import keras as keras_framework
from benchmarking.models.sources import _efficientnet_lite as lite
from benchmarking.models.spec import ModelSpec

if TYPE_CHECKING:
    import keras

NAME = "efficientnet-lite-keras"
MODULES = ("torch",)
EXTRA = "demo"
DISTRIBUTIONS = ("torch",)  # reads the weights

# Widths of stem and head, which are the same for every model size.
_STEM, _HEAD = 32, 1280


@dataclass(frozen=True)
class _Stage:
    """Consecutive blocks of the same width; only the first one has the stride.

    Source: M. Tan, Q. Le (2019), EfficientNet, table 1, without squeeze-and-excitation.
    """

    repeats: int
    kernel: int
    stride: int
    expand: int
    width: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)

# Factors on the stages' width and repeats.
_FACTORS = {
    "efficientnet-lite0": (1.0, 1.0),
    "efficientnet-lite1": (1.0, 1.1),
    "efficientnet-lite2": (1.1, 1.2),
}

# PyTorch's names of a layer's tensors, in Keras's order, and the permutation of their axes.
_AXES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "Conv2D": {"weight": (2, 3, 1, 0)},
    "DepthwiseConv2D": {"weight": (2, 3, 0, 1)},
    "Dense": {"weight": (1, 0), "bias": (0,)},
    "BatchNormalization": {
        "weight": (0,),
        "bias": (0,),
        "running_mean": (0,),
        "running_var": (0,),
    },
}


def specs() -> tuple[ModelSpec, ...]:
    """EfficientNet-Lite0, 1 and 2."""
    return lite.specs(NAME, keras_framework.NAME)


def weights_folder(spec: ModelSpec) -> Path:
    """The folder of the weight file; WeightsError if its package is not installed."""
    return lite.weights_folder(spec)


def import_libraries() -> None:
    """Import PyTorch, which reads the weights, and do nothing else."""
    with requires("pytorch"):
        import torch  # noqa: F401


def build(spec: ModelSpec, weights: Path | None) -> keras.Model:
    """Build the model with weights from a file, or with random weights.

    Raises:
        WeightsError: the weights do not fit.
        MissingDependency: Keras, its backend or PyTorch is not installed.
    """
    width, depth = _FACTORS[spec.name]
    model = _build(spec.recipes["published"].crop, width, depth)
    if weights:
        _fill(model, {name: tensor.numpy() for name, tensor in lite.state_dict(weights).items()})
    return model


def _build(side: int, width: float, depth: float) -> keras.Model:
    """The architecture; each layer has the name of its weights in the state dict.

    A dot is written as "-", because Keras on PyTorch refuses names with dots.
    """
    with requires("keras"):
        import keras

    inputs = keras.Input((side, side, 3))
    x = _convolved(inputs, "_conv_stem", "_bn0", _STEM, kernel=3, stride=2)
    for number, stage in _blocks(width, depth):
        x = _block(x, f"_blocks-{number}", stage)
    x = _convolved(x, "_conv_head", "_bn1", _HEAD, kernel=1, stride=1)
    x = keras.layers.GlobalAveragePooling2D()(x)
    logits = keras.layers.Dense(1000, name="_fc")(x)
    return keras.Model(inputs, keras.layers.Softmax()(logits))


def _blocks(width: float, depth: float) -> Iterator[tuple[int, _Stage]]:
    """Yield each block with its number; depth scaling excludes the first and last stage."""
    number = 0
    for stage in _STAGES:
        outermost = stage in (_STAGES[0], _STAGES[-1])
        for repeat in range(stage.repeats if outermost else math.ceil(depth * stage.repeats)):
            stride = stage.stride if repeat == 0 else 1
            channels = _multiple_of_eight(stage.width * width)
            yield number, _Stage(1, stage.kernel, stride, stage.expand, channels)
            number += 1


def _multiple_of_eight(channels: float) -> int:
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def _block(inputs: Any, name: str, block: _Stage) -> Any:
    """Expand, convolve depthwise and project; add the input if the shapes are equal."""
    from keras import layers

    channels = inputs.shape[-1]
    x = inputs
    if block.expand != 1:
        x = _convolved(x, f"{name}-_expand_conv", f"{name}-_bn0", channels * block.expand, 1, 1)
    x = layers.DepthwiseConv2D(
        block.kernel,
        block.stride,
        padding="same",
        use_bias=False,
        name=f"{name}-_depthwise_conv",
    )(x)
    x = layers.ReLU(max_value=6)(_normalised(x, f"{name}-_bn1"))
    x = layers.Conv2D(block.width, 1, use_bias=False, name=f"{name}-_project_conv")(x)
    x = _normalised(x, f"{name}-_bn2")
    if block.stride == 1 and channels == block.width:
        x = layers.Add()([x, inputs])
    return x


def _convolved(inputs: Any, name: str, norm: str, width: int, kernel: int, stride: int) -> Any:
    from keras import layers

    x = layers.Conv2D(width, kernel, stride, padding="same", use_bias=False, name=name)(inputs)
    return layers.ReLU(max_value=6)(_normalised(x, norm))


def _normalised(inputs: Any, name: str) -> Any:
    from keras import layers

    return layers.BatchNormalization(epsilon=1e-3, name=name)(inputs)


def _fill(model: keras.Model, state: Mapping[str, NDArray[np.float32]]) -> None:
    """Set the weights of every layer; each tensor is used exactly once.

    Raises:
        WeightsError: a tensor is missing or left over.
    """
    left = {name for name in state if not name.endswith("num_batches_tracked")}
    for layer in (layer for layer in model.layers if layer.weights):
        name = layer.name.replace("-", ".")
        axes = {f"{name}.{part}": order for part, order in _AXES[type(layer).__name__].items()}
        if missing := axes.keys() - left:
            raise WeightsError(f"the weights lack {', '.join(sorted(missing))}.")
        layer.set_weights([state[name].transpose(order) for name, order in axes.items()])
        left -= axes.keys()
    if left:
        raise WeightsError(f"the model has no place for {', '.join(sorted(left))}.")
