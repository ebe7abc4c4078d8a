"""One accuracy of each run against another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarking.reports.figures._parts import PLATFORM, by_platform
from benchmarking.reports.figures._plane import Axis, axis, names
from benchmarking.reports.figures._subject import percent
from benchmarking.scoring.statistics import competition_ranks
from benchmarking.scoring.table import Score

_SIDE = 440
_ENDS = ("low", "high")


@dataclass(frozen=True)
class Both:
    """Two scores of a run.

    Attributes:
        name: name of the run.
        platform: its platform.
        x: one of its scores.
        y: the other one.
    """

    name: str
    platform: str
    x: Score
    y: Score


def against(pairs: Sequence[Both], x_title: str, y_title: str) -> Any:
    """A point per run with both intervals, a line of equality, and names where there is room.

    Args:
        pairs: the scores of each run.
        x_title: what the first score is.
        y_title: what the second score is.
    """
    import altair as alt

    records = _records(pairs)
    chart = alt.Chart(alt.InlineData(values=records))
    plane = [
        axis(one, title, (record[f"{one}_{end}"] for record in records for end in _ENDS), _SIDE)
        for one, title in (("x", x_title), ("y", y_title))
    ]
    x, y = (one.encoded(channel) for one, channel in zip(plane, (alt.X, alt.Y), strict=True))
    tooltip = [
        *("model:N", PLATFORM),
        *(alt.Tooltip("x:Q", title=x_title), alt.Tooltip("y:Q", title=y_title)),
        *("x_rank:Q", "y_rank:Q"),
    ]
    equal = alt.Chart(alt.InlineData(values=_equal(*plane)))
    return alt.layer(
        equal.mark_line(style="reference").encode(x=x, y=y),
        chart.mark_rule(style="faint").encode(x="x_low:Q", x2="x_high:Q", y=y),
        chart.mark_rule(style="faint").encode(y="y_low:Q", y2="y_high:Q", x=x),
        chart.mark_point(style="small").encode(x=x, y=y, tooltip=tooltip, **by_platform()),
        *names(records, *plane),
    ).properties(width=_SIDE, height=_SIDE)


def _equal(x: Axis, y: Axis) -> list[dict[str, float]]:
    """Both ends of the line of equality, where both axes have it; empty if they do not overlap."""
    low, high = max(x.low, y.low), min(x.high, y.high)
    return [{"x": end, "y": end} for end in (low, high)] if low < high else []


def _records(pairs: Sequence[Both]) -> list[dict[str, Any]]:
    """A record per run, in percent; those whose rank changes most come first."""
    x_ranks = competition_ranks([pair.x.share for pair in pairs])
    y_ranks = competition_ranks([pair.y.share for pair in pairs])
    records = [
        {
            **{"model": pair.name, "platform": pair.platform},
            **{"x": percent(pair.x.share), "y": percent(pair.y.share)},
            **{"x_low": percent(pair.x.low), "x_high": percent(pair.x.high)},
            **{"y_low": percent(pair.y.low), "y_high": percent(pair.y.high)},
            **{"x_rank": x_rank, "y_rank": y_rank},
        }
        for pair, x_rank, y_rank in zip(pairs, x_ranks, y_ranks, strict=True)
    ]
    return sorted(records, key=lambda record: -abs(record["x_rank"] - record["y_rank"]))
