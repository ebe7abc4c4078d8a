"""Events of a sweep; each belongs to one job."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarking.inference.executors import Failed
from benchmarking.inference.job import Job
from benchmarking.inference.retries import PutAside
from benchmarking.predictions.top_k import TopK


@dataclass(frozen=True, eq=False)
class AlreadyStored:
    """A job's complete run is already stored, so it is not computed; `started` is its date."""

    job: Job
    started: str


@dataclass(frozen=True, eq=False)
class Started:
    """A job has started; its model is being loaded."""

    job: Job


@dataclass(frozen=True, eq=False)
class Progress:
    """A job has predicted this number of further pictures; 0 means that it still runs."""

    job: Job
    pictures: int


@dataclass(frozen=True, eq=False)
class Stored:
    """A job is complete and its predictions are stored."""

    job: Job
    top: TopK
    seconds: float


Event = AlreadyStored | Started | Progress | Stored | PutAside | Failed[Job]
"""Every job ends with AlreadyStored, Stored or Failed. PutAside announces another attempt."""
