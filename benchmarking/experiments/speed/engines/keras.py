"""Keras on TensorFlow, JAX or PyTorch: eager, compiled, or with XLA."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from math import prod, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed.ready import LEARNING_RATE, Pixels, Ready, scaled
from benchmarking.models.loaded import Loaded
from benchmarking.pictures.recipe import Scaling

if TYPE_CHECKING:
    import keras


def modes(framework: str) -> tuple[str, ...]:
    """Its modes; XLA is what compiles on JAX anyway, and PyTorch does not have it."""
    return ("eager", "compiled", "xla") if framework == "keras" else ("eager", "compiled")


def forward(loaded: Loaded, scaling: Scaling, mode: str) -> Ready:
    """The model as it predicts; `model.predict` has overhead of its own and is not used."""
    make = {"keras": _on_tensorflow, "keras-jax": _on_jax, "keras-torch": _on_torch}
    return make[loaded.spec.framework](loaded, scaling, mode)


def training(
    loaded: Loaded, mode: str, pixels: Pixels, labels: NDArray[np.int64]
) -> Callable[[], object]:
    """A step of `train_on_batch`, which is Keras's own.

    Raises:
        BenchmarkError: Keras would train without XLA although it is told to use it, as it does
            where deterministic operations are required.
    """
    import keras

    model: keras.Model = loaded.model
    for layer in model._flatten_layers():
        if isinstance(getattr(layer, "rate", None), float) and "Dropout" in type(layer).__name__:
            layer.rate = 0.0
    on_tensorflow = loaded.spec.framework == "keras"
    model.compile(
        optimizer=keras.optimizers.SGD(LEARNING_RATE),
        loss="sparse_categorical_crossentropy",
        run_eagerly=mode == "eager",
        jit_compile=mode == "xla" or (mode == "compiled" and not on_tensorflow),
    )
    if mode == "xla" and not model.jit_compile:
        raise BenchmarkError(
            f"Keras does not train {loaded.spec.full_name} with XLA where deterministic operations "
            "are required; use eager or compiled."
        )
    return lambda: model.train_on_batch(pixels, labels)


def fill_at_random(model: keras.Model, seed: int) -> None:
    """Give a model the same random weights on every backend.

    Kernels get the normal distribution of He et al. (2015), with the variance 2 / inputs; what
    the model has as constants, such as the statistics of batch normalisation, remains.
    """
    import keras

    random = np.random.default_rng(seed)
    for layer in model._flatten_layers(include_self=False, recursive=True):
        for variable in layer._trainable_variables:
            value = keras.ops.convert_to_numpy(variable)
            if value.ndim > 1:
                is_depthwise = "Depthwise" in type(layer).__name__
                inputs = prod(value.shape[:2] if is_depthwise else value.shape[:-1])
                variable.assign(random.normal(0, sqrt(2 / inputs), value.shape).astype(np.float32))


def _on_tensorflow(loaded: Loaded, scaling: Scaling, mode: str) -> Ready:
    import tensorflow as tf

    model = loaded.model

    def call(pixels: Any) -> Any:
        return model(pixels, training=False)

    called = call if mode == "eager" else tf.function(call, jit_compile=mode == "xla")

    def run(pixels: Pixels) -> Any:
        with tf.device(loaded.device.address):
            return called(tf.constant(pixels))

    return Ready(lambda crops: scaled(crops, scaling), run, "NHWC")


def _on_jax(loaded: Loaded, scaling: Scaling, mode: str) -> Ready:
    import jax

    model = loaded.model
    values = [
        [variable.value for variable in some]
        for some in (model.trainable_variables, model.non_trainable_variables)
    ]

    def call(values: Any, pixels: Any) -> Any:
        return model.stateless_call(*values, pixels, training=False)[0]

    called = call if mode == "eager" else jax.jit(call)
    return Ready(
        lambda crops: scaled(crops, scaling),
        lambda pixels: called(values, jax.numpy.asarray(pixels)),
        "NHWC",
    )


def _on_torch(loaded: Loaded, scaling: Scaling, mode: str) -> Ready:
    import keras
    import torch

    model = loaded.model.to(loaded.device.address)

    def call(pixels: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = model(pixels, training=False)
        return found

    called = call if mode == "eager" else torch.compile(call)
    device: AbstractContextManager[Any] = nullcontext()
    if loaded.device.kind == "gpu":
        device = keras.device(loaded.device.address)

    def run(pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), device:
            return called(pixels.to(loaded.device.address))

    return Ready(lambda crops: torch.from_numpy(scaled(crops, scaling)), run, "NHWC")
