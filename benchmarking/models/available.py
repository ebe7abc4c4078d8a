"""Which models can run, and why the others cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarking.errors import BenchmarkError, MissingDependency, WeightsError
from benchmarking.io.files import sweep_up
from benchmarking.io.progress import notice
from benchmarking.models import hub_cache
from benchmarking.models.backends import KERAS, on_backend
from benchmarking.models.sources import (
    all_specs,
    check_installed,
    select,
    source_of,
    weights_path,
)
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.models.weights import Unreachable, download, missing

_SHOWN = 3
"""Number of models that a reason names."""
_BYTES_PER_PARAMETER = 4
"""Of weights in float32."""


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
    own: Sequence[ModelSpec] = (),
    weights_folder: Path | None = None,
    needs_weights: bool = True,
    backend: str | None = None,
    tell: Callable[[str], None] = notice,
) -> Available:
    """Divide the selected models into those that can run and those that cannot.

    Missing weights are downloaded if patterns are given.

    Args:
        patterns: as for `select`; empty for every model whose weights are available, or for those
            of the user alone.
        recipe: the recipe that each model must have.
        own: specs of the user's own checkpoints and model files.
        weights_folder: folder with weight files; None for the folder of each framework.
        needs_weights: False if models run with random weights.
        backend: backend of Keras on which the listed models of Keras run, and no other models; None
            for each model as it is listed.
        tell: called with messages about downloads and about names that match several models.

    Raises:
        BenchmarkError: a pattern matches nothing, or no model can run.
    """
    found = _installed(patterns, recipe, own, backend)
    if needs_weights:
        if patterns:
            _tell_of_downloads(found.specs, weights_folder, tell)
        silent: set[str] = set()
        found = _passing(
            found, lambda spec: _find_weights(spec, weights_folder, bool(patterns), tell, silent)
        )
    return _told(found, patterns, backend, tell)


def without_downloads(
    patterns: Sequence[str],
    recipe: str,
    *,
    own: Sequence[ModelSpec] = (),
    weights_folder: Path | None = None,
    needs_weights: bool = True,
    backend: str | None = None,
    tell: Callable[[str], None] = notice,
) -> Available:
    """The result that `available` would have if every download succeeded; nothing is downloaded.

    The arguments and errors are those of `available`.
    """
    found = _installed(patterns, recipe, own, backend)
    if needs_weights:
        found = _passing(found, lambda spec: _check_weights(spec, weights_folder, bool(patterns)))
    return _told(found, patterns, backend, tell)


def has_weights(spec: ModelSpec, folder: Path | None) -> bool:
    """Whether the file of a model's weights exists; its digest is not compared."""
    try:
        weights_path(spec, folder)
    except WeightsError:
        return False
    return True


def download_size(spec: ModelSpec) -> int:
    """Bytes of a model's file of weights; at 4 per parameter if its size is not published."""
    if spec.weights.megabytes:
        return round(spec.weights.megabytes * 2**20)
    return spec.parameters * _BYTES_PER_PARAMETER


def _installed(
    patterns: Sequence[str], recipe: str, own: Sequence[ModelSpec], backend: str | None
) -> Available:
    """The selected models, divided by whether they have the recipe and their libraries."""
    listed = select(patterns) if patterns else () if own else all_specs()
    if backend is not None:
        listed = _on_backend(listed, backend)
    found = Available((*own, *listed), {})
    found = _passing(found, lambda spec: spec.recipe(recipe))
    return _passing(found, _installed_check())


def _passing(found: Available, check: Callable[[ModelSpec], object]) -> Available:
    """The models that pass a check, too; the errors of the others are added to the obstacles."""
    passed, obstacles = [], dict(found.obstacles)
    for spec in found.specs:
        try:
            check(spec)
            passed.append(spec)
        except BenchmarkError as error:
            obstacles[spec.full_name] = error
    return Available(tuple(passed), obstacles)


def _told(
    found: Available, patterns: Sequence[str], backend: str | None, tell: Callable[[str], None]
) -> Available:
    """The same, after the user was told of names that match several models.

    Raises:
        BenchmarkError: no model can run.
    """
    if not found.specs:
        raise BenchmarkError("\n".join(["no model can run.", *explained(found.obstacles)]))
    for line in _explained(patterns) if backend is None else ():
        tell(line)
    return found


def explained(obstacles: Mapping[str, BenchmarkError | str]) -> list[str]:
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
    return _find_weights(spec, folder, True, tell, set())


def _installed_check() -> Callable[[ModelSpec], None]:
    """`check_installed`, which looks for the libraries of a source and a framework only once."""
    known: dict[tuple[str, str], MissingDependency | None] = {}

    def check(spec: ModelSpec) -> None:
        libraries = (spec.framework, spec.built_as.source)
        if libraries not in known:
            try:
                check_installed(spec)
                known[libraries] = None
            except MissingDependency as error:
                known[libraries] = error
        missing = known[libraries]
        if missing:
            raise missing

    return check


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
    wanted = []
    for spec in specs:
        try:
            weights_path(spec, folder)
        except WeightsError:
            if spec.weights.url:
                wanted.append(spec)
    if len(wanted) > 1:
        known = [spec.weights.megabytes for spec in wanted if spec.weights.megabytes]
        unknown = [spec.parameters for spec in wanted if not spec.weights.megabytes]
        sizes = [f"{sum(known):,.0f} MiB"] if known else []
        if unknown:
            about = sum(unknown) * _BYTES_PER_PARAMETER / 2**20
            sizes += [f"{len(unknown)} of unknown size, at 4 bytes per parameter {about:,.0f} MiB"]
        tell(
            f"{len(wanted)} files of weights are missing and will be downloaded: "
            f"{', and '.join(sizes)}"
        )


def _find_weights(
    spec: ModelSpec,
    folder: Path | None,
    fetch: bool,
    tell: Callable[[str], None],
    silent: set[str],
) -> Path:
    """Path of a model's weights, which are downloaded if they are missing.

    A server that has not responded is not asked again: it costs seconds, and hundreds of models can
    have the same one.
    """
    try:
        path = weights_path(spec, folder)
    except WeightsError:
        if not (fetch and spec.weights.url):
            raise
    else:
        if spec.weights.url:
            sweep_up(path)  # a second download of the same file may have been killed
        return path
    weights, place = spec.weights, folder or source_of(spec).weights_folder(spec)
    server = urlsplit(weights.url).netloc
    _check_online(weights, place)
    if server in silent:
        raise missing(weights, place, f", and {server} did not respond")
    tell(f"downloading {weights.url} into {place}")
    try:
        return download(weights, place)
    except Unreachable:
        silent.add(server)
        raise


def _check_weights(spec: ModelSpec, folder: Path | None, fetch: bool) -> None:
    """Check that a model's weights exist, or could be downloaded.

    Raises:
        WeightsError: they are missing, and would not be downloaded.
    """
    try:
        weights_path(spec, folder)
    except WeightsError:
        if not (fetch and spec.weights.url):
            raise
        _check_online(spec.weights, folder or source_of(spec).weights_folder(spec))


def _check_online(weights: Weights, place: Path) -> None:
    """Raise WeightsError if the weights are at the hub, and the user wants no network."""
    if weights.hub and hub_cache.is_offline():
        raise missing(weights, place, ", and HF_HUB_OFFLINE is set")


def _explained(patterns: Sequence[str]) -> list[str]:
    """One line for each model name that exists in several sources."""
    lines = []
    for pattern in patterns:
        same = [spec for spec in select([pattern]) if spec.name.lower() == pattern.lower()]
        if len(same) > 1:
            lines.append(f"{pattern} means {' and '.join(spec.full_name for spec in same)}")
    return lines
