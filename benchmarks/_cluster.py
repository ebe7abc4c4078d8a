"""A sweep on paper: who computes what and when, on any number of GPUs, from rates of each stage.

A unit is a model on an image set. Each GPU that is free takes the next unit. When fewer units wait
than there are GPUs, the last ones are divided into slices, so that all GPUs end together, as
`predict` does it. One driver takes what the GPUs have computed, writes checkpoints and stores runs.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

BATCH = 256
"""Pictures of a batch on a GPU; slices are whole multiples of it."""

CHECKPOINT = 512
"""Pictures of a checkpoint: the first whole number of batches of 500 pictures or more."""


@dataclass(frozen=True)
class Model:
    """A model.

    Attributes:
        name: its name.
        rate: pictures per second on a GPU that never waits.
        weights: bytes of its file of weights.
        steps: what its crops are made by; models with the same steps share them.
        side: side of its crops in pixels.
    """

    name: str
    rate: float
    weights: float
    steps: str
    side: int


@dataclass(frozen=True)
class Stages:
    """What the machines can do; rates are per second.

    Attributes:
        gpus: number of GPUs.
        crops: "decoded" if pictures are decoded for each model, "kept" if each node keeps crops on
            its disk, which it makes before the first model.
        gpus_per_node: GPUs of a node.
        cores: cores that decode for each GPU.
        decoded: pictures that a core reads, decodes and crops.
        checked: pictures whose crops are not kept that a core checks before the first model.
        read: kept crops that a core reads.
        picture: bytes of a picture.
        storage: bytes that the storage of pictures and weights gives to all nodes together.
        network: bytes that a node receives.
        disk: bytes that a node reads from its own disk.
        hashed: bytes of weights that are verified by sha256.
        start: seconds that a worker takes before its first unit.
        build: seconds to build a model and run it for the first time.
    """

    gpus: int
    crops: Literal["decoded", "kept"] = "decoded"
    gpus_per_node: int = 8
    cores: float = 12.0
    decoded: float = 270.0
    checked: float = 940.0
    read: float = 7500.0
    picture: float = 110e3
    storage: float = 5e9
    network: float = 3e9
    disk: float = 3e9
    hashed: float = 1e9
    start: float = 10.0
    build: float = 5.0

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return ceil(self.gpus / self.gpus_per_node)

    @property
    def per_node(self) -> int:
        """GPUs of a full node."""
        return min(self.gpus, self.gpus_per_node)

    @property
    def received(self) -> float:
        """Bytes that each GPU gets from storage while all others get as many."""
        return min(self.network / self.per_node, self.storage / self.gpus)

    def supply(self, model: Model) -> float:
        """Pictures that can be had for each GPU."""
        if self.crops == "kept":
            return min(self.cores * self.read, self.disk / self.per_node / (3 * model.side**2))
        return min(self.cores * self.decoded, self.received / self.picture)

    def load(self, model: Model) -> float:
        """Seconds to read, verify and build a model."""
        return self.build + model.weights / min(self.hashed, self.received)

    def seconds(self, model: Model, n: int) -> float:
        """Seconds of n pictures, loading included."""
        return self.load(model) + n / min(model.rate, self.supply(model))

    def prepare(self, models: Sequence[Model], sets: Sequence[int]) -> float:
        """Seconds before the first model: every node checks all pictures, and keeps their crops."""
        cores = self.cores * self.per_node
        steps = len({model.steps for model in models})
        each = steps / self.decoded if self.crops == "kept" else 1 / self.checked
        read = self.picture / min(self.network, self.storage / self.nodes)
        return sum(sets) * max(each / cores, read)


@dataclass(frozen=True)
class Done:
    """A unit, or a slice of one, that a GPU has computed.

    Attributes:
        images: number of the image set.
        model: the model.
        n: number of pictures.
        begun: when the GPU took it.
        ended: when the GPU was free again.
    """

    images: int
    model: Model
    n: int
    begun: float
    ended: float


@dataclass(frozen=True)
class Unit:
    """A model on an image set.

    Attributes:
        images: number of the image set.
        model: the model.
        n: number of pictures.
    """

    images: int
    model: Model
    n: int


def sweep(models: Sequence[Model], sets: Sequence[int], stages: Stages) -> list[Done]:
    """All models on image sets of so many pictures, one set after the other, as `predict` does.

    >>> two = [Model(name, 100.0, 0, "", 224) for name in "ab"]
    >>> stages = Stages(1, start=0, build=0, storage=1e12, network=1e12, checked=1e12)
    >>> [(one.model.name, round(one.ended)) for one in sweep(two, [1000], stages)]
    [('a', 10), ('b', 20)]
    """
    found: list[Done] = []
    begin = stages.start + stages.prepare(models, sets)
    for number, n in enumerate(sets):
        units = [Unit(number, model, n) for model in models]
        found += _scheduled(units, stages, begin)
        begin = max(one.ended for one in found)
    return found


def longest_first(models: Sequence[Model], sets: Sequence[int], stages: Stages) -> list[Done]:
    """The same units in one list for all sets, the longest ones first."""
    units = [Unit(number, model, n) for number, n in enumerate(sets) for model in models]
    units.sort(key=lambda one: stages.seconds(one.model, one.n), reverse=True)
    return list(_scheduled(units, stages, stages.start + stages.prepare(models, sets)))


def _scheduled(units: Sequence[Unit], stages: Stages, begin: float) -> Iterator[Done]:
    free = [begin] * stages.gpus
    for unit, size in _slices(units, stages.gpus):
        at = heapq.heappop(free)
        ended = at + stages.seconds(unit.model, size)
        heapq.heappush(free, ended)
        yield Done(unit.images, unit.model, size, at, ended)


def _slices(units: Sequence[Unit], gpus: int) -> Iterator[tuple[Unit, int]]:
    """Whole units while at least as many wait as there are GPUs, then slices of the others.

    >>> unit = Unit(0, Model("a", 1, 0, "", 8), 1000)
    >>> [size for _, size in _slices([unit], 3)]
    [512, 488]
    """
    for place, unit in enumerate(units):
        left = len(units) - place
        parts = 1 if left >= gpus else ceil(gpus / left)
        size = ceil(unit.n / parts / BATCH) * BATCH
        for first in range(0, unit.n, size):
            yield unit, min(size, unit.n - first)


@dataclass(frozen=True)
class Shares:
    """What the GPUs do until the last one ends, as shares of their time.

    Attributes:
        seconds: time until the last one ends.
        computing: share in which they compute.
        pictures: share in which they wait for pictures.
        loading: share in which models are read, verified and built.
    """

    seconds: float
    computing: float
    pictures: float
    loading: float

    @property
    def idle(self) -> float:
        """The rest: before the first model, and at the end of each set."""
        return 1 - self.computing - self.pictures - self.loading


def shares(done: Sequence[Done], stages: Stages) -> Shares:
    """How the time of all GPUs is divided."""
    seconds = max(one.ended for one in done)
    whole = seconds * stages.gpus
    computing = sum(one.n / one.model.rate for one in done)
    loading = sum(stages.load(one.model) for one in done)
    fed = sum(one.ended - one.begun for one in done) - loading
    return Shares(seconds, computing / whole, (fed - computing) / whole, loading / whole)


@dataclass(frozen=True)
class Written:
    """What the driver takes to write, in seconds.

    Attributes:
        checkpoint: a checkpoint.
        run: the first run on an image set.
        stored: the increase for each run that is stored on the same set already.
    """

    checkpoint: float
    run: float
    stored: float


@dataclass(frozen=True)
class Burden:
    """What the driver has to bear.

    Attributes:
        busy: seconds in which it writes.
        behind: longest time from the end of a computation until it is written, in seconds.
        ended: when all is written.
        checkpoints: number of checkpoints.
        runs: number of runs.
    """

    busy: float
    behind: float
    ended: float
    checkpoints: int
    runs: int


def burden(done: Sequence[Done], stages: Stages, written: Written) -> Burden:
    """What the driver has to write, one thing after the other, in the order of the ends."""
    events = sorted([*_checkpoints(done, stages, written), *_runs(done, written)])
    ended = behind = 0.0
    for at, seconds in events:
        ended = max(ended, at) + seconds
        behind = max(behind, ended - at)
    runs = len({(one.images, one.model.name) for one in done})
    return Burden(sum(s for _, s in events), behind, ended, len(events) - runs, runs)


def _checkpoints(
    done: Iterable[Done], stages: Stages, written: Written
) -> Iterator[tuple[float, float]]:
    """When each checkpoint is due, and how long it takes; a slice's last pictures have one too."""
    for one in done:
        first = one.begun + stages.load(one.model)
        number = ceil(one.n / CHECKPOINT)
        step = (one.ended - first) / number
        for place in range(1, number + 1):
            yield first + place * step, written.checkpoint


def _runs(done: Iterable[Done], written: Written) -> Iterator[tuple[float, float]]:
    """When each run is complete, and how long it takes to store it."""
    ends: dict[tuple[int, str], float] = {}
    for one in done:
        key = one.images, one.model.name
        ends[key] = max(ends.get(key, 0.0), one.ended)
    stored: dict[int, int] = {}
    for (images, _), at in sorted(ends.items(), key=lambda each: each[1]):
        before = stored.get(images, 0)
        yield at, written.run + before * written.stored
        stored[images] = before + 1
