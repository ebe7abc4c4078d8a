"""The networks of the articles, of Keras' own layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from benchmarking.models.article_networks.weights import Array, Arrays, check, parts_of

if TYPE_CHECKING:
    import keras


def in_keras(network: Network, weights: Arrays) -> keras.Model:
    """The network of Keras' own layers with these weights, in their dtype.

    Its input is (n, side, side, 3); its output, (n, classes).

    Raises:
        BenchmarkError: a weight is missing, unknown or has another shape.
        MissingDependency: Keras is not installed.
    """
    with requires("keras"):
        import keras
    check(network, weights)
    dtype = str(next(iter(weights.values())).dtype)
    pixels = keras.Input((network.side, network.side, 3), dtype=dtype)
    values = {PICTURE: pixels}
    for node in network.nodes:
        given = [values[name] for name in node.inputs]
        values[node.name] = _after(node, given, dtype)
    model = keras.Model(pixels, values[network.nodes[-1].name], name=network.name)
    put_in_keras(network, weights, model)
    return model


def _after(node: Node, given: list[Any], dtype: str) -> Any:
    """The output of one layer."""
    from keras import layers

    own: dict[str, Any] = {"name": node.name, "dtype": dtype}
    (first, *others) = given
    match node.layer:
        case Add(scale):
            scaled = others[0] if scale == 1 else others[0] * scale
            return layers.Add(**own)([first, scaled])
        case Concatenate():
            return layers.Concatenate(**own)(given)
        case MaxPool(size, stride, padding):
            if padding:
                first = layers.ZeroPadding2D(padding, dtype=dtype)(first)
            return layers.MaxPooling2D(size, stride, **own)(first)
        case Conv(size=size, padding=around) if any(around) and not _is_same(node.layer):
            first = layers.ZeroPadding2D(around, dtype=dtype)(first)
    return _layer(node, own)(first)


def _layer(node: Node, own: dict[str, Any]) -> keras.layers.Layer:
    """Keras' layer with one input."""
    from keras import layers

    match node.layer:
        case Conv(filters, size, stride, _, bias):
            padding = "same" if _is_same(node.layer) else "valid"
            return layers.Conv2D(filters, size, stride, padding, use_bias=bool(bias), **own)
        case Normalise(epsilon, gamma):
            return layers.BatchNormalization(epsilon=epsilon, scale=bool(gamma), **own)
        case Relu():
            return layers.ReLU(**own)
        case MeanPool(size, stride, around):
            padding = "same" if around else "valid"
            return layers.AveragePooling2D(size, stride, padding, **own)
        case GlobalMean():
            return layers.GlobalAveragePooling2D(**own)
        case Dropout(rate):
            return layers.Dropout(rate, **own)
        case Flatten():
            return layers.Flatten(**own)
        case Dense(units):
            return layers.Dense(units, **own)
    raise AssertionError(f"no layer for {node.layer}")


def _is_same(layer: Conv) -> bool:
    """Whether the padding is what Keras calls "same", which is symmetric with stride 1 only."""
    return layer.stride == 1 and all(
        2 * pad == size - 1 for pad, size in zip(layer.padding, layer.size, strict=True)
    )


def put_in_keras(network: Network, weights: Arrays, model: keras.Model) -> None:
    """Replace the weights of a network made by `in_keras`.

    Raises:
        BenchmarkError: a weight is missing, unknown or has another shape.
    """
    check(network, weights)
    for node in network.nodes:
        if parts := parts_of(node):
            own = [weights[f"{node.name}.{part}"] for part in parts]
            model.get_layer(node.name).set_weights(own)


def from_keras(network: Network, model: keras.Model) -> dict[str, Array]:
    """The weights of a network made by `in_keras`, as copies."""
    return {
        f"{node.name}.{part}": value
        for node in network.nodes
        if (parts := parts_of(node))
        for part, value in zip(parts, model.get_layer(node.name).get_weights(), strict=True)
    }
