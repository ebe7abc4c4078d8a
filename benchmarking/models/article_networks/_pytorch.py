"""The networks of the articles, of PyTorch's own modules."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarking.errors import requires
from benchmarking.models.article_networks.layers import (
    PICTURE,
    Add,
    Concatenate,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalMean,
    MaxPool,
    MeanPool,
    Network,
    Node,
    Normalise,
    Relu,
)
from benchmarking.models.article_networks.weights import (
    Array,
    Arrays,
    check,
    flattened,
    parts_of,
)

if TYPE_CHECKING:
    import torch

MOMENTUM = 0.01
"""Share of a batch in the new moving statistics; Keras calls 0.99, the rest, its momentum."""

_NAMES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "mean": "running_mean",
    "variance": "running_var",
}
"""PyTorch's names of weights."""


def in_pytorch(network: Network, weights: Arrays) -> torch.nn.Module:
    """The network of PyTorch's own modules with these weights, in their dtype, in training mode.

    Its input is (n, 3, side, side); its output, (n, classes). It is a module of `torch.fx`, whose
    code is one line for each layer.

    Raises:
        BenchmarkError: a weight is missing, unknown or has another shape.
        MissingDependency: PyTorch is not installed.
    """
    with requires("pytorch"):
        import torch
    check(network, weights)
    modules: dict[str, torch.nn.Module] = {}
    graph = torch.fx.Graph()
    values = {PICTURE: graph.placeholder("pixels")}
    for node in network.nodes:
        given = [values[name] for name in node.inputs]
        match node.layer:
            case Add(scale):
                values[node.name] = graph.call_function(torch.add, (*given,), {"alpha": scale})
            case Concatenate():
                values[node.name] = graph.call_function(torch.cat, (given, 1))
            case GlobalMean():
                values[node.name] = graph.call_function(torch.mean, (given[0], (2, 3)))
            case _:
                with torch.device("meta"):  # no weights are drawn, so no random number is used up
                    modules[node.name] = _module(node)
                values[node.name] = graph.call_module(node.name, (*given,))
    graph.output(values[network.nodes[-1].name])
    model = torch.fx.GraphModule(modules, graph, class_name=network.name.replace("-", "_"))
    dtype = torch.from_numpy(next(iter(weights.values()))).dtype
    model = model.to_empty(device="cpu").to(dtype)
    put_in_pytorch(network, weights, model)
    return model


def _module(node: Node) -> torch.nn.Module:
    """PyTorch's module of one layer."""
    from torch import nn

    channels = node.before[-1]
    match node.layer:
        case Conv(filters, size, stride, padding, bias):
            return nn.Conv2d(channels, filters, size, stride, padding, bias=bool(bias))
        case Normalise(epsilon, gamma):
            module = nn.BatchNorm2d(channels, epsilon, MOMENTUM)
            if not gamma:
                module.weight = None
            return module
        case Relu():
            return nn.ReLU(inplace=True)
        case MaxPool(side, stride, around):
            return nn.MaxPool2d(side, stride, around)
        case MeanPool(side, stride, around):
            return nn.AvgPool2d(side, stride, around, count_include_pad=False)
        case Dropout(rate):
            return nn.Dropout(rate)
        case Flatten():
            return nn.Flatten()
        case Dense(units):
            return nn.Linear(prod(node.before), units)
    raise AssertionError(f"no module for {node.layer}")


def put_in_pytorch(network: Network, weights: Arrays, model: torch.nn.Module) -> None:
    """Replace the weights of a network made by `in_pytorch`.

    Raises:
        BenchmarkError: a weight is missing, unknown or has another shape.
    """
    import torch

    check(network, weights)
    state = {}
    for node in network.nodes:
        for part in parts_of(node):
            value = weights[f"{node.name}.{part}"]
            if part == "kernel":
                value = _to_pytorch(value, flattened(network, node))
            state[f"{node.name}.{_NAMES[part]}"] = torch.tensor(value)
        if isinstance(node.layer, Normalise):
            state[f"{node.name}.num_batches_tracked"] = torch.tensor(0)
    model.load_state_dict(state)


def from_pytorch(network: Network, model: torch.nn.Module) -> dict[str, Array]:
    """The weights of a network made by `in_pytorch`, as copies."""
    state = {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}
    weights = {}
    for node in network.nodes:
        for part in parts_of(node):
            value: Any = state[f"{node.name}.{_NAMES[part]}"]
            if part == "kernel":
                value = _from_pytorch(value, flattened(network, node))
            weights[f"{node.name}.{part}"] = np.array(value, order="C")
    return weights


def _to_pytorch(kernel: Array, picture: tuple[int, ...]) -> Array:
    """A kernel as PyTorch has it: outputs first, and a picture's rows by channel."""
    if picture:
        by_place = kernel.reshape(*picture, kernel.shape[-1])
        kernel = by_place.transpose(2, 0, 1, 3).reshape(kernel.shape)
    return kernel.transpose((3, 2, 0, 1) if kernel.ndim == 4 else (1, 0))


def _from_pytorch(kernel: Array, picture: tuple[int, ...]) -> Array:
    """The reverse of `_to_pytorch`."""
    kernel = kernel.transpose((2, 3, 1, 0) if kernel.ndim == 4 else (1, 0))
    if picture:
        height, width, channels = picture
        by_place = kernel.reshape(channels, height, width, -1)
        kernel = by_place.transpose(1, 2, 0, 3).reshape(kernel.shape)
    return kernel
