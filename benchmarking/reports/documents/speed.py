"""The document of `speed`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from benchmarking.models.counts import Counts
from benchmarking.scoring.speed import Agreement, Interval


@dataclass(frozen=True)
class SpeedSide:
    """One model in one mode, over all rounds.

    Attributes:
        side: its framework and mode, and its model where the sides have several, in words.
        source: name of the model's source.
        model: name of the model within its source.
        platform: its framework.
        mode: how it is run, such as "eager" or "compiled".
        rounds: number of rounds.
        calls: number of timed calls.
        seconds: median time of a call.
        p90: 90th percentile of the times of all calls, in seconds; null if there are too few.
        p99: 99th percentile.
        pictures_per_second: pictures per second.
        first_call: median time of the first call, in seconds, which may compile.
        parts: median time of each named part, such as "import", in seconds.
        peak_bytes: largest resident memory of a round; null if it is unknown.
        device_peak_bytes: largest memory on an accelerator; null if there is none.
        seconds_on_device: median time of a call on an accelerator, between two of its events; null
            if its framework has none.
        times_as_fast: time of the reference divided by that of this side; null if the two cannot be
            compared.
        times_as_fast_in_mode: the same, with the reference's model in this side's mode; null where
            that is the reference itself, was not measured or did other work.
        agreement: how far its predictions agree with those of the reference; null for the
            reference, and if there are none.
        counts: size of the model; null if it was not counted.
        obstacle: why it is not compared with the reference; empty if it is.
        remarks: what else is to be known about its times.
        threads: number of processor cores that a round may use, and of its threads.
        precision: precision of the forward pass.
        weights: "published" or "random".
        machine: name of the processor and of the system.
        device: the device that was asked for.
        versions: versions of the libraries.
        governor: the processor's frequency governor, in the first round.
        allocator: allocator of memory and its settings, in the first round.
        determinism: whether deterministic algorithms were required, in the first round.
        layout: memory layout of the pictures, in the first round.
        conditions: further facts about the first round, by name.
        highest_load: largest load average of the machine in the minute before a round.
    """

    side: str
    source: str
    model: str
    platform: str
    mode: str
    rounds: int
    calls: int
    seconds: Interval
    p90: float | None
    p99: float | None
    pictures_per_second: Interval
    first_call: float
    parts: Mapping[str, float]
    peak_bytes: int | None
    device_peak_bytes: int | None
    seconds_on_device: Interval | None
    times_as_fast: Interval | None
    times_as_fast_in_mode: Interval | None
    agreement: Agreement | None
    counts: Counts | None
    obstacle: str
    remarks: tuple[str, ...]
    threads: int
    precision: str
    weights: str
    machine: str
    device: str
    versions: Mapping[str, str]
    governor: str
    allocator: str
    determinism: str
    layout: str
    conditions: Mapping[str, str]
    highest_load: float


@dataclass(frozen=True)
class SpeedComparison:
    """Sides that do the same work.

    Attributes:
        scenario: what is timed.
        batch_size: pictures per call.
        reference: the side with which the others are compared, in words.
        same_again: time of the reference divided by its time when it is measured again (A/A), which
            tells how noisy the machine is; null if it was not measured again.
        sides: each side that was measured, the reference first.
        notes: what readers have to know, in sentences.
    """

    scenario: str
    batch_size: int
    reference: str
    same_again: Interval | None
    sides: tuple[SpeedSide, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class SpeedDocument:
    """Times of `imagenet-benchmark speed`.

    Attributes:
        comparisons: a comparison for each scenario, batch size and architecture.
    """

    NAME: ClassVar[str] = "speed"
    VERSION: ClassVar[int] = 1

    comparisons: tuple[SpeedComparison, ...]
