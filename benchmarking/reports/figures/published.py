"""Measured minus published accuracy of each run, with its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.reports.figures import Content
from benchmarking.reports.figures._parts import PLATFORM, by_platform, heights, sorted_names
from benchmarking.reports.figures._subject import Subject, percent, platform, the_only
from benchmarking.scoring.verify import BACKEND_NOISE, verify

NAME = "published"
TITLE = "Measured minus published top-1 accuracy"


def content(subjects: Sequence[Subject]) -> Content:
    """A point with its interval for each run that has a published accuracy."""
    import altair as alt

    subject = the_only(subjects, NAME)
    if not subject.is_plain:
        raise BenchmarkError(
            f"figure {NAME} needs all pictures with their original labels, as published accuracies "
            "are for these; leave out other labels and selections of pictures."
        )
    records, without = _records(subject)
    if not records:
        raise BenchmarkError(
            f"no run on {subject.table.images} has a published accuracy to compare with; 'verify' "
            "gives the reason of each."
        )
    records.sort(key=lambda record: -record["difference"])
    names = sorted_names(records)
    axis = alt.Axis(labelExpr="datum.value > 0 ? '+' + datum.label : datum.label", tickCount=8)
    y = alt.Y("model:N", sort=names, title=None, axis=alt.Axis(grid=False))
    data = alt.InlineData(values=records)
    noise = {"low": -100 * BACKEND_NOISE, "high": 100 * BACKEND_NOISE}
    band = alt.Chart(alt.InlineData(values=[noise])).mark_rect(style="band")
    band = band.encode(x=alt.X("low:Q"), x2="high:Q")
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(style="reference")
    intervals = alt.Chart(data).mark_rule(style="interval").encode(x="low:Q", x2="high:Q", y=y)
    title = "difference in percentage points, with the 95 % interval"
    points = alt.Chart(data).mark_point(style="point")
    points = points.encode(
        x=alt.X("difference:Q", title=title, axis=axis, scale=alt.Scale(zero=True)),
        y=y,
        tooltip=_TOOLTIP,
        **by_platform(),
    )
    chart = alt.layer(band, zero.encode(x="zero:Q"), intervals, points)
    shaded = f"Shaded: within {100 * BACKEND_NOISE:.2f} points, as another resize can cause."
    missing = [f"{without} runs have no published accuracy."] * (without > 0)
    return Content(chart.properties(width=460, height=heights(names)), (shaded, *missing))


_TOOLTIP = ["model:N", PLATFORM, "measured:Q", "published:Q", "difference:Q", "verdict:N"]


def _records(subject: Subject) -> tuple[list[dict[str, Any]], int]:
    """A record per run with a published accuracy, all in percent; and how many have none."""
    rows = subject.rows
    runs = [row.run for row in rows]
    found = {one.run: one for one in verify(subject.stores, runs)}
    records: list[dict[str, Any]] = []
    for name, row in zip(subject.names, rows, strict=True):
        one = found[row.run]
        if one.published is None:
            continue
        low, high = one.interval
        published = one.published.acc1
        records.append(
            {
                **{"model": name, "platform": platform(row), "verdict": one.verdict.value},
                **{"measured": percent(one.acc1), "published": published},
                "difference": round(percent(one.acc1) - published, 9),
                "low": round(percent(low) - published, 9),
                "high": round(percent(high) - published, 9),
            }
        )
    return records, len(runs) - len(records)
