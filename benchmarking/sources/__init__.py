"""Sources of pretrained models, one module each: their specs and how to load one.

A module has NAME, MODULES (what it imports beside the framework), EXTRA (which installs them),
DISTRIBUTIONS (packages whose versions shape the model), `specs()`, `weights_path(spec) -> Path`,
which raises WeightsError where the file is missing, and `load(spec, scaling, device) -> Predictor`.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from benchmarking import frameworks
from benchmarking.errors import BenchmarkError, WeightsError, not_installed
from benchmarking.plugins import discover
from benchmarking.specs import ModelSpec

CONTRACT = ("NAME", "MODULES", "EXTRA", "DISTRIBUTIONS", "specs", "weights_path", "load")


def all_specs() -> tuple[ModelSpec, ...]:
    """Every model of every source, by source and in the source's own order."""
    modules = discover(sys.modules[__name__]).values()
    return tuple(spec for module in modules for spec in module.specs())


def source_of(spec: ModelSpec) -> ModuleType:
    """The module that loads a model."""
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


def check_ready(spec: ModelSpec) -> None:
    """Make sure that what a model needs is installed and that its weights are at hand.

    Raises:
        MissingDependency: a library is not installed.
        WeightsError: the weights are not there.
    """
    for needed_by in (framework_of(spec), source_of(spec)):
        for name in needed_by.MODULES:
            if find_spec(name) is None:
                raise not_installed(name, needed_by.EXTRA)
    path = source_of(spec).weights_path(spec)
    if not path.is_file():
        raise WeightsError(f"the weights {path} are missing.")


def checked(path: Path, spec: ModelSpec) -> Path:
    """The path of a weights file, once its digest has been found to be the published one.

    Raises:
        WeightsError: it is not, or cannot be read; the file is left as it is.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    if found != spec.weights.sha256:
        raise WeightsError(
            f"{path} has sha256 {found}, but {spec.source}/{spec.name} was published with "
            f"{spec.weights.sha256}; install it anew, or look who changed it."
        )
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
