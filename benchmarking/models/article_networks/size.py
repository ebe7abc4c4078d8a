"""Size and work of a network from its layers alone, without a framework."""

from __future__ import annotations

from math import prod

from benchmarking.models.article_networks.layers import Conv, Dense, Network, Node
from benchmarking.models.article_networks.weights import parts_of
from benchmarking.models.counts import Counts

_MOVING = ("mean", "variance")
"""Weights that training changes without gradients."""


def counts_of_layers(network: Network) -> Counts:
    """The counts of a network, as defined by `Counts`.

    >>> from benchmarking.models.article_networks import CONVNET
    >>> counts_of_layers(CONVNET).trainable
    11290
    """
    sizes = [
        (part, prod(shape)) for node in network.nodes for part, shape in parts_of(node).items()
    ]
    return Counts(
        trainable=sum(size for part, size in sizes if part not in _MOVING),
        not_trainable=sum(size for part, size in sizes if part in _MOVING),
        macs=sum(_macs(node) for node in network.nodes),
        activations=sum(
            prod(node.after) for node in network.nodes if isinstance(node.layer, Conv | Dense)
        ),
    )


def _macs(node: Node) -> int:
    match node.layer:
        case Conv(size=size):
            return prod(node.after) * prod(size) * node.before[-1]
        case Dense(units):
            return prod(node.before) * units
        case _:
            return 0
