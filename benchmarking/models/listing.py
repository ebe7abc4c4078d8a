"""List models by their facts: source, framework, weights, accuracy, size and input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, get_args

from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.io.user_folders import expanded
from benchmarking.models.frameworks import frameworks
from benchmarking.models.sources import all_specs, select, sources, weights_path
from benchmarking.models.spec import ModelSpec

Place = Literal["available", "missing"]

_Condition = Callable[[ModelSpec], bool]


def list_models(
    models: str | Sequence[str] = (),
    *,
    source: str | Sequence[str] = (),
    framework: str | Sequence[str] = (),
    weights: Place | None = None,
    min_acc1: float | None = None,
    max_parameters: int | None = None,
    input: int | None = None,
    weights_folder: Path | None = None,
) -> tuple[ModelSpec, ...]:
    """The models that meet all conditions, in the order of their sources.

    >>> small = list_models("resnet*", source="torchvision", max_parameters=12_000_000)
    >>> [spec.name for spec in small]
    ['resnet18']

    Args:
        models: names, also with wildcards, as for `predict`; empty for all models.
        source: names of sources, also with wildcards.
        framework: names of frameworks, also with wildcards.
        weights: "available" or "missing": whether the file of weights is on this machine.
        min_acc1: smallest published acc@1 in percent; models without one do not meet it.
        max_parameters: largest number of parameters.
        input: side of the crop in pixels, in any recipe of the model.
        weights_folder: folder with the files of weights; None for the folders of the frameworks.

    Raises:
        BenchmarkError: a name matches nothing, a value is out of range, or no model is left.
    """
    _check(weights, min_acc1, max_parameters, input)
    conditions: dict[str, _Condition] = {}
    for kind, names, known in (
        ("source", _several(source), sources()),
        ("framework", _several(framework), frameworks()),
    ):
        if names:
            chosen = _named(kind, names, known)
            conditions[f"{kind} {' or '.join(names)}"] = _one_of(kind, chosen)
    if min_acc1 is not None:
        conditions[f"published acc@1 of {min_acc1:g} or more"] = lambda spec: (
            spec.published is not None and spec.published.acc1 >= min_acc1
        )
    if max_parameters is not None:
        conditions[f"{max_parameters:,} parameters or fewer"] = lambda spec: (
            spec.parameters <= max_parameters
        )
    if input is not None:
        conditions[f"input of {input} pixels"] = lambda spec: input in _inputs(spec)
    if weights is not None:  # last, because it looks at the disk
        folder = None if weights_folder is None else expanded(weights_folder)
        conditions[f"weights {weights}"] = lambda spec: _place(spec, folder) == weights
    patterns = _several(models)
    return _meeting(conditions, select(patterns) if patterns else all_specs())


def _check(
    weights: str | None, min_acc1: float | None, max_parameters: int | None, input: int | None
) -> None:
    if weights not in (None, *get_args(Place)):
        raise BenchmarkError(f"weights {weights!r} is none of {', '.join(get_args(Place))}.")
    if min_acc1 is not None and not 1 < min_acc1 <= 100:
        raise BenchmarkError(f"acc@1 {min_acc1:g} is not a percentage above 1, such as 80.")
    for what, value in (("number of parameters", max_parameters), ("input", input)):
        if value is not None and value < 1:
            raise BenchmarkError(f"{what} {value} is not a whole number from 1 up.")


def _several(names: str | Sequence[str]) -> Sequence[str]:
    return (names,) if isinstance(names, str) else tuple(names)


def _named(kind: str, patterns: Sequence[str], known: Iterable[str]) -> set[str]:
    """The known names that match patterns, of which each has to match one."""
    found: set[str] = set()
    for pattern in patterns:
        matching = {name for name in known if fnmatchcase(name.lower(), pattern.lower())}
        if not matching:
            raise BenchmarkError(f"there is no {kind} {pattern!r}; there are {', '.join(known)}.")
        found |= matching
    return found


def _one_of(kind: str, names: set[str]) -> _Condition:
    return lambda spec: getattr(spec, kind) in names


def _inputs(spec: ModelSpec) -> set[int]:
    return {recipe.crop for recipe in spec.recipes.values()}


def _place(spec: ModelSpec, folder: Path | None) -> Place:
    try:
        weights_path(spec, folder)
    except WeightsError:
        return "missing"
    return "available"


def _meeting(
    conditions: Mapping[str, _Condition], specs: Sequence[ModelSpec]
) -> tuple[ModelSpec, ...]:
    """The models that meet all conditions; the error says how many meet each one alone."""
    found = tuple(spec for spec in specs if all(met(spec) for met in conditions.values()))
    if found:
        return found
    alone = (
        f"{text}: {sum(map(met, specs)):,} of {len(specs):,}" for text, met in conditions.items()
    )
    raise BenchmarkError(
        "\n  ".join(["no model meets all conditions; models that meet each:", *alone])
    )
