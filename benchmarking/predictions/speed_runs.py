"""Measured speed: what a round is, and how rounds are stored beside predictions.

{store}/speed/{scenario}/{source}/{model}.{mode}.{batch size}.{setting}.json    one series

A series is all rounds of one model in one mode. Rounds are comparable only within one `Setting`,
whose digest is part of the file's name, so that other versions or another machine have files of
their own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from benchmarking.errors import BenchmarkError
from benchmarking.io.names import check_name

FOLDER = "speed"
"""Folder of the series within a store."""

SUFFIX = ".json"

COUNTS = f"counts{SUFFIX}"
"""File with the sizes of models, in the same folder."""

FORMAT = 1
_KEY_DIGITS = 8


@dataclass(frozen=True)
class Setting:
    """What is the same for all rounds that can be compared, known before the first one.

    Attributes:
        machine: name of the processor and of the system.
        device: the device that was asked for: "cpu", "gpu 0", or "automatic".
        threads: number of processor cores that a round may use, and of its threads.
        precision: precision of the forward pass.
        weights: "published" or "random".
        versions: versions of every library that could change the speed.
    """

    machine: str
    device: str
    threads: int
    precision: str
    weights: str
    versions: Mapping[str, str]

    @property
    def key(self) -> str:
        """The first digits of a digest of all this."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS]


@dataclass(frozen=True, order=True)
class Series:
    """The identity of the rounds of one side; it names their file.

    Attributes:
        scenario: name of the scenario, such as "single".
        source: name of the model's source.
        model: name of the model within its source.
        mode: how the model is run, such as "eager" or "compiled".
        batch_size: pictures per call.
        replica: 0; 1 for the second measurement of the same side in an A/A run.

    Raises:
        BenchmarkError: a part is not a valid name, or the mode contains a dot.
    """

    scenario: str
    source: str
    model: str
    mode: str
    batch_size: int
    replica: int = 0

    def __post_init__(self) -> None:
        for part in (self.scenario, self.source, self.model, self.mode):
            check_name(part)
        if "." in self.mode:
            raise BenchmarkError(f"mode {self.mode!r} contains a dot; use '-' instead.")

    @property
    def full_name(self) -> str:
        """Its source, model and mode."""
        return f"{self.source}/{self.model} {self.mode}" + " again" * self.replica


@dataclass(frozen=True)
class Conditions:
    """The conditions of one round, as far as the system tells them.

    Attributes:
        process_id: the process that ran it; no two rounds share one.
        cores: numbers of the processor cores that it could use.
        threads: the numbers of threads that its framework reports, in words.
        determinism: whether deterministic algorithms were required, in words.
        layout: memory layout of the pictures, such as "NHWC".
        allocator: allocator of memory and its settings, in words.
        governor: the processor's frequency governor; "unknown" if the system does not tell.
        megahertz: mean clock of the cores before and after the round; () if unknown.
        load: load average of the machine in the minute before the round.
        others: further facts, such as the power of an accelerator.
    """

    process_id: int
    cores: tuple[int, ...]
    threads: str
    determinism: str
    layout: str
    allocator: str
    governor: str
    megahertz: tuple[float, ...]
    load: float
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """What a side answered to real pictures, to be compared with another side.

    Attributes:
        pictures: names of the pictures.
        classes: the five most probable classes of each, best first.
        probabilities: their probabilities.
    """

    pictures: tuple[str, ...]
    classes: tuple[tuple[int, ...], ...]
    probabilities: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Measured:
    """What a scenario measures in one process; times are in seconds.

    Attributes:
        first: time of the first call, which may compile; it is never part of `times`.
        warm_up: times of the calls after it, until they were steady.
        times: times of the calls that count.
        is_steady: whether the warm-up became steady before its limit.
        pictures: pictures per call.
        parts: named parts of the work, such as "import"; the other times do not include them.
        losses: losses of the first steps of training.
        answers: predictions on real pictures; None if the scenario has none.
        facts: further facts, in words, such as what was compiled.
        device_times: times of a few further calls between two events on an accelerator; () if its
            framework has none.
    """

    first: float
    warm_up: tuple[float, ...]
    times: tuple[float, ...]
    is_steady: bool
    pictures: int
    parts: Mapping[str, float] = field(default_factory=dict)
    losses: tuple[float, ...] = ()
    answers: Answers | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    device_times: tuple[float, ...] = ()


@dataclass(frozen=True)
class Round:
    """One round: a fresh process that measured one side once.

    Attributes:
        number: number of the round, from 1.
        place: its place in the order of all rounds of the comparison, from 1.
        started: date and time in UTC, ISO 8601.
        measured: the raw times.
        peak_memory: the largest resident memory of the process, in bytes; None if unknown.
        device_memory: the largest memory of the accelerator, in bytes; None if there is none.
        conditions: the conditions.
    """

    number: int
    place: int
    started: str
    measured: Measured
    peak_memory: int | None
    device_memory: int | None
    conditions: Conditions
