"""Retries of jobs that ended early."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarking.inference.executors import Failed
from benchmarking.inference.job import Environment, Job
from benchmarking.predictions.run import Run


@dataclass(frozen=True, eq=False)
class PutAside:
    """A job has ended early for this reason, and will be tried again."""

    job: Job
    reason: str


class Retries:
    """Jobs that wait for another try, and jobs that have had it."""

    def __init__(self) -> None:
        self.waiting: list[Job] = []
        self._crashed: set[Run] = set()

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
        else:
            return None
        self.waiting.append(replace(job, incidents=(*job.incidents, what)))
        return PutAside(failed.job, what)
