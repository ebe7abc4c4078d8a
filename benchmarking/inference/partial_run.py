"""The outputs of one job so far, in any order; they are written to checkpoints regularly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from benchmarking.inference.checkpoints import Checkpoint, Checkpoints, Conditions
from benchmarking.inference.job import Environment, Job, Part
from benchmarking.models.spec import Probabilities
from benchmarking.predictions.top_k import TopK, join

MOST_LOST = 1000
"""Largest number of pictures whose predictions a sudden end may lose."""

KEPT_EVERY = MOST_LOST // 2
"""Number of new pictures from which a checkpoint is written; more may arrive meanwhile."""

LONGEST_LOST = 60.0
"""Longest work, in seconds, that a sudden end may lose, if it yields fewer pictures than that."""


class PartialRun:
    """Predictions of one job's pictures, with those from checkpoints of earlier attempts.

    Attributes:
        job: the job.
        environment: the environment that its model runs in; None until it is known.
        incidents: events during the run, in words.
        dropped: number of pictures that are predicted again because the environment changed, by
            what is different.
    """

    def __init__(
        self,
        job: Job,
        kept: Sequence[Checkpoint],
        ingredients: Mapping[str, Any],
        checkpoints: Checkpoints,
        began: datetime,
        timer: Callable[[], float],
    ) -> None:
        """Start or resume a run.

        Args:
            job: the job.
            kept: checkpoints of earlier attempts, the same as in `job.done`.
            ingredients: weights, recipe and pictures, to be recorded in checkpoints.
            checkpoints: the folder of the checkpoints.
            began: the time now, in UTC.
            timer: returns seconds since a fixed moment; no change of the clock affects it.
        """
        self.job = job
        self.environment: Environment | None = None
        self.incidents = job.incidents
        self.dropped: Counter[str] = Counter()
        self._kept = list(kept)
        self._ingredients, self._checkpoints, self._timer = ingredients, checkpoints, timer
        self._new: list[Part] = []
        self._has_row = np.zeros(len(job.pictures), dtype=np.bool_)
        self._shapes: list[tuple[int, ...]] = []
        self._earlier: Conditions | None = None
        self._processes: set[int] = set()
        self.start(began)

    def start(self, began: datetime) -> None:
        """Start to measure its time, now: the job may have waited for a free device."""
        self._began = began
        self._first = self._last_kept = self._timer()

    def add(self, output: Environment | Part) -> int:
        """Add an output of the job, and return the number of further pictures that are predicted.

        Raises:
            ValueError: a part has rows that the job does not have, or that it had before.
        """
        if isinstance(output, Environment):
            return self._begin(output)
        self._mark(output.rows)
        if output.input_shape not in self._shapes:
            self._shapes.append(output.input_shape)
        self._new.append(output)
        return len(output.top)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._has_row))

    @property
    def is_complete(self) -> bool:
        """Whether every picture is predicted."""
        return self.environment is not None and bool(self._has_row.all())

    @property
    def is_due(self) -> bool:
        """Whether a checkpoint should be written now."""
        new = sum(len(part.top) for part in self._new)
        return new >= KEPT_EVERY or (new > 0 and self._timer() - self._last_kept >= LONGEST_LOST)

    def keep(self) -> None:
        """Write new predictions to checkpoints.

        Raises:
            BenchmarkError: it cannot be written.
        """
        if self.environment is None:
            return  # without an environment it could not be resumed
        for parts in _consecutive(self._new):
            top, everything, few = _joined(parts)
            checkpoint = Checkpoint(parts[0].first, top, everything, self.conditions, few)
            if not self._kept:
                self._checkpoints.clear()  # they cannot be resumed
            self._checkpoints.keep(checkpoint)
            self._kept.append(checkpoint)
            self._new = [part for part in self._new if part not in parts]
        self._last_kept = self._timer()

    @property
    def conditions(self) -> Conditions:
        """The conditions of the predictions so far; requires that the environment is known."""
        assert self.environment  # noqa: S101 - tells mypy
        earlier = self._earlier
        return Conditions(
            self._ingredients,
            self.environment,
            tuple(sorted(self._shapes, reverse=True)),  # slices end in any order
            earlier.started if earlier else self._began.isoformat(timespec="seconds"),
            (earlier.seconds if earlier else 0) + self._timer() - self._first,
            (*self.incidents, *self._divided),
        )

    @property
    def top(self) -> TopK:
        """The five most probable classes of every picture; requires at least one picture."""
        return _joined(self._in_order())[0]

    @property
    def probabilities(self) -> Probabilities | None:
        """The probabilities of all classes, (n, classes), or None if they are not kept."""
        return _joined(self._in_order())[1]

    @property
    def restricted(self) -> TopK | None:
        """The best of the classes that the image set declares; None if it has all."""
        return _joined(self._in_order())[2]

    @property
    def _divided(self) -> tuple[str, ...]:
        """That several processes computed it, in words, if they did."""
        n = len(self._processes)
        return (f"divided among {n} processes",) if n > 1 else ()

    def _begin(self, environment: Environment) -> int:
        """Resume the checkpoints that have a compatible environment, and drop the others.

        Each process that computes a slice of the job gives its environment.
        """
        self._processes.add(environment.process_id)
        if self.environment is not None:
            changed = environment.differences(self.environment, may_shrink=False)
            if changed:
                raise ValueError(f"the {', '.join(changed)} of a job changed while it ran")
            return 0
        self.environment = environment
        if environment.uncompiled:
            why = f"not compiled: {environment.uncompiled}"
            self.incidents = tuple(dict.fromkeys((*self.incidents, why)))
        kept = self._kept
        self._kept = []
        for one in kept:
            differing = environment.differences(
                one.conditions.environment, may_shrink=self.job.may_shrink
            )
            if differing:
                self.dropped[", ".join(differing)] += len(one.top)
            else:
                self._kept.append(one)
        if not self._kept:
            return 0
        for one in self._kept:
            self._mark(one.rows)
        self._earlier = max((one.conditions for one in self._kept), key=lambda one: one.seconds)
        self._shapes = list(self._earlier.input_shapes)
        self.incidents = (*self.incidents, f"resumed with {len(self)} pictures done")
        return len(self)

    def _mark(self, rows: range) -> None:
        here = self._has_row[rows.start : rows.stop]
        if rows.start < 0 or len(here) < len(rows):
            raise ValueError(
                f"rows {rows.start} to {rows.stop - 1} came back of {len(self._has_row)} rows"
            )
        if here.any():
            raise ValueError(f"a row of {rows.start} to {rows.stop - 1} came back twice")
        here[:] = True

    def _in_order(self) -> list[Checkpoint | Part]:
        return sorted([*self._kept, *self._new], key=lambda one: one.first)


def _consecutive(parts: Sequence[Part]) -> list[list[Part]]:
    """Parts sorted by row, in groups without gaps."""
    groups: list[list[Part]] = []
    for part in sorted(parts, key=lambda one: one.first):
        if groups and groups[-1][-1].rows.stop == part.first:
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def _joined(
    parts: Sequence[Checkpoint | Part],
) -> tuple[TopK, Probabilities | None, TopK | None]:
    """Join consecutive parts: their top-5, all probabilities, and those among few classes.

    What not every part has is None.
    """
    found = [part.probabilities for part in parts if part.probabilities is not None]
    everything = np.concatenate(found) if len(found) == len(parts) else None
    few = [part.restricted for part in parts if part.restricted is not None]
    restricted = join(few) if len(few) == len(parts) else None
    return join([part.top for part in parts]), everything, restricted
