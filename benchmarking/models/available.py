"""Which models can run, and why the others cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.io.files import sweep_up
from benchmarking.io.progress import notice
from benchmarking.models.sources import (
    all_specs,
    check_installed,
    select,
    source_of,
    weights_path,
)
from benchmarking.models.spec import ModelSpec
from benchmarking.models.weights import download


@dataclass(frozen=True)
class Available:
    """The models that a user has selected.

    Attributes:
        specs: the models that can run.
        obstacles: for each other model, by its full name, why it cannot run.
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
        tell: called with messages about downloads and about names that match several models.

    Raises:
        BenchmarkError: a pattern matches nothing, or no model can run.
    """
    ready: list[ModelSpec] = []
    obstacles: dict[str, BenchmarkError] = {}
    listed = select(patterns) if patterns else () if checkpoints else all_specs()
    for spec in (*checkpoints, *listed):
        try:
            if recipe not in spec.recipes:
                known = ", ".join(spec.recipes)
                raise BenchmarkError(f"no recipe {recipe!r}; it has {known}.")
            check_installed(spec)
            if needs_weights:
                _find_weights(spec, weights_folder, bool(patterns), tell)
            ready.append(spec)
        except BenchmarkError as error:
            obstacles[spec.full_name] = error
    if not ready:
        reasons = [f"{name}: {error}" for name, error in obstacles.items()]
        raise BenchmarkError("\n".join(["no model can run.", *reasons]))
    for line in _explained(patterns):
        tell(line)
    return Available(tuple(ready), obstacles)


def find_weights(
    spec: ModelSpec, folder: Path | None, tell: Callable[[str], None] = notice
) -> Path:
    """Path of a model's weights, which are downloaded if they are missing.

    Raises:
        WeightsError: they are missing and cannot be downloaded.
    """
    return _find_weights(spec, folder, True, tell)


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
            sweep_up(path)  # a download beside the one that succeeded may have been killed
        return path
    place = folder or source_of(spec).weights_folder(spec)
    tell(f"downloading {spec.weights.url} into {place}")
    return download(spec.weights, place)


def _explained(patterns: Sequence[str]) -> list[str]:
    """A line for each model name that exists in several sources."""
    lines = []
    for pattern in patterns:
        same = [spec for spec in select([pattern]) if spec.name.lower() == pattern.lower()]
        if len(same) > 1:
            lines.append(f"{pattern} means {' and '.join(spec.full_name for spec in same)}")
    return lines
