"""The largest batch that fits into memory, found by doubling; nothing is tried that cannot fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmarking.experiments.speed import Side, Trial
from benchmarking.experiments.speed.conditions import peak_memory
from benchmarking.experiments.speed.scenarios import Clock
from benchmarking.experiments.speed.timing import fetched
from benchmarking.experiments.speed.work import Prepared, answers_of, prepared
from benchmarking.io.memory import available_memory
from benchmarking.models.sources import framework_of
from benchmarking.pictures.recipe import Crops
from benchmarking.predictions.speed_runs import Measured

NAME = "largest"
HELP = "the largest batch that fits into memory, by doubling, within --seconds for one call"

_SHARE = 0.8
"""Of the memory that is available at the start; more may begin to swap, or end other programs."""

_MOST = 2**16


@dataclass(frozen=True)
class Attempt:
    """A batch that was predicted.

    Attributes:
        size: pictures in it.
        seconds: time of the call.
        memory: the largest memory of this process so far, in bytes; None if unknown.
    """

    size: int
    seconds: float
    memory: int | None


def sides(chosen: Sequence[Side]) -> Sequence[Side]:
    """All sides."""
    return chosen


def batch_sizes(asked: Sequence[int]) -> Sequence[int]:
    """It begins with one picture."""
    return (1,)


def measure(trial: Trial, clock: Clock) -> Measured:
    """Double the batch until it does not fit, or a call takes too long."""
    found = prepared(trial)
    ready = found.ready(trial.side.mode)

    def attempt(size: int) -> Attempt | None:
        batch = _batch(found, size)
        start = clock()
        try:
            fetched(ready.forward(ready.inputs(batch)))
        except Exception as error:
            if isinstance(error, MemoryError) or framework_of(found.loaded.spec).is_out_of_memory(
                error
            ):
                return None
            raise
        return Attempt(size, clock() - start, peak_memory())

    attempts, why = doubled(attempt, usable_memory(), trial.options.seconds)
    last = attempts[-1]
    facts = {"largest batch": f"{last.size} ({why})", "layout": ready.layout}
    facts["device"] = found.loaded.device.title
    times = (last.seconds,)
    answers = answers_of(ready, found)
    return Measured(attempts[0].seconds, (), times, True, last.size, {}, (), answers, facts)


def doubled(
    attempt: Callable[[int], Attempt | None], memory: int | None, seconds: float
) -> tuple[list[Attempt], str]:
    """The batches that fit, and why the next one was not predicted or did not fit, in words.

    Args:
        attempt: predicts a batch of this size; None if there is not enough memory.
        memory: the most that the process may use, in bytes; None if unknown.
        seconds: the longest time of a call.

    Raises:
        MemoryError: not even one picture fits.
    """
    found: list[Attempt] = []
    size = 1
    while size <= _MOST:
        made = attempt(size)
        if made is None:
            if not found:
                raise MemoryError("not even one picture fits into memory")
            return found, f"{size} are too many for the memory"
        found.append(made)
        if made.seconds > seconds:
            return found, f"a call took {made.seconds:.0f} s; more may fit"
        if memory and (needed := _needed(found)) and needed > memory:
            return found, f"{2 * size} would need {needed / 2**30:.1f} GiB"
        size *= 2
    return found, "more were not tried"


def usable_memory() -> int | None:
    """The share of the available memory that may be used, in bytes; None if unknown."""
    memory = available_memory()
    return None if memory is None else int(_SHARE * memory)


def _needed(found: Sequence[Attempt]) -> int | None:
    """Memory for twice the last batch: what the last doubling took, twice; None if unknown."""
    if len(found) < 2 or found[-1].memory is None or found[-2].memory is None:
        return None
    return found[-1].memory + 2 * (found[-1].memory - found[-2].memory)


def _batch(found: Prepared, size: int) -> Crops:
    return replace(found, trial=replace(found.trial, batch_size=size)).batch
