"""Size and work of a model, counted so that two frameworks give the same numbers.

What frameworks count differs: Keras' `count_params` includes moving statistics, PyTorch's usual sum
of `parameters()` does not; "flops" are multiply-adds for some tools and twice as many for others;
some add normalisation and activation functions. Here each number has one definition, `Counts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.models.counts import _jax, _keras, _pytorch, _tensorflow
from benchmarking.models.counts._products import Product
from benchmarking.models.loaded import Loaded
from benchmarking.models.sources import weights_path
from benchmarking.models.spec import ModelSpec


@dataclass(frozen=True)
class Counts:
    """Size of a model and work of one forward pass of one picture.

    Attributes:
        trainable: floating-point values that training changes by gradients. Torchvision's
            `num_params` is this number.
        not_trainable: other floating-point values that are saved with the model: moving statistics
            of normalisation, and frozen weights. Counters, which are integers, do not count.
        macs: multiply-adds of matrix products: convolutions, dense layers, and products of two
            activations, as in attention. Positions of a kernel over padding count. Biases,
            normalisation, pooling and activation functions do not. Torchvision's `_ops`, which it
            calls GFLOPS, is this number in 10^9.
        activations: output elements of the same products. For a network of convolutions this is
            the definition of Radosavovic et al., "Designing Network Design Spaces" (2020), and of
            timm's tables (`macts`), which also count the outputs of dense layers.
    """

    trainable: int
    not_trainable: int
    macs: int
    activations: int

    @property
    def parameters(self) -> int:
        """All floating-point values that are saved with the model."""
        return self.trainable + self.not_trainable


def counts_of(loaded: Loaded, side: int) -> Counts:
    """Count a loaded model; the products are those of one forward pass, which is traced.

    Args:
        loaded: the model; its weights are not changed.
        side: side of the square picture in pixels.

    Raises:
        BenchmarkError: models of this framework cannot be counted, or the model computes something
            that may be a product and is not known here.
    """
    known = {
        "pytorch": in_pytorch,
        "keras": in_keras_on_tensorflow,
        "keras-jax": in_keras_on_jax,
        "keras-torch": in_keras_on_torch,
    }
    spec = loaded.spec
    if spec.framework not in known or spec.engine:
        what = "quantized models" if spec.engine else f"models of {spec.framework}"
        raise BenchmarkError(
            f"{spec.full_name}: {what} cannot be counted; those of {', '.join(known)} can."
        )
    try:
        return known[spec.framework](loaded.model, side)
    except BenchmarkError as error:
        raise BenchmarkError(f"{spec.full_name}: {error}") from error


def file_size(spec: ModelSpec, weights_folder: Path | None = None) -> int:
    """Bytes of a model's weights as they are stored, with the further files that they refer to.

    Raises:
        WeightsError: a file is missing or cannot be read.
    """
    path = weights_path(spec, weights_folder)
    files = [path, *(path.parent / name for name, _ in spec.weights.beside)]
    try:
        return sum(file.stat().st_size for file in files)
    except OSError as error:
        raise WeightsError(f"{error.filename} cannot be read: {error.strerror}.") from error


def in_pytorch(model: Any, side: int) -> Counts:
    """Counts of a `torch.nn.Module` whose input is (1, 3, side, side); it may be on device meta."""
    return _counts(_pytorch.weights, _pytorch.products(model, (1, 3, side, side)), model)


def in_keras_on_tensorflow(model: Any, side: int) -> Counts:
    """Counts of a Keras model on TensorFlow whose input is (1, side, side, 3)."""
    return _counts(_keras.weights, _tensorflow.products(model, (1, side, side, 3)), model)


def in_keras_on_jax(model: Any, side: int) -> Counts:
    """Counts of a Keras model on JAX whose input is (1, side, side, 3)."""
    return _counts(_keras.weights, _jax.products(model, (1, side, side, 3)), model)


def in_keras_on_torch(model: Any, side: int) -> Counts:
    """Counts of a Keras model on PyTorch whose input is (1, side, side, 3)."""
    return _counts(_keras.weights, _pytorch.products(model, (1, side, side, 3)), model)


def _counts(
    weights: Callable[[Any], tuple[int, int]], products: Iterable[Product], model: Any
) -> Counts:
    found = list(products)
    return Counts(
        *weights(model),
        macs=sum(product.macs for product in found),
        activations=sum(product.outputs for product in found),
    )
