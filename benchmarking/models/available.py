"""Which models can run, and why the others cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.io.files import sweep_up
from benchmarking.io.progress import notice
from benchmarking.models.backends import KERAS, on_backend
from benchmarking.models.sources import (
    all_specs,
    check_installed,
    select,
    source_of,
    weights_path,
)
from benchmarking.models.spec import ModelSpec
from benchmarking.models.weights import download

_SHOWN = 3
"""Number of models that a reason names."""


@dataclass(frozen=True)
class Available:
    """The models that a user has selected.

    Attributes:
        specs: the models that can run.
        obstacles: the reason why each other model cannot run, by its full name.
    """

    specs: tuple[ModelSpec, ...]
    obstacles: Mapping[str, BenchmarkError]


def available(
    patterns: Sequence[str],
    recipe: str,
    *,
    checkpoints: Sequence[ModelSpec] = (),
    weights_folder: Path | None = None,
    needs_weights: bool = True,
    backend: str | None = None,
    tell: Callable[[str], None] = notice,
) -> Available:
    """Divide the selected models into those that can run and those that cannot.

    Missing weights are downloaded if patterns are given.

    Args:
        patterns: as for `select`; empty for every model whose weights are available, or for the
            checkpoints alone.
        recipe: the recipe that each model must have.
        checkpoints: specs of the user's own checkpoints.
        weights_folder: folder with weight files; None for the folder of each framework.
        needs_weights: False if models run with random weights.
        backend: backend of Keras on which the listed models of Keras run, and no other models; None
            for each model as it is listed.
        tell: called with messages about downloads and about names that match several models.

    Raises:
        BenchmarkError: a pattern matches nothing, or no model can run.
    """
    listed = select(patterns) if patterns else () if checkpoints else all_specs()
    if backend is not None:
        listed = _on_backend(listed, backend)
    specs, obstacles = [*checkpoints, *listed], dict[str, BenchmarkError]()

    def passing(check: Callable[[ModelSpec], object]) -> list[ModelSpec]:
        """The remaining models that pass a check; the errors of the others are kept."""
        passed = []
        for spec in specs:
            try:
                check(spec)
                passed.append(spec)
            except BenchmarkError as error:
                obstacles[spec.full_name] = error
        return passed

    specs = passing(lambda spec: spec.recipe(recipe))
    specs = passing(check_installed)
    if needs_weights:
        if patterns:
            _tell_of_downloads(specs, weights_folder, tell)
        specs = passing(lambda spec: _find_weights(spec, weights_folder, bool(patterns), tell))
    if not specs:
        raise BenchmarkError("\n".join(["no model can run.", *explained(obstacles)]))
    for line in _explained(patterns) if backend is None else ():
        tell(line)
    return Available(tuple(specs), obstacles)


def explained(obstacles: Mapping[str, BenchmarkError]) -> list[str]:
    """One line for each reason why models cannot run, with the names of these models.

    >>> explained({name: BenchmarkError("no Keras.") for name in "abcde"})
    ['a, b, c and 2 more: no Keras.']
    """
    names: dict[str, list[str]] = {}
    for name, error in obstacles.items():
        names.setdefault(str(error), []).append(name)
    return [
        f"{', '.join(some[:_SHOWN])}"
        f"{f' and {len(some) - _SHOWN} more' if len(some) > _SHOWN else ''}: {reason}"
        for reason, some in names.items()
    ]


def find_weights(
    spec: ModelSpec, folder: Path | None, tell: Callable[[str], None] = notice
) -> Path:
    """Path of a model's weights, which are downloaded if they are missing.

    Raises:
        WeightsError: they are missing and cannot be downloaded.
    """
    return _find_weights(spec, folder, True, tell)


def _on_backend(specs: Sequence[ModelSpec], backend: str) -> tuple[ModelSpec, ...]:
    found = tuple(on_backend(spec, backend) for spec in specs if spec.framework == KERAS)
    if not found:
        raise BenchmarkError(
            f"backend {backend} is one of Keras, and none of these is a listed model of Keras."
        )
    return found


def _tell_of_downloads(
    specs: Sequence[ModelSpec], folder: Path | None, tell: Callable[[str], None]
) -> None:
    """Announce the total size of the downloads, if there are several."""
    missing = []
    for spec in specs:
        try:
            weights_path(spec, folder)
        except WeightsError:
            if spec.weights.url:
                missing.append(spec.weights)
    if len(missing) > 1:
        sizes = [weights.megabytes for weights in missing if weights.megabytes]
        unknown = len(missing) - len(sizes)
        tell(
            f"{len(missing)} files of weights are missing and will be downloaded: "
            f"{sum(sizes):,.0f} MiB{f', and {unknown} of unknown size' if unknown else ''}"
        )


def _find_weights(
    spec: ModelSpec, folder: Path | None, fetch: bool, tell: Callable[[str], None]
) -> Path:
    try:
        path = weights_path(spec, folder)
    except WeightsError:
        if not (fetch and spec.weights.url):
            raise
    else:
        if spec.weights.url:
            sweep_up(path)  # a second download of the same file may have been killed
        return path
    place = folder or source_of(spec).weights_folder(spec)
    tell(f"downloading {spec.weights.url} into {place}")
    return download(spec.weights, place)


def _explained(patterns: Sequence[str]) -> list[str]:
    """One line for each model name that exists in several sources."""
    lines = []
    for pattern in patterns:
        same = [spec for spec in select([pattern]) if spec.name.lower() == pattern.lower()]
        if len(same) > 1:
            lines.append(f"{pattern} means {' and '.join(spec.full_name for spec in same)}")
    return lines
