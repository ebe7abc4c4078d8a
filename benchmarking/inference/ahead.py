"""What a process can do before its first job: import the libraries of its model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from benchmarking.errors import BenchmarkError
from benchmarking.inference.executors import fresh_process, worker_process
from benchmarking.inference.executors._ahead import Ahead, Foreseen, Preparation
from benchmarking.inference.job import Job
from benchmarking.models.sources import framework_of, source_of
from benchmarking.models.spec import ModelSpec

STARTS_PROCESSES = (fresh_process.NAME, worker_process.NAME)
"""Executors that can use a process that was started ahead."""


def preparation(spec: ModelSpec, executor: str) -> Preparation | None:
    """What the process of a model can do before its job; None if nothing, or nobody would use it.

    Args:
        spec: the model.
        executor: name of its executor.
    """
    if executor not in STARTS_PROCESSES or not _imports(spec):
        return None
    return Preparation(kind_of(spec), import_libraries, spec)


def first_preparation(specs: Sequence[ModelSpec], executor: str | None) -> Preparation | None:
    """What the process of the model with which a sweep begins can do before its job.

    Args:
        specs: the models of the sweep.
        executor: name of the executor of all models; None for that of each framework.
    """
    ways = [(executor or framework_of(spec).EXECUTOR, spec.framework, spec) for spec in specs]
    if not ways:
        return None
    name, _, spec = min(ways, key=lambda way: way[:2])  # the order of a sweep
    return preparation(spec, name)


def foreseen(
    jobs: Iterator[Job],
    ahead: Ahead,
    waiting: Sequence[Sequence[Job]],
    executor_of: Callable[[Job], str],
) -> Foreseen[Job]:
    """Jobs, with what the process of the next one can do while one runs.

    Args:
        jobs: the jobs, one by one.
        ahead: the process that is started ahead of them.
        waiting: the jobs that have not been taken, in their order; taken ones are removed.
        executor_of: the name of the executor of a job.
    """

    def following() -> Preparation | None:
        job = next(chain.from_iterable(waiting), None)
        return preparation(job.spec, executor_of(job)) if job else None

    return Foreseen(jobs, ahead, lambda job: kind_of(job.spec), following)


def kind_of(spec: ModelSpec) -> str:
    """Framework and source of a model: models of the same kind import the same libraries."""
    return f"{spec.framework} {spec.built_as.source}"


def import_libraries(spec: ModelSpec) -> tuple[()]:
    """Import the libraries of a model, and those that predict with it, in their usual order."""
    from benchmarking.inference import predict  # noqa: F401 - the job needs it

    for libraries in _imports(spec):
        libraries()
    return ()


def _imports(spec: ModelSpec) -> Sequence[Callable[[], object]]:
    """The functions of framework and source that import libraries; empty without the first."""
    try:
        owners = framework_of(spec), source_of(spec.built_as)
    except BenchmarkError:  # the job reports it
        return ()
    found = [getattr(one, "import_libraries", None) for one in owners]
    return [one for one in found if one] if found[0] else ()
