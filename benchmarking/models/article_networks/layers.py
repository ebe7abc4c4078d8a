"""Networks as data: layers, the graph that they form, and the shapes within it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import TypeAlias

Shape = tuple[int, ...]
"""Shape of one picture's values, channels last: (height, width, channels) or (units,)."""

PICTURE = ""
"""The name of a network's input."""


@dataclass(frozen=True)
class Conv:
    """A convolution.

    Attributes:
        filters: number of its output channels.
        size: height and width of its kernels.
        stride: step in both directions.
        padding: rows above and below, and columns left and right, of zeros.
        bias: 1 if it adds a bias to each channel, else 0.
    """

    filters: int
    size: tuple[int, int]
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    bias: int = 1


@dataclass(frozen=True)
class Normalise:
    """Batch normalisation; gamma is 1 if it has a trained scale, else 0."""

    epsilon: float
    gamma: int = 1


@dataclass(frozen=True)
class Relu:
    """The positive part of each value."""


@dataclass(frozen=True)
class MaxPool:
    """Maximum of each square; a last row or column that fills no square is dropped.

    Padding comes after ReLU, where zeros and minus infinity give the same maximum.
    """

    size: int
    stride: int
    padding: int = 0


@dataclass(frozen=True)
class MeanPool:
    """Mean of each square; padding does not count."""

    size: int
    stride: int
    padding: int = 0


@dataclass(frozen=True)
class GlobalMean:
    """Mean of each channel."""


@dataclass(frozen=True)
class Add:
    """The first input plus `scale` times the second one."""

    scale: float = 1.0


@dataclass(frozen=True)
class Concatenate:
    """The channels of all inputs, in their order."""


@dataclass(frozen=True)
class Flatten:
    """A picture as one row of values."""


@dataclass(frozen=True)
class Dropout:
    """While training, each value is set to zero with probability `rate`."""

    rate: float


@dataclass(frozen=True)
class Dense:
    """A dense layer with a bias."""

    units: int


Layer: TypeAlias = (
    Conv | Normalise | Relu | MaxPool | MeanPool | GlobalMean | Add | Concatenate | Flatten
    | Dropout | Dense
)  # fmt: skip


@dataclass(frozen=True)
class Node:
    """A layer of a network.

    Attributes:
        name: its name, unique in the network.
        layer: what it computes.
        inputs: names of the nodes whose outputs it takes; PICTURE is the network's input.
        before: shape of its first input.
        after: shape of its output.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    before: Shape
    after: Shape


@dataclass(frozen=True)
class Network:
    """A network whose last node is its output.

    Attributes:
        name: its name in tables.
        side: side of its square pictures in pixels.
        nodes: its layers, each after its inputs.
    """

    name: str
    side: int
    nodes: tuple[Node, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What its nodes compute, in order."""
        return tuple(node.layer for node in self.nodes)

    def without_dropout(self) -> Network:
        """The same network without random numbers, so that two frameworks can be compared."""
        renamed: dict[str, str] = {}
        kept = []
        for node in self.nodes:
            inputs = tuple(renamed.get(name, name) for name in node.inputs)
            if isinstance(node.layer, Dropout):
                renamed[node.name] = inputs[0]
            else:
                kept.append(replace(node, inputs=inputs))
        return replace(self, nodes=tuple(kept))

    def without_head(self) -> Network:
        """The network up to its last dense layer: the features of a picture."""
        return replace(self, name=f"{self.name}-features", nodes=self.nodes[:-1])

    def by_name(self) -> Mapping[str, Node]:
        """Its nodes by name."""
        return {node.name: node for node in self.nodes}


@dataclass
class Draft:
    """A network that is being put together.

    Attributes:
        side: side of its pictures in pixels.
        nodes: what was added so far.
    """

    side: int
    nodes: dict[str, Node] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def add(self, layer: Layer, *inputs: str) -> str:
        """Add a layer after other nodes, and return its name, such as "conv1" or "add12"."""
        kind = type(layer).__name__.lower()
        self._counts[kind] = self._counts.get(kind, 0) + 1
        name = f"{kind}{self._counts[kind]}"
        shapes = [self._shape(one) for one in inputs]
        self.nodes[name] = Node(name, layer, inputs, shapes[0], shape_after(layer, shapes))
        return name

    def chain(self, start: str, *layers: Layer) -> str:
        """Add layers one after another, and return the name of the last one."""
        for layer in layers:
            start = self.add(layer, start)
        return start

    def network(self, name: str) -> Network:
        """The network of what was added."""
        return Network(name, self.side, tuple(self.nodes.values()))

    def _shape(self, name: str) -> Shape:
        return (self.side, self.side, 3) if name == PICTURE else self.nodes[name].after


def shape_after(layer: Layer, shapes: list[Shape]) -> Shape:
    """Shape of a layer's output, from the shapes of its inputs."""
    first = shapes[0]
    match layer:
        case Conv(filters, size, stride, padding):
            pairs = zip(first, size, padding, strict=False)
            return (*((n + 2 * pad - k) // stride + 1 for n, k, pad in pairs), filters)
        case MaxPool(size, stride, padding) | MeanPool(size, stride, padding):
            height, width = ((n + 2 * padding - size) // stride + 1 for n in first[:2])
            return (height, width, first[2])
        case GlobalMean():
            return first[-1:]
        case Concatenate():
            return (*first[:2], sum(shape[-1] for shape in shapes))
        case Flatten():
            return (prod(first),)
        case Dense(units):
            return (units,)
        case _:
            return first
