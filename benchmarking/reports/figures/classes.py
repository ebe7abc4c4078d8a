"""The classes that one of two models wins, and those that it loses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.labels.imagenet import class_names, wnids
from benchmarking.reports.figures import Content
from benchmarking.reports.figures._parts import heights
from benchmarking.reports.figures._subject import Subject, need_runs, the_only
from benchmarking.scoring.compare import ClassChange, check_same_pictures, class_changes

NAME = "classes"
TITLE = "Classes that two models win and lose"

_SHOWN = 15  # classes with the largest gains, and with the largest losses


def content(subjects: Sequence[Subject]) -> Content:
    """A line per class, from the pictures that one model gets right to those of the other."""
    import altair as alt

    subject = the_only(subjects, NAME)
    need_runs(subject, NAME, 2, 2)
    check_same_pictures(subject.stores, [row.run for row in subject.rows])
    ours, theirs = subject.guesses()
    changes = class_changes(ours, theirs, subject.right)
    if not changes:
        raise BenchmarkError(f"the two runs on {subject.table.images} are equal in every class.")
    first, second = subject.names
    wins = [one for one in changes[:_SHOWN] if one.first > one.second]
    losses = [one for one in changes[-_SHOWN:] if one.first < one.second]
    records = [_record(one) for one in (*wins, *losses)]
    points = [
        {**record, "model": name, "right": record[which]}
        for record in records
        for name, which in ((first, "first"), (second, "second"))
    ]
    names = [record["class"] for record in records]
    y = alt.Y("class:N", sort=names, title=None, axis=alt.Axis(grid=True, gridDash=[1, 3]))
    axis = alt.Axis(tickMinStep=1, format="d")
    x = alt.X("right:Q", title="pictures of the class that are right", axis=axis)
    chart = alt.Chart(alt.InlineData(values=points))
    legend = alt.Legend(title=None, orient="top", direction="horizontal")
    order = alt.Scale(domain=[first, second])
    colour = alt.Color("model:N", scale=order, legend=legend)
    shape = alt.Shape("model:N", scale=order, legend=legend)
    lines = alt.Chart(alt.InlineData(values=records)).mark_rule(style="interval")
    layers = alt.layer(
        lines.encode(x=alt.X("first:Q"), x2="second:Q", y=y),
        chart.mark_point(style="point").encode(
            x=x, y=y, color=colour, shape=shape, tooltip=["class:N", "model:N", "right:Q", "n:Q"]
        ),
    )
    more = sum(one.first > one.second for one in changes)
    less = len(changes) - more
    notes = (
        f"{first} gets more pictures right in {more} classes, {second} in {less}. Shown are the "
        f"{len(wins)} and {len(losses)} largest differences.",
    )
    return Content(layers.properties(width=380, height=heights(names)), notes)


def _record(change: ClassChange) -> dict[str, Any]:
    """The counts of a class; its name has its WordNet id, because names are not unique."""
    known = change.label < len(wnids())
    name = f"{class_names()[change.label]} ({wnids()[change.label]})" if known else change.label
    return {
        **{"class": str(name), "label": change.label, "n": change.n},
        **{"first": change.first, "second": change.second},
    }
