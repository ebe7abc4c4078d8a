"""Retries of jobs that ended early."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from benchmarking.inference.executors import Failed
from benchmarking.inference.job import Environment, Job
from benchmarking.predictions.run import Run


@dataclass(frozen=True, eq=False)
class PutAside:
    """A job has ended early for this reason, and will be tried again."""

    job: Job
    reason: str


LOSSES = 3
"""Largest number of times that a job is tried again because its machine was lost."""


class Retries:
    """Jobs that wait for another try, and jobs that have had it."""

    def __init__(self) -> None:
        self.waiting: list[Job] = []
        self._crashed: set[Run] = set()
        self._lost = Counter[Run]()

    def put_aside(self, failed: Failed[Job], environment: Environment | None) -> PutAside | None:
        """Schedule a job for another try, if it may succeed then; None if it may not."""
        job = failed.job
        batch = environment.batch_size if environment else 1
        if failed.cause in ("memory", "killed") and batch > 1:
            what = f"{failed.reason}; {batch} pictures at a time were too many, now {batch // 2}"
            job = replace(job, batch_size=batch // 2, may_shrink=True)
        elif failed.cause in ("killed", "died") and job.run not in self._crashed:
            self._crashed.add(job.run)
            what = f"{failed.reason}; tried again, by itself"
            if job.compiler and environment is None:  # a compiler may have ended the process
                job, what = replace(job, compiler=None), f"{what} and not compiled"
        elif failed.cause == "lost" and self._lost[job.run] < LOSSES:
            self._lost[job.run] += 1
            what = f"{failed.reason}; tried again"
        else:
            return None
        self.waiting.append(replace(job, incidents=(*job.incidents, what)))
        return PutAside(failed.job, what)
