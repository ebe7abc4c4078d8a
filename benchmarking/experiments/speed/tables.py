"""Summaries of speed as tables: for a terminal, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarking.experiments.speed import Side
from benchmarking.experiments.speed.conditions import INSTRUCTIONS, PHYSICAL, SWITCHES
from benchmarking.experiments.speed.results import Line, Summary
from benchmarking.io.printable import csv_cell
from benchmarking.models.sources import framework_of
from benchmarking.reports import documents
from benchmarking.reports.documents.speed import SpeedComparison, SpeedDocument, SpeedSide
from benchmarking.reports.formats.markdown import escaped
from benchmarking.reports.grid import aligned
from benchmarking.scoring.speed import Interval

_HEADINGS = (
    *("Side", "ms per call [95 %]", "p90", "p99", "Pictures/s", "First call s", "Peak MiB"),
    *("Times as fast [95 %]", "Remarks"),
)
_LEFT = {0, 8}


def text(summaries: Sequence[Summary]) -> str:
    """Aligned tables with their notes."""
    parts = []
    for one in summaries:
        table = aligned([_HEADINGS, *_cells(one)], _LEFT)
        parts.append("\n".join([title(one), table + "\n".join(one.notes)]) + "\n")
    return "\n".join(parts)


def markdown(summaries: Sequence[Summary]) -> str:
    """Tables in Markdown with their notes."""
    return "\n".join(map(_markdown, summaries))


def as_csv(summaries: Sequence[Summary]) -> str:
    """All sides under one line of headings, with full precision."""
    found = [record for one in summaries for record in records(one)]
    output = io.StringIO()
    names = dict.fromkeys(name for record in found for name in record)
    writer = csv.DictWriter(output, names, restval="", lineterminator="\n")
    writer.writerow({name: csv_cell(name) for name in names})
    for record in found:
        writer.writerow({k: csv_cell(v) if isinstance(v, str) else v for k, v in record.items()})
    return output.getvalue()


def as_json(summaries: Sequence[Summary]) -> str:
    """A document with every comparison; times in seconds."""
    return documents.as_json(SpeedDocument(tuple(map(_comparison, summaries))))


def title(summary: Summary) -> str:
    """What is compared, and under which conditions."""
    comparison = summary.comparison
    models = dict.fromkeys(side.spec.name for side in comparison.sides)
    setting = summary.lines[0].setting if summary.lines else None
    where = (
        f", {setting.precision}, {setting.weights} weights, "
        f"{setting.threads} thread{'s' * (setting.threads > 1)}, "
        f"{setting.machine}"
        if setting
        else ""
    )
    return (
        f"{comparison.scenario}, batch {comparison.batch_size}: {', '.join(models)}{where}; "
        f"reference: {name_of(comparison.reference, comparison.sides)}"
    )


def name_of(side: Side, others: Sequence[Side]) -> str:
    """Framework and mode, with the model and its source as far as they tell sides apart."""
    name = f"{framework_of(side.spec).TITLE} {side.mode}"
    if len({other.spec.name for other in others}) > 1:
        name += f", {side.spec.name}"
    same = [o for o in others if (o.spec.framework, o.mode) == (side.spec.framework, side.mode)]
    return f"{name} ({side.spec.source})" if len(same) > 1 else name


def records(summary: Summary) -> list[Mapping[str, object]]:
    """All values of each side by name, for programs; unknown values are absent."""
    return [_record(summary, line) for line in summary.lines]


def _comparison(summary: Summary) -> SpeedComparison:
    comparison = summary.comparison
    return SpeedComparison(
        scenario=comparison.scenario,
        batch_size=comparison.batch_size,
        reference=name_of(comparison.reference, comparison.sides),
        same_again=summary.null,
        sides=tuple(_side(line, summary) for line in summary.lines),
        notes=summary.notes,
    )


def _side(line: Line, summary: Summary) -> SpeedSide:
    side, setting, conditions = line.side, line.setting, line.rounds[0].conditions
    return SpeedSide(
        side=name_of(side, summary.comparison.sides),
        source=side.spec.source,
        model=side.spec.name,
        platform=framework_of(side.spec).TITLE,
        mode=side.mode,
        rounds=len(line.rounds),
        calls=line.calls,
        seconds=line.seconds,
        p90=line.p90,
        p99=line.p99,
        pictures_per_second=line.per_second,
        first_call=line.first,
        parts=line.parts,
        peak_bytes=line.memory,
        device_peak_bytes=line.device_memory,
        seconds_on_device=line.on_device,
        times_as_fast=line.faster,
        times_as_fast_in_mode=line.faster_in_mode,
        agreement=line.agreement,
        counts=line.counts,
        obstacle=line.obstacle,
        remarks=line.remarks,
        threads=setting.threads,
        precision=setting.precision,
        weights=setting.weights,
        machine=setting.machine,
        device=setting.device,
        versions=setting.versions,
        governor=conditions.governor,
        allocator=conditions.allocator,
        determinism=conditions.determinism,
        layout=conditions.layout,
        conditions=conditions.others,
        highest_load=max(one.conditions.load for one in line.rounds),
    )


def _record(summary: Summary, line: Line) -> Mapping[str, object]:
    side, setting, facts = line.side, line.setting, line.rounds[0].conditions.others
    found: dict[str, object] = {
        **{"Scenario": summary.comparison.scenario, "Batch size": summary.comparison.batch_size},
        **{"Source": side.spec.source, "Model": side.spec.name},
        **{"Platform": framework_of(side.spec).TITLE, "Mode": side.mode},
        **{"Rounds": len(line.rounds), "Calls": line.calls},
        **_ends("Seconds", line.seconds),
        **{"p90": line.p90, "p99": line.p99},
        **_ends("Pictures/s", line.per_second),
        **{"First call": line.first, "Peak bytes": line.memory},
        **{"Peak bytes of device": line.device_memory},
        **{f"Seconds of {name}": value for name, value in line.parts.items()},
    }
    found |= _known(line)
    if summary.null:
        found |= _ends("A/A", summary.null)
    found |= {
        **{"Reference": name_of(summary.comparison.reference, summary.comparison.sides)},
        **{"Remarks": _remarks(line, summary), "Threads": setting.threads},
        **{"Precision": setting.precision, "Weights": setting.weights},
        **{"Machine": setting.machine, "Versions": _versions(line)},
        **{"Governor": line.rounds[0].conditions.governor},
        **{"Allocator": line.rounds[0].conditions.allocator},
        **{"Determinism": line.rounds[0].conditions.determinism},
        **{"Layout": line.rounds[0].conditions.layout},
        **{name.capitalize(): facts.get(name) for name in (PHYSICAL, INSTRUCTIONS, SWITCHES)},
        **{"Highest load": max(one.conditions.load for one in line.rounds)},
    }
    return {name: value for name, value in found.items() if value is not None}


def _known(line: Line) -> dict[str, object]:
    """What not every side has."""
    found: dict[str, object] = {}
    for name, value in (
        ("Times as fast", line.faster),
        ("Times as fast in this mode", line.faster_in_mode),
        ("Seconds on device", line.on_device),
    ):
        found |= _ends(name, value) if value else {}
    if line.counts:
        found |= {"Trainable parameters": line.counts.trainable}
        found |= {"Other parameters": line.counts.not_trainable}
        found |= {"MACs": line.counts.macs, "Activations": line.counts.activations}
    if line.agreement:
        agreed = line.agreement
        found |= {"Same top-5": agreed.same_top5, "Pictures compared": agreed.pictures}
        found |= {"Max |difference|": agreed.difference, "Allowed": agreed.tolerance}
    return found


def _ends(name: str, found: Interval) -> dict[str, object]:
    return {name: found.value, f"{name} low": found.low, f"{name} high": found.high}


def _cells(summary: Summary) -> list[list[str]]:
    sides = summary.comparison.sides
    return [
        [
            name_of(line.side, sides),
            _interval(line.seconds.scaled(1000)),
            *(_number(None if share is None else 1000 * share) for share in (line.p90, line.p99)),
            _number(line.per_second.value),
            _number(line.first),
            "" if line.memory is None else f"{line.memory / 2**20:,.0f}",
            _faster(line, summary),
            _remarks(line, summary),
        ]
        for line in summary.lines
    ]


def _faster(line: Line, summary: Summary) -> str:
    if line.side == summary.comparison.reference:
        return "1 (reference)"
    return "not compared" if line.faster is None else _interval(line.faster)


def _remarks(line: Line, summary: Summary) -> str:
    parts = [line.obstacle] if line.obstacle else []
    parts += [f"{name} {value:.2f} s" for name, value in line.parts.items()]
    parts += line.remarks
    if line.faster_in_mode:
        peer = replace(summary.comparison.reference, mode=line.side.mode)
        other = name_of(peer, summary.comparison.sides)
        parts.append(f"{_interval(line.faster_in_mode)} times as fast as {other}")
    if line.on_device:
        parts.append(f"{_interval(line.on_device.scaled(1000))} ms on the device")
    if line.device_memory is not None:
        parts.append(f"{line.device_memory / 2**20:,.0f} MiB on the device")
    return "; ".join(parts)


def _interval(found: Interval) -> str:
    if found.rounds == 1:
        return _number(found.value)
    return f"{_number(found.value)} [{_number(found.low)}, {_number(found.high)}]"


def _number(value: float | None) -> str:
    """Three or more significant digits, without an exponent."""
    if value is None:
        return ""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"


def _versions(line: Line) -> str:
    return ", ".join(f"{name} {version}" for name, version in line.setting.versions.items())


def _markdown(summary: Summary) -> str:
    rule = ["---" if position in _LEFT else "---:" for position in range(len(_HEADINGS))]
    rows = [list(_HEADINGS), rule, *_cells(summary)]
    lines = "".join(f"| {' | '.join(map(escaped, row))} |\n" for row in rows)
    versions = {escaped(_versions(line)) for line in summary.lines}
    notes = [*map(escaped, summary.notes), f"Versions: {'; '.join(sorted(versions))}."]
    return f"## {escaped(title(summary))}\n\n{lines}\n{' '.join(notes)}\n"
