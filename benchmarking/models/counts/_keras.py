"""Number of values of Keras models, on any backend."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def weights(model: keras.Model) -> tuple[int, int]:
    """Number of trainable floating-point values, and of others that are saved.

    Keras' `count_params` is their sum, and integers: a normalisation layer counts its batches.
    """
    trainable, others = (
        sum(prod(value.shape) for value in some if "float" in str(value.dtype))
        for some in (model.trainable_weights, model.non_trainable_weights)
    )
    return trainable, others
