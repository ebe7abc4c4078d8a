"""Products of Keras models on TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from benchmarking.models.counts._products import Product, refuse_unknown_product

if TYPE_CHECKING:
    import keras

Shape = tuple[int, ...]


def products(model: keras.Model, shape: Shape) -> list[Product]:
    """The products of one forward pass, read from TensorFlow's graph; nothing is computed."""
    import tensorflow as tf

    given = tf.TensorSpec(shape, model.inputs[0].dtype)
    traced = tf.function(lambda pixels: model(pixels, training=False)).get_concrete_function(given)
    graph = traced.graph.as_graph_def(add_shapes=True)
    functions = {function.signature.name: function for function in graph.library.function}
    return list(_products(graph.node, {}, functions))


def _products(
    nodes: Iterable[Any], arguments: Mapping[str, list[Shape]], functions: Mapping[str, Any]
) -> Iterator[Product]:
    """The products of a graph, or of a function that it calls.

    Args:
        nodes: its nodes.
        arguments: shapes of the function's arguments, by name.
        functions: every function of the graph by name. Keras computes convolutions in groups
            within one.
    """
    known = list(nodes)
    shapes = {**arguments, **{node.name: _shapes(node.attr["_output_shapes"]) for node in known}}
    for node in known:
        inputs = [_shape_of(name, shapes) for name in node.input if not name.startswith("^")]
        called = node.attr["f"].func.name if "f" in node.attr else ""
        if called:
            function = functions[called]
            names = [argument.name for argument in function.signature.input_arg]
            given = {name: [shape] for name, shape in zip(names, inputs, strict=True)}
            yield from _products(function.node_def, given, functions)
        else:
            yield from _product(node, inputs, shapes[node.name])


def _product(node: Any, inputs: list[Shape], outputs: list[Shape]) -> Iterator[Product]:
    """The product that a node is, if it is one."""
    size = prod(outputs[0]) if outputs else 0
    match node.op:
        case "Conv2D":  # a kernel is (height, width, inputs of a group, outputs)
            yield Product(size * prod(inputs[1][:-1]), size)
        case "DepthwiseConv2dNative":
            yield Product(size * prod(inputs[1][:2]), size)
        case "MatMul":
            yield Product(size * inputs[0][0 if node.attr["transpose_a"].b else 1], size)
        case "BatchMatMulV2" | "BatchMatMulV3":
            yield Product(size * inputs[0][-2 if node.attr["adj_x"].b else -1], size)
        case "Einsum":
            labels = node.attr["equation"].s.decode().partition("->")[0].split(",")
            lengths: dict[str, int] = {}
            for label, shape in zip(labels, inputs, strict=True):
                lengths |= dict(zip(label, shape, strict=True))
            yield Product(prod(lengths.values()), size)
        case other:
            refuse_unknown_product(other)


def _shapes(attribute: Any) -> list[Shape]:
    return [tuple(dim.size for dim in shape.dim) for shape in attribute.list.shape]


def _shape_of(name: str, shapes: Mapping[str, list[Shape]]) -> Shape:
    """Shape of a node's output: "node", "node:1", or "node:output:0" within a function."""
    node, *_, number = [*name.split(":"), "0"] if ":" not in name else name.split(":")
    found = shapes[node]
    return found[int(number)] if int(number) < len(found) else ()
