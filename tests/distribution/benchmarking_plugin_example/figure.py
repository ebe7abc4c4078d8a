"""A figure: accuracy of the best and the worst model."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.reports.figures import Content, Subject

PLUGIN = "figures"
NAME = "ends"
TITLE = "The best and the worst model"


def content(subjects: Sequence[Subject]) -> Content:
    """Two bars for each image set."""
    import altair

    records = [
        {
            "model": f"{subject.names[end]}, {subject.table.images}",
            "accuracy": row.scores[subject.column].share,
        }
        for subject in subjects
        for end, row in ((0, subject.rows[0]), (-1, subject.rows[-1]))
    ]
    chart = altair.Chart(altair.InlineData(values=records)).mark_bar()
    return Content(chart.encode(x="accuracy:Q", y="model:N"))
