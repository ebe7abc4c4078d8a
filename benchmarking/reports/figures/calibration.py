"""Reliability diagrams: accuracy by top-1 probability, with the calibration error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.reports.figures import Content
from benchmarking.reports.figures._subject import Subject, need_runs, percent, the_only
from benchmarking.scoring.metrics import Bins, calibration_bins
from benchmarking.scoring.statistics import wilson_interval
from benchmarking.scoring.table import Row

NAME = "calibration"
TITLE = "Reliability: accuracy by top-1 probability"

_MOST, _BESIDE, _SIDE = 12, 3, 190
_EDGES = [{"x": 0, "y": 0}, {"x": 100, "y": 100}]


def content(subjects: Sequence[Subject]) -> Content:
    """A diagram per run: accuracy in each bin of probability, and the share of the pictures."""
    import altair as alt

    subject = the_only(subjects, NAME)
    need_runs(subject, NAME, 1, _MOST)
    found = list(zip(subject.names, subject.rows, strict=True))
    diagrams = [_diagram(name, _bins(subject, row)) for name, row in found]
    rows = [diagrams[start : start + _BESIDE] for start in range(0, len(diagrams), _BESIDE)]
    chart = alt.vconcat(*(alt.hconcat(*row, spacing=34) for row in rows), spacing=26)
    explained = (
        "Dashed: a calibrated model. Points: accuracy in 15 bins of probability, with 95 % "
        "intervals. Bars: share of the pictures. ECE: expected calibration error."
    )
    return Content(chart, (explained,))


def _bins(subject: Subject, row: Row) -> Bins:
    if not row.provenance.has_probabilities:
        raise BenchmarkError(f"{row.run} has no probabilities, so it has no calibration.")
    return calibration_bins(subject.stores.read(row.run), subject.right)


def _diagram(name: str, bins: Bins) -> Any:
    import altair as alt

    chart = alt.Chart(alt.InlineData(values=_records(name, bins)))
    ends = alt.Scale(domain=[0, 100], nice=False)
    x = alt.X("probability:Q", title="mean top-1 probability [%]", scale=ends)
    y = alt.Y("accuracy:Q", title="accuracy [%]", scale=ends)
    tooltip = ["probability:Q", "accuracy:Q", "n:Q", "share:Q"]
    left = alt.X("left:Q", scale=ends)
    heading = alt.TitleParams(
        [name, f"ECE {100 * bins.error:.1f} %"], fontSize=12, fontWeight="normal", offset=6
    )
    equal = alt.Chart(alt.InlineData(values=_EDGES)).mark_line(style="reference")
    return alt.layer(
        chart.mark_rect(style="band").encode(x=left, x2="right:Q", y=alt.Y("zero:Q"), y2="share:Q"),
        equal.encode(x=alt.X("x:Q", scale=ends), y=alt.Y("y:Q", scale=ends)),
        chart.mark_rule(style="interval").encode(x=x, y=alt.Y("low:Q", scale=ends), y2="high:Q"),
        chart.mark_line(strokeWidth=1).encode(x=x, y=y),
        chart.mark_point(style="small").encode(x=x, y=y, tooltip=tooltip),
        title=heading,
    ).properties(width=_SIDE, height=_SIDE)


def _records(name: str, bins: Bins) -> list[dict[str, Any]]:
    """A record per bin that has pictures, in percent."""
    width = 100 / len(bins.counts)
    total = int(bins.counts.sum())
    records = []
    for number, (n, sure, right) in enumerate(
        zip(bins.counts.tolist(), bins.sure.tolist(), bins.right.tolist(), strict=True)
    ):
        if n:
            low, high = wilson_interval(right, n)
            records.append(
                {
                    **{"model": name, "n": n, "share": percent(n / total), "zero": 0},
                    **{"left": round(number * width, 9), "right": round((number + 1) * width, 9)},
                    **{"probability": percent(sure / n), "accuracy": percent(right / n)},
                    **{"low": percent(low), "high": percent(high)},
                }
            )
    return records
