"""Products of Keras models on JAX."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

from benchmarking.models.counts._products import Product, refuse_unknown_product

if TYPE_CHECKING:
    import keras


def products(model: keras.Model, shape: tuple[int, ...]) -> list[Product]:
    """The products of one forward pass, read from JAX's program; nothing is computed."""
    import jax

    program = jax.make_jaxpr(lambda pixels: model(pixels, training=False))(
        jax.ShapeDtypeStruct(shape, model.inputs[0].dtype)
    )
    return [found for step in _steps(program.jaxpr) for found in _product(step)]


def _steps(program: Any) -> Iterator[Any]:
    """Every step of a program, and of the programs that it calls."""
    for step in program.eqns:
        yield step
        for value in step.params.values():
            for inner in value if isinstance(value, (tuple, list)) else [value]:
                if hasattr(inner, "jaxpr"):
                    yield from _steps(inner.jaxpr)
                elif hasattr(inner, "eqns"):
                    yield from _steps(inner)


def _product(step: Any) -> list[Product]:
    """The product that a step is, if it is one."""
    name = step.primitive.name
    outputs = prod(step.outvars[0].aval.shape) if step.outvars else 0
    if name == "dot_general":
        (summed, _), _ = step.params["dimension_numbers"]
        length = prod(step.invars[0].aval.shape[axis] for axis in summed)
        return [Product(outputs * length, outputs)]
    if name == "conv_general_dilated" and set(step.params["lhs_dilation"]) <= {1}:
        kernel = step.invars[1].aval.shape
        filters = kernel[step.params["dimension_numbers"].rhs_spec[0]]
        return [Product(outputs * prod(kernel) // filters, outputs)]
    refuse_unknown_product(name)
    return []
