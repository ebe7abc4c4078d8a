"""Tasks of Ray, each a model or a slice of its pictures, on a cluster or on this machine's cores.

Each task runs in a process of its own on its node. Only the driver, which iterates over the events,
writes to the store. So a task, a node or the driver can be lost at any time, and the sweep resumes
from its checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from benchmarking.inference.executors import Event, Executor, Function, J
from benchmarking.inference.executors._ray.connection import check_address, connected
from benchmarking.inference.executors._ray.nodes import Verdicts
from benchmarking.inference.executors._ray.tasks import Tasks

NAME = "ray"


def at(address: str | None) -> Executor:
    """The executor on the cluster at an address; see `connected`.

    Raises:
        MissingDependency: Ray is not installed.
        BenchmarkError: it is no address of Ray.
    """
    check_address(address)
    return OnCluster(address)


def run(
    function: Function[J], jobs: Iterable[J], timeout: float | None = None
) -> Iterator[Event[J]]:
    """Events of every job; those of several jobs interleave."""
    return at(None).run(function, jobs, timeout)


@dataclass(frozen=True)
class OnCluster:
    """The executor on one cluster.

    Attributes:
        address: address of the cluster; see `connected`.
        verdicts: verdicts on its nodes, which are checked once in a sweep.
    """

    address: str | None
    verdicts: Verdicts = field(default_factory=Verdicts)

    @property
    def NAME(self) -> str:
        """The name of the executor."""
        return NAME

    def run(
        self, function: Function[J], jobs: Iterable[J], timeout: float | None = None
    ) -> Iterator[Event[J]]:
        """Events of every job; those of several jobs interleave.

        Raises:
            BenchmarkError: no cluster answers.
        """
        waiting = iter(jobs)
        for first in waiting:  # without a job nothing is started
            with connected(self.address) as is_local:
                every = chain([first], waiting)
                tasks = Tasks(function, every, timeout, self.verdicts, is_local=is_local)
                yield from tasks.events()
