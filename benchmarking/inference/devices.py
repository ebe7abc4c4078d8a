"""The GPUs that share the models of a sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Literal

from benchmarking.errors import BenchmarkError
from benchmarking.inference.across_devices import check_can_be_shared
from benchmarking.inference.executors import Failed, Output, ended, executors
from benchmarking.models.frameworks import NO_GPU, frameworks
from benchmarking.models.sources import framework_of
from benchmarking.models.spec import ModelSpec

Gpu = int | tuple[int, ...] | Literal["all"] | None
"""A GPU's number, several numbers, all visible GPUs, or the first GPU, else the CPU; -1 is the CPU.

(-1, -1) are two workers on the CPU, with which work for many GPUs can be tried without any.
"""

EXPECTED_GPU = "a GPU's number, -1 for the CPU, a tuple of these, 'all', or None"


def is_gpu(value: object) -> bool:
    """Whether a value is a `Gpu`.

    >>> [is_gpu(value) for value in (0, -1, (0, 1), "all", None)]
    [True, True, True, True, True]
    >>> [is_gpu(value) for value in (-2, True, (), (0, None), "0,1")]
    [False, False, False, False, False]
    """
    if isinstance(value, tuple):
        return bool(value) and all(type(one) is int and one >= NO_GPU for one in value)
    return value is None or value == "all" or (type(value) is int and value >= NO_GPU)


def check_distinct(gpus: Sequence[int]) -> None:
    """Check that several GPUs are different ones, and that the CPU is not among them.

    Raises:
        BenchmarkError: a GPU is named twice, or the CPU beside GPUs.
    """
    if NO_GPU in gpus and set(gpus) != {NO_GPU}:
        raise BenchmarkError(
            "the CPU and GPUs do not share models, because which model runs where would depend on "
            "their speed; name GPUs only, or the CPU only."
        )
    for gpu, n in Counter(gpus).items():
        if gpu != NO_GPU and n > 1:
            raise BenchmarkError(
                f"GPU {gpu} is named {n} times; name each one once, because models on the same GPU "
                "would slow each other down."
            )


def checked_gpus(
    gpu: Gpu, specs: Sequence[ModelSpec], executor: str | None, tell: Callable[[str], None]
) -> Gpu:
    """The GPUs that share models, each of which exists; one GPU or none is returned as it is.

    A short process asks each framework, so that this process does not occupy any GPU.

    Args:
        gpu: the GPUs; "all" are those that the frameworks find.
        specs: the models.
        executor: name of the executor for all of them; None uses that of each framework.
        tell: called with a message if the GPUs differ.

    Raises:
        BenchmarkError: there is no such GPU, or no GPU at all, or the executor uses only one.
    """
    if isinstance(gpu, int | None) or not specs:
        return gpu
    check_sharing(specs, executor)
    wanted = gpu if isinstance(gpu, tuple) else None
    if wanted and NO_GPU in wanted:
        return wanted
    found = {name: _found(name, wanted) for name in sorted({spec.framework for spec in specs})}
    numbers = _numbers(found)
    kinds = {tuple(titles) for titles in found.values() if len(set(titles)) > 1}
    for titles in sorted(kinds)[:1]:
        tell(
            f"the GPUs differ ({', '.join(titles)}); each model is computed on GPUs of one kind, "
            "which its run names"
        )
    gpus = wanted or numbers
    return gpus[0] if len(gpus) == 1 else gpus


def check_sharing(specs: Sequence[ModelSpec], executor: str | None) -> None:
    """Check that the executors of models can run several times at the same time.

    Raises:
        BenchmarkError: one cannot.
    """
    for name in sorted({executor or framework_of(spec).EXECUTOR for spec in specs}):
        check_can_be_shared(executors()[name])


def in_words(gpu: Gpu) -> str:
    """How work is shared, in words; empty if it is not.

    >>> in_words((0, 1, 2, 3)), in_words((-1, -1)), in_words(0)
    ('4 GPUs', '2 workers on the CPU', '')
    """
    if not isinstance(gpu, tuple):
        return ""
    return f"{len(gpu)} workers on the CPU" if NO_GPU in gpu else f"{len(gpu)} GPUs"


def _numbers(found: Mapping[str, Sequence[str]]) -> tuple[int, ...]:
    """Numbers of the GPUs, of which every framework has to find equally many."""
    n = min(map(len, found.values()))
    if n < max(map(len, found.values())):
        each = ", ".join(f"{frameworks()[name].TITLE} {len(one)}" for name, one in found.items())
        raise BenchmarkError(
            f"not all frameworks find the same number of GPUs: {each}; choose models of one "
            "framework, or name the GPUs."
        )
    return tuple(range(n))


def _found(framework: str, wanted: tuple[int, ...] | None) -> list[str]:
    """Titles of these GPUs, or of all, as a framework finds them in a process of its own."""
    titles: list[str] = []
    jobs = [(framework, wanted)]
    with ended(executors()["fresh-process"].run(_titles, jobs, None)) as events:
        for event in events:
            if isinstance(event, Output):
                titles.append(event.value)
            elif isinstance(event, Failed):
                raise BenchmarkError(f"{event.reason}\n{event.details}".rstrip())
    return titles


def _titles(job: tuple[str, tuple[int, ...] | None]) -> Iterator[str]:
    """Yield the title of each GPU that a framework can use; the first one has to exist."""
    name, wanted = job
    framework = frameworks()[name]
    for number in count() if wanted is None else wanted:
        try:
            device = framework.prepare(number, framework.PRECISIONS[0])
        except BenchmarkError as error:
            if wanted is not None:
                raise
            if number == 0:
                raise BenchmarkError(f"'all' means all GPUs, but {error}") from error
            return
        if wanted is None and device.kind == "cpu":
            raise BenchmarkError(f"models of {framework.TITLE} do not run on GPUs; name no GPU.")
        yield device.title
