"""Tier and plausible ranks of each run, beside its accuracy with the 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarking.reports.figures import Content
from benchmarking.reports.figures._parts import PLATFORM, by_platform, heights, sorted_names
from benchmarking.reports.figures._subject import (
    MOST_ROWS,
    Subject,
    need_runs,
    percent,
    platform,
    the_only,
)
from benchmarking.scoring.table import LEVEL

NAME = "ranks"
TITLE = "Accuracy, tiers and plausible ranks"

_TOOLTIP = [
    *("model:N", PLATFORM, "accuracy:Q", "low:Q", "high:Q"),
    *("rank:Q", "tier:Q", "best:Q", "worst:Q"),
]


def content(subjects: Sequence[Subject]) -> Content:
    """Two columns with a row per run: its accuracy, and the ranks that it could have."""
    import altair as alt

    subject = the_only(subjects, NAME)
    need_runs(subject, NAME, 1, MOST_ROWS)
    records = _records(subject)
    names = sorted_names(records)
    size = {"height": heights(names)}
    y = alt.Y("model:N", sort=names, title=None, axis=alt.Axis(grid=False))
    chart = alt.hconcat(
        _accuracies(records, y, subject.heading).properties(width=300, **size),
        _ranks(records, y, len(names)).properties(width=240, **size),
        spacing=46,
    )
    explained = (
        "The runs of a tier are not significantly worse than its best run (exact McNemar test, "
        f"Holm, {100 * LEVEL:.0f} %). Every second tier is shaded."
    )
    return Content(chart, (explained,))


def _accuracies(records: list[dict[str, Any]], y: Any, heading: str) -> Any:
    import altair as alt

    chart = alt.Chart(alt.InlineData(values=records))
    x = alt.X("accuracy:Q", title=f"{heading}, with the 95 % interval", scale=alt.Scale(zero=False))
    points = chart.mark_point(style="small").encode(x=x, y=y, tooltip=_TOOLTIP, **by_platform())
    intervals = chart.mark_rule(style="interval").encode(x="low:Q", x2="high:Q", y=y)
    return alt.layer(_stripes(records, y), intervals, points)


def _ranks(records: list[dict[str, Any]], y: Any, n: int) -> Any:
    import altair as alt

    chart = alt.Chart(alt.InlineData(values=records))
    without = y.copy()
    without.axis = None
    axis = alt.Axis(tickMinStep=1, format="d")
    x = alt.X(
        "best:Q", title="plausible ranks", axis=axis, scale=alt.Scale(domain=[0, n + 1], nice=False)
    )
    ranges = chart.mark_rule(style="range").encode(x=x, x2="worst:Q", y=without, tooltip=_TOOLTIP)
    measured = chart.mark_point(style="rank").encode(x="rank:Q", y=without, tooltip=_TOOLTIP)
    firsts = {record["tier"]: record for record in reversed(records)}
    tiers = alt.Chart(alt.InlineData(values=list(firsts.values()))).mark_text(
        style="note", align="right", dx=-6
    )
    tiers = tiers.encode(x=alt.value(0), y=without, text="tier_name:N")
    return alt.layer(_stripes(records, without), ranges, measured, tiers)


def _stripes(records: list[dict[str, Any]], y: Any) -> Any:
    """The background of every second tier."""
    import altair as alt

    even = [record for record in records if record["tier"] % 2 == 0]
    return alt.Chart(alt.InlineData(values=even)).mark_rect(style="band").encode(y=y)


def _records(subject: Subject) -> list[dict[str, Any]]:
    """A record per run, best first; accuracies in percent."""
    records = []
    for name, row in zip(subject.names, subject.rows, strict=True):
        score, place = row.scores[subject.column], row.place
        assert place is not None  # noqa: S101 - tells mypy; so few runs have places
        records.append(
            {
                **{"model": name, "platform": platform(row)},
                "accuracy": percent(score.share),
                **{"low": percent(score.low), "high": percent(score.high)},
                **{"rank": score.rank, "tier": place.tier, "tier_name": f"tier {place.tier}"},
                **{"best": place.best, "worst": place.worst},
            }
        )
    return records
