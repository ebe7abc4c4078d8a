"""A loaded model that is ready to run in a mode, and the contract of what makes it ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarking.models.loaded import Loaded
from benchmarking.models.signatures import Signature, arranged
from benchmarking.pictures.recipe import Crops, Scaling

Pixels = NDArray[np.float32]
"""Scaled pictures, (n, height, width, 3)."""

LEARNING_RATE = 0.01
"""Of stochastic gradient descent without momentum, the same in all frameworks."""


@dataclass(frozen=True, eq=False)
class Ready:
    """A model that is ready to be called in a mode.

    Attributes:
        inputs: scales crops and arranges them as the model takes them; not part of the timed work.
        forward: the model: from what `inputs` returns to probabilities or logits, (n, classes).
        layout: memory layout of the pictures.
        facts: further facts, in words.
    """

    inputs: Callable[[Crops], Any]
    forward: Callable[[Any], object]
    layout: str
    facts: Mapping[str, str] = field(default_factory=dict)


class Engine(Protocol):
    """How models of a framework run."""

    def modes(self, framework: str) -> tuple[str, ...]:
        """The modes of a framework that it has, such as "eager"."""

    def forward(self, loaded: Loaded, scaling: Scaling, mode: str) -> Ready:
        """The model as it predicts.

        Raises:
            BenchmarkError: it cannot run in this mode.
        """

    def training(
        self, loaded: Loaded, mode: str, pixels: Pixels, labels: NDArray[np.int64]
    ) -> Callable[[], object]:
        """A step of training on these scaled pictures; it returns the loss.

        Forward, backward and update, without dropout, whose random numbers differ between
        frameworks.

        Raises:
            BenchmarkError: it cannot be trained in this mode.
        """


def scaled(crops: Crops, scaling: Scaling) -> Pixels:
    """Scaled crops, the same for every framework: (n, height, width, 3)."""
    plain = Signature("the model", "", "", "NHWC", "float32", None, None, None)
    return arranged(crops, scaling, plain)
