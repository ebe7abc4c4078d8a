"""Weights of a network in a layout that belongs to no framework."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.models.article_networks.layers import (
    Conv,
    Dense,
    Flatten,
    Network,
    Node,
    Normalise,
    Shape,
)

Array = NDArray[Any]

Arrays = Mapping[str, Array]
"""Weights by name, such as "conv1.kernel" and "conv1.bias".

Kernels of convolutions are (height, width, inputs, outputs) and those of dense layers (inputs,
outputs). The inputs of a dense layer after a picture are in the order height, width, channels.
Normalisation has "gamma" and "beta", and the moving statistics "mean" and "variance".
"""


def parts_of(node: Node) -> dict[str, Shape]:
    """The weights of a layer, by the last part of their names, with their shapes."""
    match node.layer:
        case Conv(filters, size, bias=bias):
            kernel = {"kernel": (*size, node.before[-1], filters)}
            return kernel | ({"bias": (filters,)} if bias else {})
        case Dense(units):
            return {"kernel": (*node.before, units), "bias": (units,)}
        case Normalise(gamma=gamma):
            names = (*(["gamma"] if gamma else []), "beta", "mean", "variance")
            return dict.fromkeys(names, node.before[-1:])
        case _:
            return {}


def initial_weights(network: Network, seed: int, dtype: str = "float32") -> dict[str, Array]:
    """Random weights as Keras makes them by default.

    Kernels have Glorot's uniform distribution, biases are zero, and normalisation changes nothing.
    They are drawn in float64 and then rounded, so every dtype has the same weights.

    Source: Glorot and Bengio, 2010; +-sqrt(6 / (inputs + outputs)), each times the kernel's area.
    """
    random = np.random.default_rng(seed)
    weights = {}
    for node in network.nodes:
        for part, shape in parts_of(node).items():
            if part == "kernel":
                *area, inputs, outputs = shape
                limit = sqrt(6 / (prod(area) * (inputs + outputs)))
                value = random.uniform(-limit, limit, shape)
            else:
                value = np.full(shape, float(part in ("gamma", "variance")))
            weights[f"{node.name}.{part}"] = value.astype(dtype)
    return weights


def check(network: Network, weights: Arrays) -> None:
    """Refuse weights of another network.

    Raises:
        BenchmarkError: a weight is missing, unknown or has another shape.
    """
    expected = {
        f"{node.name}.{part}": shape
        for node in network.nodes
        for part, shape in parts_of(node).items()
    }
    found = {name: value.shape for name, value in weights.items()}
    for name in sorted(expected | found):
        if found.get(name) != expected.get(name):
            raise BenchmarkError(
                f"weight {name} has shape {found.get(name)}; {network.name} expects "
                f"{expected.get(name)} (None: no such weight)."
            )


def flattened(network: Network, node: Node) -> Shape:
    """Shape of the picture that the input of a dense layer was; () if it was none.

    PyTorch flattens channels first, Keras last, so that the rows of the kernel differ in order.
    """
    by_name = network.by_name()
    name = node.inputs[0]
    while name in by_name and by_name[name].before == by_name[name].after:
        name = by_name[name].inputs[0]  # such as dropout
    found = by_name.get(name)
    return found.before if found and isinstance(found.layer, Flatten) else ()
