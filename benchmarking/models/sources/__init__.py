"""Sources of pretrained models, one module each: their specs and how to load one.

A module has NAME, MODULES (what it imports beside the framework), EXTRA (which installs them),
DISTRIBUTIONS (packages whose versions shape the model), `specs()`, `weights_folder(spec) -> Path`,
where its files of weights are kept, and `build(spec, weights)`: the framework's model, filled from
a checked file, or with its random initial values where that is None.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from benchmarking import frameworks
from benchmarking.errors import BenchmarkError, not_installed
from benchmarking.plugins import discover
from benchmarking.specs import ModelSpec
from benchmarking.weights import missing

CONTRACT = ("NAME", "MODULES", "EXTRA", "DISTRIBUTIONS", "specs", "weights_folder", "build")


def all_specs() -> tuple[ModelSpec, ...]:
    """Every model of every source, by source and in the source's own order."""
    modules = discover(sys.modules[__name__]).values()
    return tuple(spec for module in modules for spec in module.specs())


def source_of(spec: ModelSpec) -> ModuleType:
    """The module that builds a model."""
    return discover(sys.modules[__name__])[spec.source]


def framework_of(spec: ModelSpec) -> ModuleType:
    """The module that runs a model."""
    return discover(frameworks)[spec.framework]


def spec_of(source: str, model: str) -> ModelSpec:
    """The model of this name in this source.

    Raises:
        BenchmarkError: there is none.
    """
    for spec in discover(sys.modules[__name__])[source].specs():
        if spec.name == model:
            found: ModelSpec = spec
            return found
    raise BenchmarkError(f"source {source!r} has no model {model!r}.")


def select(patterns: Sequence[str]) -> tuple[ModelSpec, ...]:
    """Models that match any of the patterns, each once, in the order of `all_specs`.

    A pattern is a name with wildcards ("efficientnet-lite?"), a framework ("keras"), a source, or
    "source/name" with wildcards in either part; upper and lower case are the same.

    Raises:
        BenchmarkError: a pattern matches nothing.
    """
    specs = all_specs()
    chosen: set[tuple[str, str]] = set()
    for pattern in patterns:
        found = {(spec.source, spec.name) for spec in specs if _matches(spec, pattern.lower())}
        if not found:
            raise _unknown(pattern, specs)
        chosen |= found
    return tuple(spec for spec in specs if (spec.source, spec.name) in chosen)


def check_installed(spec: ModelSpec) -> None:
    """Make sure that the libraries that a model needs are installed.

    Raises:
        MissingDependency: one is not.
    """
    for needed_by in (framework_of(spec), source_of(spec)):
        for name in needed_by.MODULES:
            if find_spec(name) is None:
                raise not_installed(name, needed_by.EXTRA)


def weights_path(spec: ModelSpec, folder: Path | None) -> Path:
    """Where a model's weights are: in the folder given, else where its framework keeps them.

    Raises:
        WeightsError: they are not there.
    """
    place = folder or source_of(spec).weights_folder(spec)
    path: Path = place / spec.weights.file
    if not path.is_file():
        raise missing(spec.weights, place)
    return path


def _matches(spec: ModelSpec, pattern: str) -> bool:
    names = (spec.framework, spec.source, spec.name, f"{spec.source}/{spec.name}")
    return any(fnmatchcase(name.lower(), pattern) for name in names)


def _unknown(pattern: str, specs: Sequence[ModelSpec]) -> BenchmarkError:
    names = {name for spec in specs for name in (spec.name, spec.source, spec.framework)}
    close = get_close_matches(pattern.lower(), sorted(names), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return BenchmarkError(
        f"unknown model {pattern!r}.{hint} Run 'imagenet-benchmark models' for all."
    )
