"""Engines: how a loaded model runs in a mode; one module for each framework.

An engine times what a framework does, not what surrounds it: pictures are scaled beforehand, by
NumPy for all frameworks, and one call goes from scaled pixels in this process to probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed import Side
from benchmarking.experiments.speed.engines import keras, predictor, pytorch
from benchmarking.experiments.speed.ready import Engine
from benchmarking.models.sources import framework_of
from benchmarking.models.spec import ModelSpec

_ENGINES: Mapping[str, Engine] = MappingProxyType(
    {"pytorch": pytorch, "keras": keras, "keras-jax": keras, "keras-torch": keras}
)
_OTHER: Engine = predictor


def engine_of(spec: ModelSpec) -> Engine:
    """The engine of a model's framework; that of a plug-in's framework only calls its predictor."""
    return _ENGINES.get(spec.framework, _OTHER)


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
