"""Slots: what a node gives to one task at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.inference.executors._ray.nodes import Node
from benchmarking.inference.job import Job
from benchmarking.models.frameworks import NO_GPU
from benchmarking.models.sources import weights_path

BASE = 2 * 2**30
"""Bytes that a process needs beside its weights: the framework, and batches of pictures."""

TIMES = 4
"""Bytes for each byte of weights: they are held twice while they are loaded, and the outputs of
layers are larger in larger models."""


@dataclass(frozen=True)
class Slot:
    """What a node gives to one task at a time.

    Attributes:
        node: the node.
        number: its number on the node.
        cpus: cores, and threads that decode pictures.
        gpus: 1 or 0.
    """

    node: Node
    number: int
    cpus: int
    gpus: int

    @property
    def device(self) -> int:
        """Number of its GPU, as a task sees it; NO_GPU if it has none."""
        return 0 if self.gpus else NO_GPU


_NOWHERE = Slot(Node("", "nowhere", 0, 0, 0), 0, 0, 0)


def slots_of(node: Node, workers: int, gpus: int) -> list[Slot]:
    """The slots of a node: one for each GPU, or as many as its cores allow.

    Args:
        node: the node.
        workers: wanted number of threads that decode pictures.
        gpus: GPUs of each task, 1 or 0.

    >>> node = Node("ab12", "host", cpus=8, gpus=2, memory=0)
    >>> [(slot.cpus, slot.gpus) for slot in slots_of(node, workers=16, gpus=1)]
    [(4, 1), (4, 1)]
    >>> [(slot.cpus, slot.gpus) for slot in slots_of(node, workers=16, gpus=0)]
    [(8, 0)]
    >>> len(slots_of(node, workers=3, gpus=0))
    2
    """
    if gpus:
        n = node.gpus
        cpus = min(workers, node.cpus // max(1, n))
    else:
        cpus = min(workers, node.cpus)
        n = node.cpus // max(1, cpus)
    return [Slot(node, number, cpus, gpus) for number in range(n)]


class Slots:
    """The slots of a cluster, by number; those of nodes that are gone stay, and are not used.

    Attributes:
        devices: the device of each slot; the list grows.
    """

    def __init__(self, job: Any) -> None:
        """Know no slot yet.

        Args:
            job: a job, whose device and number of threads the others have.
        """
        self.devices: list[int] = []
        self._job = job
        self._slots: list[Slot] = []
        self._usable: set[str] = set()

    def __getitem__(self, number: int) -> Slot:
        return self._slots[number]

    def update(self, good: Mapping[str, Node], possible: Iterable[Node]) -> None:
        """Take in the nodes of now.

        Args:
            good: the nodes that can compute, by key.
            possible: these, and those that are still being checked; work is divided for all.
        """
        self._usable = set(good)
        every = list(possible)
        gpus, workers = self._gpus(every), getattr(self._job, "workers", 1)
        known = {slot.node.key for slot in self._slots}
        for node in every:
            if node.key not in known:
                for slot in slots_of(node, workers, gpus):
                    self._add(slot)

    def gpu(self, number: int) -> int | None:
        """The GPU of a job in a slot; None leaves it to the framework, if the job does."""
        slot = self._slots[number]
        return None if slot.gpus and self._job.gpu is None else slot.device

    def usable(self) -> Iterator[int]:
        """Numbers of the slots of nodes that can compute, in turn over the nodes."""
        order = sorted(range(len(self._slots)), key=lambda one: (self._slots[one].number, one))
        return (one for one in order if self._slots[one].node.key in self._usable)

    def nowhere(self) -> int:
        """The number of a new slot without a node, for units that no node can take."""
        return self._add(_NOWHERE)

    def _add(self, slot: Slot) -> int:
        self._slots.append(slot)
        self.devices.append(slot.device)
        return len(self._slots) - 1

    def _gpus(self, possible: Iterable[Node]) -> int:
        """GPUs of each task: 1 if the jobs may use one and a node has one."""
        if not isinstance(self._job, Job) or self._job.gpu == NO_GPU:
            return 0
        return int(self._job.gpu is not None or any(node.gpus for node in possible))


def memory_of(job: Any) -> int:
    """Bytes of memory to reserve for a job, from the size of its weights."""
    if not isinstance(job, Job):
        return 0
    size = round((job.spec.weights.megabytes or 0) * 2**20)
    if job.seed is None:
        with suppress(BenchmarkError, OSError):
            size = weights_path(job.spec, job.weights_folder).stat().st_size
    return BASE + TIMES * size
