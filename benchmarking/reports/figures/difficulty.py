"""Accuracy of each run by the difficulty of the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarking.reports.figures import Content
from benchmarking.reports.figures._parts import ON_BRIGHT, ON_DARK, heights
from benchmarking.reports.figures._subject import MOST_ROWS, Subject, need_runs, percent, the_only
from benchmarking.scoring.compare import check_same_pictures
from benchmarking.scoring.difficulty import LEVELS, by_difficulty

NAME = "difficulty"
TITLE = "Accuracy by the difficulty of the pictures"


def content(subjects: Sequence[Subject]) -> Content:
    """A row per run, best first, and a cell per level of difficulty with the accuracy."""
    import altair as alt

    subject = the_only(subjects, NAME)
    need_runs(subject, NAME, 2, MOST_ROWS)
    check_same_pictures(subject.stores, [row.run for row in subject.rows])
    records = _records(subject)
    chart = alt.Chart(alt.InlineData(values=records))
    axis = alt.Axis(labelAngle=0, orient="top", grid=False)
    x = alt.X("level:N", sort=list(LEVELS), title=_ACROSS, axis=axis)
    y = alt.Y("model:N", sort=subject.names, title=None, axis=alt.Axis(grid=False))
    legend = alt.Legend(title="accuracy [%]", gradientLength=160)
    scale = alt.Scale(scheme="cividis", domain=[0, 100])
    ink = alt.condition(alt.datum.accuracy > 50, alt.value(ON_BRIGHT), alt.value(ON_DARK))
    cells = chart.mark_rect().encode(
        x=x, y=y, color=alt.Color("accuracy:Q", scale=scale, legend=legend), tooltip=_TOOLTIP
    )
    text = chart.mark_text(fontSize=10).encode(
        x=x, y=y, text=alt.Text("accuracy:Q", format=".1f"), color=ink
    )
    explained = "The model of a row has no part in the difficulty of its pictures."
    size = {"width": 480, "height": heights(subject.names)}
    return Content(alt.layer(cells, text).properties(**size), (explained,))


_ACROSS = "share of the other models that are right: difficult pictures left, easy ones right"
_TOOLTIP = ["model:N", "level:N", "accuracy:Q", "right:Q", "n:Q"]


def _records(subject: Subject) -> list[dict[str, Any]]:
    """A record per run and level that has pictures, in percent."""
    return [
        {
            **{"model": subject.names[one.model], "level": LEVELS[one.level]},
            **{"accuracy": percent(one.right / one.n), "right": one.right, "n": one.n},
        }
        for one in by_difficulty(subject.hits())
        if one.n
    ]
