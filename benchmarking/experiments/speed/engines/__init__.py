"""Engines: how a loaded model runs in a mode; one module for each framework.

An engine times what a framework does, not what surrounds it: pictures are scaled beforehand, by
NumPy for all frameworks, and one call goes from scaled pixels in this process to probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed import Side
from benchmarking.models.loaded import Loaded
from benchmarking.models.signatures import Signature, arranged
from benchmarking.models.sources import framework_of
from benchmarking.models.spec import ModelSpec
from benchmarking.pictures.recipe import Crops, Scaling

Pixels = NDArray[np.float32]
"""Scaled pictures, (n, height, width, 3)."""

LEARNING_RATE = 0.01
"""Of stochastic gradient descent without momentum, the same in all frameworks."""

_ENGINES = {
    "pytorch": "pytorch",
    "keras": "keras",
    "keras-jax": "keras",
    "keras-torch": "keras",
    "onnx": "predictor",
}
_OTHER = "predictor"


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


def engine_of(spec: ModelSpec) -> Engine:
    """The engine of a model's framework; that of a plug-in's framework only calls its predictor."""
    name = _ENGINES.get(spec.framework, _OTHER)
    return cast(Engine, import_module(f"{__name__}.{name}"))


def modes_of(spec: ModelSpec) -> tuple[str, ...]:
    """The modes in which a model can run."""
    return engine_of(spec).modes(spec.framework)


def check_mode(side: Side) -> None:
    """Check that a side's framework has its mode.

    Raises:
        BenchmarkError: it does not.
    """
    known = modes_of(side.spec)
    if side.mode not in known:
        title = framework_of(side.spec).TITLE
        raise BenchmarkError(f"{title} has no mode {side.mode!r} here; it has {', '.join(known)}.")


def scaled(crops: Crops, scaling: Scaling) -> Pixels:
    """Scaled crops, the same for every framework: (n, height, width, 3)."""
    plain = Signature("the model", "", "", "NHWC", "float32", None, None, None)
    return arranged(crops, scaling, plain)
