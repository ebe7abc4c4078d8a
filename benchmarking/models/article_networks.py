"""Two small networks of published comparisons of Keras and PyTorch, in both frameworks.

Each is data: a list of layers from which either framework's own layers are made. Weights are arrays
in one layout, so that both networks can begin with the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod, sqrt
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, requires

if TYPE_CHECKING:
    import keras
    import torch

Arrays = Mapping[str, NDArray[Any]]
"""Weights by name, such as "conv1.kernel" and "conv1.bias".

Kernels of convolutions are (height, width, inputs, outputs) and those of dense layers (inputs,
outputs). The inputs of a dense layer after a picture are in the order height, width, channels.
"""

INPUT = (32, 32, 3)
"""Height, width and channels of a picture of CIFAR-10."""

CLASSES = 10
_SIDE = 3  # of the kernels of all convolutions


@dataclass(frozen=True)
class Conv:
    """A convolution with kernels of 3x3 and stride 1, then ReLU; padding "same" or "valid"."""

    filters: int
    padding: str


@dataclass(frozen=True)
class Pool:
    """Maximum of each 2x2 square; a last odd row or column is dropped."""


@dataclass(frozen=True)
class Dropout:
    """While training, each value is set to zero with probability `rate`."""

    rate: float


@dataclass(frozen=True)
class Dense:
    """A dense layer; activation "relu" or "linear". A picture before it is flattened."""

    units: int
    activation: str


Layer: TypeAlias = Conv | Pool | Dropout | Dense


@dataclass(frozen=True)
class Network:
    """A network that ends in logits of ten classes.

    Attributes:
        name: its name in tables.
        layers: its layers in order.
    """

    name: str
    layers: tuple[Layer, ...]

    def without_dropout(self) -> Network:
        """The same network without random numbers, so that two frameworks can be compared."""
        kept = tuple(layer for layer in self.layers if not isinstance(layer, Dropout))
        return replace(self, layers=kept)


CONVNET = Network(
    "convnet", (Conv(32, "valid"), Pool(), Conv(16, "valid"), Pool(), Dense(CLASSES, "linear"))
)
"""The network of "Keras or PyTorch as your first deep learning framework": 11,290 parameters.

Source: https://deepsense.ai/blog/keras-or-pytorch-as-your-first-deep-learning-framework/
"""

VGG = Network(
    "cifar-vgg",
    (
        *(Conv(50, "same"), Conv(50, "same"), Pool(), Dropout(0.25)),
        *(Conv(100, "same"), Conv(100, "same"), Pool(), Dropout(0.25)),
        *(Dense(512, "relu"), Dropout(0.5), Dense(CLASSES, "linear")),
    ),
)
"""The VGG of DeepLearningFrameworks, with ReLU before pooling: 3,441,592 parameters.

There, PyTorch's has ReLU after pooling: the same function with a quarter of the work for ReLU.
Source: https://github.com/ilkarman/DeepLearningFrameworks at commit 671e2a0.
"""


@dataclass(frozen=True)
class _Weighted:
    """A layer with weights: its kernel's shape in our layout, and the picture that it flattens."""

    name: str
    kernel: tuple[int, ...]
    flattened: tuple[int, ...] = ()


def initial_weights(network: Network, seed: int, dtype: str = "float32") -> dict[str, Any]:
    """Random weights as Keras makes them by default: Glorot's uniform kernels, biases of zero.

    Kernels are drawn in float64 and then rounded, so every dtype has the same weights.

    Source: Glorot and Bengio, 2010; +-sqrt(6 / (inputs + outputs)), each times the kernel's area.
    """
    random = np.random.default_rng(seed)
    weights = {}
    for layer in _weighted(network):
        *area, inputs, outputs = layer.kernel
        limit = sqrt(6 / (prod(area) * (inputs + outputs)))
        weights[f"{layer.name}.kernel"] = random.uniform(-limit, limit, layer.kernel).astype(dtype)
        weights[f"{layer.name}.bias"] = np.zeros(outputs, dtype)
    return weights


def in_pytorch(network: Network, weights: Arrays) -> torch.nn.Sequential:
    """The network of PyTorch's own layers with these weights, in their dtype, in training mode.

    Its input is (n, 3, 32, 32); its output, logits (n, 10).

    Raises:
        BenchmarkError: a weight is missing, unknown or has another shape.
        MissingDependency: PyTorch is not installed.
    """
    with requires("pytorch"):
        import torch

    with torch.device("meta"):  # no weights are drawn, so no random number is used up
        model = torch.nn.Sequential()
        for (name, layer), before in zip(_named(network), _shapes(network), strict=True):
            for own_name, module in _pytorch_layers(name, layer, before).items():
                model.add_module(own_name, module)
    dtype = torch.from_numpy(next(iter(weights.values()))).dtype
    model = model.to_empty(device="cpu").to(dtype)
    put_in_pytorch(network, weights, model)
    return model


def in_keras(network: Network, weights: Arrays) -> keras.Model:
    """The network of Keras' own layers with these weights, in their dtype.

    Its input is (n, 32, 32, 3); its output, logits (n, 10).

    Raises:
        BenchmarkError: a weight is missing, unknown or has another shape.
        MissingDependency: Keras is not installed.
    """
    with requires("keras"):
        import keras

    dtype = str(next(iter(weights.values())).dtype)
    model = keras.Sequential([keras.Input(INPUT, dtype=dtype)], name=network.name)
    for (name, layer), before in zip(_named(network), _shapes(network), strict=True):
        for made in _keras_layers(name, layer, before, dtype):
            model.add(made)
    put_in_keras(network, weights, model)
    return model


def put_in_pytorch(network: Network, weights: Arrays, model: torch.nn.Module) -> None:
    """Replace the weights of a network made by `in_pytorch`.

    Raises:
        BenchmarkError: a weight is missing, unknown or has another shape.
    """
    import torch

    _check(network, weights)
    state = {}
    for layer in _weighted(network):
        kernel = weights[f"{layer.name}.kernel"]
        if layer.flattened:  # height, width, channels become channels, height, width
            by_place = kernel.reshape(*layer.flattened, kernel.shape[-1])
            kernel = by_place.transpose(2, 0, 1, 3).reshape(kernel.shape)
        order = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
        state[f"{layer.name}.weight"] = torch.tensor(kernel.transpose(order))
        state[f"{layer.name}.bias"] = torch.tensor(weights[f"{layer.name}.bias"])
    model.load_state_dict(state)


def put_in_keras(network: Network, weights: Arrays, model: keras.Model) -> None:
    """Replace the weights of a network made by `in_keras`.

    Raises:
        BenchmarkError: a weight is missing, unknown or has another shape.
    """
    _check(network, weights)
    for layer in _weighted(network):
        own = [weights[f"{layer.name}.{part}"] for part in ("kernel", "bias")]
        model.get_layer(layer.name).set_weights(own)


def from_pytorch(network: Network, model: torch.nn.Module) -> dict[str, NDArray[Any]]:
    """The weights of a network made by `in_pytorch`, as copies."""
    state = {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}
    weights = {}
    for layer in _weighted(network):
        kernel = state[f"{layer.name}.weight"]
        kernel = kernel.transpose((2, 3, 1, 0) if kernel.ndim == 4 else (1, 0))
        if layer.flattened:
            height, width, channels = layer.flattened
            by_place = kernel.reshape(channels, height, width, -1)
            kernel = by_place.transpose(1, 2, 0, 3).reshape(kernel.shape)
        weights[f"{layer.name}.kernel"] = np.array(kernel, order="C")
        weights[f"{layer.name}.bias"] = state[f"{layer.name}.bias"].copy()
    return weights


def from_keras(network: Network, model: keras.Model) -> dict[str, NDArray[Any]]:
    """The weights of a network made by `in_keras`, as copies."""
    weights = {}
    for layer in _weighted(network):
        kernel, bias = model.get_layer(layer.name).get_weights()
        weights[f"{layer.name}.kernel"], weights[f"{layer.name}.bias"] = kernel, bias
    return weights


def _pytorch_layers(name: str, layer: Layer, before: tuple[int, ...]) -> dict[str, torch.nn.Module]:
    """PyTorch's modules of one layer, by name."""
    from torch import nn

    match layer:
        case Conv(filters, padding):
            convolution = nn.Conv2d(before[-1], filters, _SIDE, padding=padding)
            return {name: convolution, f"{name}_relu": nn.ReLU()}
        case Pool():
            return {name: nn.MaxPool2d(2)}
        case Dropout(rate):
            return {name: nn.Dropout(rate)}
        case Dense(units, activation):
            flatten = {"flatten": nn.Flatten()} if len(before) > 1 else {}
            relu = {f"{name}_relu": nn.ReLU()} if activation == "relu" else {}
            return {**flatten, name: nn.Linear(prod(before), units), **relu}


def _keras_layers(
    name: str, layer: Layer, before: tuple[int, ...], dtype: str
) -> list[keras.layers.Layer]:
    """Keras' layers of one layer."""
    from keras import layers

    own: dict[str, Any] = {"name": name, "dtype": dtype}
    match layer:
        case Conv(filters, padding):
            return [layers.Conv2D(filters, _SIDE, padding=padding, activation="relu", **own)]
        case Pool():
            return [layers.MaxPooling2D(2, **own)]
        case Dropout(rate):
            return [layers.Dropout(rate, **own)]
        case Dense(units, activation):
            flatten = [layers.Flatten(name="flatten", dtype=dtype)] if len(before) > 1 else []
            return [*flatten, layers.Dense(units, activation=activation, **own)]


def _named(network: Network) -> list[tuple[str, Layer]]:
    """Each layer with its name, such as "conv1" or "pool2"."""
    counts: dict[str, int] = {}
    named = []
    for layer in network.layers:
        kind = type(layer).__name__.lower()
        counts[kind] = counts.get(kind, 0) + 1
        named.append((f"{kind}{counts[kind]}", layer))
    return named


def _shapes(network: Network) -> list[tuple[int, ...]]:
    """The shape before each layer, channels last."""
    shape: tuple[int, ...] = INPUT
    shapes = []
    for layer in network.layers:
        shapes.append(shape)
        match layer:
            case Conv(filters, padding):
                lost = 0 if padding == "same" else _SIDE - 1
                shape = (shape[0] - lost, shape[1] - lost, filters)
            case Pool():
                shape = (shape[0] // 2, shape[1] // 2, shape[2])
            case Dense(units):
                shape = (units,)
    return shapes


def _weighted(network: Network) -> list[_Weighted]:
    layers = []
    for (name, layer), before in zip(_named(network), _shapes(network), strict=True):
        if isinstance(layer, Conv):
            layers.append(_Weighted(name, (_SIDE, _SIDE, before[-1], layer.filters)))
        elif isinstance(layer, Dense):
            flattened = before if len(before) > 1 else ()
            layers.append(_Weighted(name, (prod(before), layer.units), flattened))
    return layers


def _check(network: Network, weights: Arrays) -> None:
    """Refuse weights of another network."""
    expected = {}
    for layer in _weighted(network):
        expected[f"{layer.name}.kernel"] = layer.kernel
        expected[f"{layer.name}.bias"] = layer.kernel[-1:]
    found = {name: value.shape for name, value in weights.items()}
    for name in sorted(expected | found):
        if found.get(name) != expected.get(name):
            raise BenchmarkError(
                f"weight {name} has shape {found.get(name)}; {network.name} expects "
                f"{expected.get(name)} (None: no such weight)."
            )
