"""Every training of a sweep, each framework in its own fresh processes, stored one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.experiments import Model
from benchmarking.experiments.transfer import probe, runs
from benchmarking.experiments.transfer.article import ArticleTest, articles
from benchmarking.experiments.transfer.changed_plans import ChangedTest
from benchmarking.experiments.transfer.features import (
    Features,
    FeatureTest,
    Pictures,
    computed,
    stored,
)
from benchmarking.experiments.transfer.heads import HeadTest, Learnt, Step, heads_trained
from benchmarking.experiments.transfer.moving_statistics import MovingTest, moving
from benchmarking.experiments.transfer.networks import network_of
from benchmarking.experiments.transfer.plan import Trained
from benchmarking.experiments.transfer.probe import ProbeTest, probed
from benchmarking.experiments.transfer.protocols import Options, Work, work_of
from benchmarking.experiments.transfer.task import Task
from benchmarking.inference.executors import Failed, Output, executors
from benchmarking.io import files, temporary
from benchmarking.io.progress import bar, notice
from benchmarking.models.available import explained

_FUNCTIONS: Mapping[type, Callable[[Any], Iterator[Any]]] = {
    HeadTest: heads_trained,
    ProbeTest: probed,
    ArticleTest: articles,
    ChangedTest: heads_trained,
    MovingTest: moving,
}
_SEE_PIXELS = (ArticleTest, MovingTest)
"""Tests that need no features, because their training changes the backbone."""


@dataclass(frozen=True, eq=False)
class Result:
    """A training that is done.

    Attributes:
        work: what was trained.
        trained: the head, and how it came about.
        features: the features of validation and of training, if they are still stored; () if the
            training saw the pixels.
    """

    work: Work
    trained: Trained
    features: tuple[Features, ...] = ()


@dataclass(frozen=True, eq=False)
class Sweep:
    """The results of a sweep.

    Attributes:
        results: every training that is done, by task, model, framework and seed.
        obstacles: why each other model could not run, by its full name.
    """

    results: tuple[Result, ...]
    obstacles: Mapping[str, str] = field(default_factory=dict)


def sweep(
    tasks: Sequence[Task],
    models: Sequence[Model],
    options: Options,
    folder: Path,
    tell: Callable[[str], None] = notice,
) -> Sweep:
    """Train every head that is not stored yet, and return all.

    An interruption loses at most the training of one head, and the features of one part of one
    model.

    Args:
        tasks: what is learned.
        models: the models whose backbones are used.
        options: how heads are trained.
        folder: the folder for features and heads.
        tell: called with messages for the user.

    Raises:
        StoreError: a stored file was made from something else.
        BenchmarkError: no model can run, or the folder cannot be written.
    """
    obstacles: dict[str, str] = {}
    todo: list[Work] = []
    for model in models:
        try:
            network_of(model.spec)
            todo += [one for task in tasks for one in work_of(task, model, options, folder)]
        except BenchmarkError as error:
            obstacles[model.spec.full_name] = str(error)
    return finished(todo, obstacles, folder, tell)


def finished(
    todo: Sequence[Work],
    known_obstacles: Mapping[str, str],
    folder: Path,
    tell: Callable[[str], None] = notice,
) -> Sweep:
    """Do every training that is not stored yet, and return all.

    Args:
        todo: the trainings.
        known_obstacles: why other models cannot run, by their full names.
        folder: the folder for features and heads.
        tell: called with messages for the user.

    Raises:
        StoreError: a stored file was made from something else.
        BenchmarkError: no model can run, or the folder cannot be written.
    """
    temporary.remove_left_over()
    obstacles = dict(known_obstacles)
    found = {one.request.path(folder): known(one, folder) for one in todo}
    missing = [one for one in todo if found[one.request.path(folder)] is None]
    if len(missing) < len(todo):
        tell(f"{len(todo) - len(missing)} of {len(todo)} heads are stored already")
    for name in dict.fromkeys(one.model.spec.full_name for one in missing):
        try:
            _compute_features([one for one in missing if one.model.spec.full_name == name])
        except StoreError:
            raise
        except BenchmarkError as error:
            obstacles[name] = str(error)
    able = [one for one in missing if one.model.spec.full_name not in obstacles]
    for some in _by_process(able):
        _train(some, folder)
    able = [one for one in todo if one.model.spec.full_name not in obstacles]
    held: dict[Path, Features] = {}
    results = [_result(one, found[one.request.path(folder)], folder, held) for one in able]
    if not results:
        raise BenchmarkError("\n".join(["no model can run.", *explained(obstacles)]))
    return Sweep(tuple(results), obstacles)


def known(work: Work, folder: Path) -> Trained | None:
    """The stored result of a training; None if there is none.

    Raises:
        StoreError: its file is damaged, or holds the head of another request or plan.
    """
    path = work.request.path(folder)
    return None if files.is_missing(path) else runs.read(path, work.request, work.test.plan)


def _compute_features(some: Sequence[Work]) -> None:
    """Compute the missing features of one model, in a fresh process."""
    parts = [part for one in some for part in features_of(one)]
    tests = {test.path: test for test in parts}
    if not tests:
        return
    total = sum(_pictures(test) for path, test in tests.items() if files.is_missing(path))
    name = some[0].model.spec.full_name
    with bar(title=f"{name}: features", total=total, unit="picture") as progress:
        for value in _values(name, computed, tuple(tests.values())):
            if isinstance(value, Pictures):
                progress.update(value.n)


def features_of(work: Work) -> tuple[FeatureTest, ...]:
    """The features that a training needs, those of training last; none if it sees the pixels."""
    test = work.test
    return () if isinstance(test, _SEE_PIXELS) else (test.validation, test.train)


def _pictures(test: FeatureTest) -> int:
    return len(test.part) * test.augmentation.versions


def _by_process(able: Sequence[Work]) -> Iterator[list[Work]]:
    """Yield trainings of a kind that share a process: a framework's, or a model's on its pixels."""
    groups: dict[tuple[str, str, type], list[Work]] = {}
    for one in able:
        model = one.model.spec.full_name if isinstance(one.test, _SEE_PIXELS) else ""
        groups.setdefault((one.framework, model, type(one.test)), []).append(one)
    yield from groups.values()


def _train(some: Sequence[Work], folder: Path) -> None:
    """Train heads in one fresh process, and store each as soon as it is done."""
    waiting, framework = iter(some), some[0].framework
    function = _FUNCTIONS[type(some[0].test)]
    with bar(title=f"heads in {framework}", total=_steps(some), unit="step") as progress:
        for value in _values(framework, function, tuple(one.test for one in some)):
            if isinstance(value, Step):
                progress.update()
                progress.set_postfix(loss=f"{value.loss:.4f}", refresh=False)
            elif isinstance(value, Learnt):
                work = next(waiting)  # results come in the order of the tests
                runs.write(folder, work.request, value.plan, value.trained)


def _steps(some: Sequence[Work]) -> int:
    total = 0
    for one in some:
        if isinstance(one.test, ProbeTest):
            total += probe.FOLDS
        else:
            training = one.test.training
            total += training.epochs * -(-len(one.task.train) // training.batch_size)
    return total


def _values(title: str, function: Callable[[Any], Iterator[Any]], job: Any) -> Iterator[Any]:
    """Yield what a function yields for one job in a fresh process.

    Raises:
        BenchmarkError: it failed; the message has its output.
    """
    for event in executors()["fresh-process"].run(function, [job], None):
        if isinstance(event, Failed):
            raise BenchmarkError(f"{title}: {event.reason}\n{event.details}".rstrip())
        yield event.value if isinstance(event, Output) else None


def _result(
    work: Work, trained: Trained | None, folder: Path, held: dict[Path, Features]
) -> Result:
    """A training with its head and features; features that were read before are not read again."""
    trained = trained or known(work, folder)
    if trained is None:
        raise StoreError(f"{work.request.path(folder)} is missing, although it was written.")
    tests = features_of(work)
    for test in tests:
        if test.path not in held and (features := stored(test)):
            held[test.path] = features
    return Result(work, trained, tuple(held[test.path] for test in tests if test.path in held))
