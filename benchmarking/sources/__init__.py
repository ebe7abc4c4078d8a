"""Sources of pretrained models, one module each: their specs and how to load one.

A module has NAME, DISTRIBUTIONS (packages whose versions shape the model), `specs()`,
`weights_path(spec) -> Path` and `load(spec, scaling, device) -> Predictor`.
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
from benchmarking.errors import BenchmarkError, MissingDependency, WeightsError
from benchmarking.plugins import discover
from benchmarking.specs import ModelSpec


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
    (spec,) = select([f"{source}/{model}"])
    return spec


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
    """Make sure that a model's framework is installed and that its weights are at hand.

    Raises:
        MissingDependency: the framework is not installed.
        WeightsError: the weights are not there.
    """
    framework = framework_of(spec)
    if find_spec(framework.LIBRARY) is None:
        raise MissingDependency(
            f"{framework.TITLE} is not installed; "
            f"run: pip install 'imagenet-benchmarking[{framework.EXTRA}]'"
        )
    source_of(spec).weights_path(spec)


def checked(path: Path, spec: ModelSpec) -> Path:
    """The path of a weights file, once its digest has been found to be the published one.

    Raises:
        WeightsError: it is not; the file is left as it is.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
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
