"""Events of a sweep: one after the other, each of one job."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarking.inference.executors import Failed
from benchmarking.inference.job import Job
from benchmarking.inference.retries import PutAside
from benchmarking.predictions.top_k import TopK


@dataclass(frozen=True, eq=False)
class AlreadyStored:
    """A job's run is in the store, complete, so it is not computed; `started` says since when."""

    job: Job
    started: str


@dataclass(frozen=True, eq=False)
class Started:
    """A job is next; its model is being loaded."""

    job: Job


@dataclass(frozen=True, eq=False)
class Progress:
    """A job has predicted more pictures; with 0 pictures, it still runs."""

    job: Job
    pictures: int


@dataclass(frozen=True, eq=False)
class Stored:
    """A job is complete and its predictions are in the store."""

    job: Job
    top: TopK
    seconds: float


Event = AlreadyStored | Started | Progress | Stored | PutAside | Failed[Job]
"""Every job ends with AlreadyStored, Stored or Failed. PutAside announces another attempt."""
