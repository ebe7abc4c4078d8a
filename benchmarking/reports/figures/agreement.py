"""Error consistency of every pair of runs, as a matrix in which similar runs are neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.reports.figures import Content
from benchmarking.reports.figures._parts import ON_BRIGHT, ON_DARK, ROW
from benchmarking.reports.figures._subject import MOST_ROWS, Subject, need_runs, the_only
from benchmarking.scoring.compare import check_same_pictures, every_pair
from benchmarking.scoring.statistics import cluster_order

NAME = "agreement"
TITLE = "Error consistency: are two models right on the same pictures?"

_WORDS = 12  # most runs whose cells have their number in them


def content(subjects: Sequence[Subject]) -> Content:
    """A cell per pair of runs with Cohen's kappa, in an order of clusters."""
    import altair as alt

    subject = the_only(subjects, NAME)
    need_runs(subject, NAME, 2, MOST_ROWS)
    check_same_pictures(subject.stores, [row.run for row in subject.rows])
    kappas = _kappas(subject)
    order = cluster_order(kappas)
    names = [subject.names[number] for number in order]
    records = [
        {"first": subject.names[i], "second": subject.names[j], "kappa": _number(kappas[i, j])}
        for i in order
        for j in order
        if i != j
    ]
    side = len(names) * (ROW if len(names) > _WORDS else 46)
    chart = alt.Chart(alt.InlineData(values=records))
    x = alt.X("first:N", sort=names, title=None, axis=alt.Axis(labelAngle=-90, grid=False))
    y = alt.Y("second:N", sort=names, title=None, axis=alt.Axis(grid=False))
    legend = alt.Legend(title="Cohen's kappa", gradientLength=160)
    colour = alt.Color("kappa:Q", scale=alt.Scale(scheme="cividis"), legend=legend)
    layers = [chart.mark_rect().encode(x=x, y=y, color=colour, tooltip=_TOOLTIP)]
    if len(names) <= _WORDS:
        middle = (max(_known(records)) + min(_known(records))) / 2
        ink = alt.condition(alt.datum.kappa > middle, alt.value(ON_BRIGHT), alt.value(ON_DARK))
        text = alt.Text("kappa:Q", format=".2f")
        layers.append(chart.mark_text(fontSize=11).encode(x=x, y=y, text=text, color=ink))
    explained = (
        "1: always right on the same pictures; 0: as often as by chance. Order: average linkage."
    )
    return Content(alt.layer(*layers).properties(width=side, height=side), (explained,))


_TOOLTIP = ["first:N", "second:N", "kappa:Q"]


def _kappas(subject: Subject) -> NDArray[np.float64]:
    """Cohen's kappa of every pair of rows, (rows, rows), symmetric, with 1 on the diagonal."""
    n = len(subject.rows)
    kappas = np.eye(n)
    pairs = iter(every_pair(subject.guesses()))
    for i in range(n):
        for j in range(i + 1, n):
            kappas[i, j] = kappas[j, i] = next(pairs).kappa
    return kappas


def _number(kappa: float) -> float | None:
    """A number of JSON, which has no NaN."""
    return None if np.isnan(kappa) else round(float(kappa), 9)


def _known(records: Sequence[dict[str, Any]]) -> list[float]:
    return [one["kappa"] for one in records if one["kappa"] is not None] or [0.0]
