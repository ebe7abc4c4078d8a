"""What the stored rounds of a comparison say, side by side; no number without its conditions.

A ratio between two sides is told only if both answered the same on real pictures and ran on the
same device.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import isclose
from statistics import median

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed import Options, Side, Trial, size
from benchmarking.experiments.speed.conditions import CACHED, COMPILED, IMPORTED
from benchmarking.experiments.speed.rounds import setting_of
from benchmarking.experiments.speed.schedule import Comparison
from benchmarking.models.counts import Counts
from benchmarking.models.sources import framework_of
from benchmarking.predictions.speed_runs import Answers, Measured, Round, Setting
from benchmarking.predictions.speed_store import SpeedStore
from benchmarking.scoring.speed import (
    NOISY,
    Agreement,
    Interval,
    agreement,
    differs,
    median_of,
    median_time,
    noise,
    percentile,
    ratio,
)

SAME_LOSS = 1e-4
"""Largest relative difference of the first loss of training, as float32 sums in another order."""


@dataclass(frozen=True)
class Line:
    """One side of a comparison.

    Attributes:
        side: the side.
        setting: what all its rounds have in common.
        rounds: its rounds.
        seconds: median time of a call.
        p90: 90th percentile of all calls, in seconds; None if there are too few.
        p99: 99th percentile.
        per_second: pictures per second.
        first: median time of the first call, in seconds, of the rounds that found no code that an
            earlier round had compiled.
        parts: median time of each named part, in seconds.
        memory: the largest resident memory of a round, in bytes; None if unknown.
        device_memory: the largest memory on an accelerator, in bytes; None if unknown.
        on_device: median time of a call on an accelerator, in seconds, between two of its
            events; None if its framework shows none.
        faster: the time of the reference divided by that of this side, so 2 is twice as fast; None
            if they cannot be compared.
        faster_in_mode: the same, but compared with the reference's model in this side's mode; None
            where that is the reference itself, was not measured or did other work.
        agreement: how far the answers agree with the reference's; None for the reference itself.
        counts: parameters and multiply-adds of the model; None if they were not counted.
        obstacle: why there is no ratio, or ""; for readers.
        remarks: what else is to be known about its times.
    """

    side: Side
    setting: Setting
    rounds: tuple[Round, ...]
    seconds: Interval
    p90: float | None
    p99: float | None
    per_second: Interval
    first: float
    parts: dict[str, float]
    memory: int | None
    device_memory: int | None = None
    on_device: Interval | None = None
    faster: Interval | None = None
    faster_in_mode: Interval | None = None
    agreement: Agreement | None = None
    counts: Counts | None = None
    obstacle: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        """Number of timed calls."""
        return sum(len(one.measured.times) for one in self.rounds)


@dataclass(frozen=True)
class Summary:
    """What is known about a comparison.

    Attributes:
        comparison: the comparison.
        lines: the sides that were measured, the reference first.
        null: ratio of the reference to itself, measured again; None if it was not.
        notes: what readers have to know, in sentences.
    """

    comparison: Comparison
    lines: tuple[Line, ...]
    null: Interval | None
    notes: tuple[str, ...] = field(default=())


def summary(comparison: Comparison, options: Options, store: SpeedStore, rounds: int) -> Summary:
    """What the first rounds of a comparison say.

    Raises:
        StoreError: a file of rounds is broken.
    """
    measured: list[tuple[Side, Setting, tuple[Round, ...]]] = []
    for side in comparison.with_null:
        setting = setting_of(side, options)
        series = Trial(comparison.scenario, side, comparison.batch_size, 1, 1, options).series
        found = store.read(series, setting).rounds
        if known := tuple(one for one in found if one.number <= rounds):
            measured.append((side, setting, known))
    again = next((known for side, _, known in measured if side.replica), None)
    first = comparison.reference
    reference = next((known for side, _, known in measured if side == first), None)
    null = _ratio(reference, again) if reference and again else None
    peers = {
        side.mode: known
        for side, _, known in measured
        if side.spec == first.spec and not side.replica
    }
    counts = size.sizes(comparison.sides, store)
    lines = tuple(
        replace(
            _line(*one, reference, null, peers.get(one[0].mode)),
            counts=counts.get(one[0].spec.full_name),
        )
        for one in measured
        if not one[0].replica
    )
    notes = (*_notes(lines, null), *size.in_words([line.side for line in lines], counts))
    return Summary(comparison, lines, null, notes)


def _line(
    side: Side,
    setting: Setting,
    rounds: tuple[Round, ...],
    reference: tuple[Round, ...] | None,
    null: Interval | None,
    peer: tuple[Round, ...] | None,
) -> Line:
    seconds = median_time(rounds)
    pictures = rounds[0].measured.pictures
    names = rounds[0].measured.parts
    agreed, obstacle, faster = None, "the reference was not measured", None
    if reference and reference is rounds:
        obstacle = ""
    elif reference:
        agreed, obstacle = _compared(reference, rounds, setting.precision)
        faster = None if obstacle else _ratio(reference, rounds)
    return Line(
        *(side, setting, rounds, seconds, percentile(rounds, 0.9), percentile(rounds, 0.99)),
        per_second=_rate(seconds, pictures),
        first=median(one.measured.first for one in (_without_cache(rounds) or rounds)),
        parts={
            name: median_of([one.measured.parts[name] for one in rounds]).value for name in names
        },
        memory=_most(one.peak_memory for one in rounds),
        device_memory=_most(one.device_memory for one in rounds),
        on_device=_on_device(rounds),
        faster=faster,
        faster_in_mode=None if peer is reference else _faster(peer, rounds, setting.precision),
        agreement=agreed,
        obstacle=obstacle,
        remarks=(*_remarks(rounds, faster, null), *_strangers(side, rounds)),
    )


def _ratio(reference: Sequence[Round], rounds: Sequence[Round]) -> Interval | None:
    """The ratio of times; None without a common round, or if calls had other pictures."""
    if len({one.measured.pictures for one in (*reference, *rounds)}) > 1:
        return None
    try:
        return ratio(reference, rounds)
    except BenchmarkError:
        return None


def _faster(
    peer: tuple[Round, ...] | None, rounds: tuple[Round, ...], precision: str
) -> Interval | None:
    """The ratio to another side that did the same work; None if there is none."""
    if peer is None or peer is rounds or _compared(peer, rounds, precision)[1]:
        return None
    return _ratio(peer, rounds)


def _on_device(rounds: Sequence[Round]) -> Interval | None:
    found = [median(one.measured.device_times) for one in rounds if one.measured.device_times]
    return median_of(found) if found else None


def _most(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _rate(seconds: Interval, pictures: int) -> Interval:
    ends = pictures / seconds.high, pictures / seconds.low
    return Interval(pictures / seconds.value, *ends, seconds.rounds)


def _compared(
    reference: Sequence[Round], rounds: Sequence[Round], precision: str
) -> tuple[Agreement | None, str]:
    """How far the answers agree, and why the times cannot be compared; "" if they can.

    Every round of the side is compared with the first one of the reference; the worst counts.
    """
    one = reference[0].measured
    found = [_agreement(one.answers, each.measured.answers, precision) for each in rounds]
    told = [each for each in found if isinstance(each, Agreement)]
    if obstacle := next((each for each in found if isinstance(each, str)), ""):
        return None, obstacle
    worst = min(told, key=lambda each: (each.holds, each.same_top5, -each.difference))
    if not worst.holds:
        return worst, f"other answers: {worst}"
    return worst, next(filter(None, (_other_work(one, r.measured, precision) for r in rounds)), "")


def _agreement(one: Answers | None, other: Answers | None, precision: str) -> Agreement | str:
    """How far answers agree, or why they cannot be compared."""
    if one is None or other is None:
        return "no answers on real pictures"
    if one.pictures != other.pictures:
        return "answered other pictures"
    return agreement(one, other, precision)


def _other_work(one: Measured, other: Measured, precision: str) -> str:
    """Why two rounds with the same answers did not do the same work; "" if they did."""
    devices = [each.facts.get("device", "an unknown device") for each in (other, one)]
    if devices[0] != devices[1]:
        return f"on {devices[0]}, the reference on {devices[1]}"
    if one.pictures != other.pictures:
        return f"{other.pictures} pictures per call, the reference {one.pictures}"
    for first, second in zip(one.losses[:1], other.losses[:1], strict=False):
        if precision == "float32" and not isclose(first, second, rel_tol=SAME_LOSS):
            return f"other work: first loss {second:.6g}, the reference's {first:.6g}"
    return ""


def _remarks(rounds: Sequence[Round], faster: Interval | None, null: Interval | None) -> list[str]:
    unsteady = sum(not one.measured.is_steady for one in rounds)
    largest = [one.measured.facts.get("largest batch", "") for one in rounds]
    found = [f"largest batch {one}" for one in dict.fromkeys(largest) if one]
    cached = [one for one in rounds if one not in _without_cache(rounds)]
    if cached:
        again = median(one.measured.first for one in cached)
        found.append(f"first call {again:.1f} s with code that an earlier round compiled")
    found += [f"{unsteady} of {len(rounds)} rounds not steady"] * (unsteady > 0)
    if faster and not differs(faster, null):
        found.append("no difference beyond noise")
    return found


def _without_cache(rounds: Sequence[Round]) -> list[Round]:
    """The rounds that found no code that an earlier round had compiled."""
    return [one for one in rounds if one.conditions.others.get(COMPILED) != CACHED]


def _strangers(side: Side, rounds: Sequence[Round]) -> list[str]:
    """A remark on frameworks that a process has imported, but that do not run the model."""
    own = {*framework_of(side.spec).MODULES, side.mode}
    told = (one.conditions.others.get(IMPORTED, "") for one in rounds)
    found = dict.fromkeys(name for names in told for name in names.split(", ") if name)
    others = [name for name in found if name not in own]
    do = "do" if len(others) > 1 else "does"
    text = f"memory includes {' and '.join(others)}, which {do} not run the model"
    return [text] if others else []


def _notes(lines: Sequence[Line], null: Interval | None) -> list[str]:
    found = []
    if null is None:
        found.append(
            "The reference was not measured twice, so the noise of the machine is unknown."
        )
    elif noise(null) > NOISY:
        found.append(
            f"NOISY MACHINE: the same side differed from itself by up to {100 * noise(null):.0f} % "
            f"(ratio {null.value:.3f} [{null.low:.3f}, {null.high:.3f}]); end other programs and "
            "measure again, or take no smaller difference for real."
        )
    else:
        found.append(
            f"A/A: the same side against itself, {null.value:.3f} [{null.low:.3f}, "
            f"{null.high:.3f}]."
        )
    fewest = min((line.seconds for line in lines), key=lambda one: one.rounds, default=None)
    if fewest and fewest.rounds == 1:
        found.append("One round has no interval; 6 rounds are needed for one of 95 %.")
    elif fewest and not fewest.is_certain:
        share = 100 * (1 - 2.0 ** (1 - fewest.rounds))
        found.append(
            f"With {fewest.rounds} rounds, an interval holds in {share:.0f} % of cases "
            "at most; 6 rounds are needed for 95 %."
        )
    return found
