"""Accuracy against a cost of the models, with the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.models.published import weights_source
from benchmarking.models.sources import all_specs
from benchmarking.models.spec import ModelSpec
from benchmarking.reports.figures import Content
from benchmarking.reports.figures._parts import PLATFORM, by_platform
from benchmarking.reports.figures._plane import axis, names
from benchmarking.reports.figures._subject import Subject, percent, platform, the_only
from benchmarking.scoring.statistics import pareto_front
from benchmarking.scoring.table import Row

Cost = Callable[[Row], float | None]

_WIDTH, _HEIGHT = 600, 420


def against_cost(
    subjects: Sequence[Subject], name: str, title: str, what: str, cost: Cost
) -> Content:
    """A point with its interval for each run whose cost is known; names on the front.

    Args:
        subjects: the only subject.
        name: name of the figure.
        title: title of the axis, with the unit.
        what: the cost in words.
        cost: the cost of a row; None if it is not known.
    """
    import altair as alt

    subject = the_only(subjects, name)
    records, without = _records(subject, cost)
    if not records:
        raise BenchmarkError(f"the {what} of no run on {subject.table.images} are known.")
    chart = alt.Chart(alt.InlineData(values=records))
    plane = (
        axis("cost", title, (record["cost"] for record in records), _WIDTH, log=True),
        axis("accuracy", subject.heading, _ends(records), _HEIGHT),
    )
    x, y = (one.encoded(channel) for one, channel in zip(plane, (alt.X, alt.Y), strict=True))
    tooltip = ["model:N", PLATFORM, alt.Tooltip("cost:Q", title=what), "accuracy:Q", "on_front:N"]
    front = alt.Chart(alt.InlineData(values=[one for one in records if one["on_front"]]))
    layers = (
        front.mark_line(style="front", interpolate="step-after").encode(x=x, y=y),
        chart.mark_rule(style="faint").encode(x=x, y="low:Q", y2="high:Q"),
        chart.mark_point(style="point").encode(x=x, y=y, tooltip=tooltip, **by_platform()),
        *names(sorted(records, key=lambda record: not record["on_front"]), *plane),
    )
    notes = [f"On the line: no run has fewer {what} and a higher accuracy."]
    notes += [f"{without} runs are left out: their {what} are not known."] * (without > 0)
    return Content(alt.layer(*layers).properties(width=_WIDTH, height=_HEIGHT), tuple(notes))


def of_model(cost: Callable[[ModelSpec], float | None]) -> Cost:
    """A cost that depends on the listed model of a row alone."""

    def of_row(row: Row) -> float | None:
        spec = _spec(row)
        return cost(spec) if spec else None

    return of_row


def _ends(records: Sequence[Mapping[str, Any]]) -> list[float]:
    return [record[end] for record in records for end in ("low", "high")]


def _records(subject: Subject, cost: Cost) -> tuple[list[dict[str, Any]], int]:
    """A record per run with a known cost, by cost; and how many have none."""
    found: list[dict[str, Any]] = []
    for name, row in zip(subject.names, subject.rows, strict=True):
        known = cost(row)
        if known:
            score = row.scores[subject.column]
            found.append(
                {
                    **{"model": name, "platform": platform(row), "cost": known},
                    "accuracy": percent(score.share),
                    **{"low": percent(score.low), "high": percent(score.high)},
                }
            )
    fronts = pareto_front([one["cost"] for one in found], [one["accuracy"] for one in found])
    records = [{**one, "on_front": front} for one, front in zip(found, fronts, strict=True)]
    records.sort(key=lambda record: (record["cost"], record["accuracy"]))
    return records, len(subject.rows) - len(records)


def _spec(row: Row) -> ModelSpec | None:
    """The listed model of a run; for a checkpoint, the architecture that it names."""
    architecture = str(row.provenance.weights.get("architecture", ""))
    source, _, model = architecture.partition("/")
    if not model:
        source, model = row.run.source, row.run.model
    return _specs().get((weights_source(source), model.casefold()))


@cache
def _specs() -> dict[tuple[str, str], ModelSpec]:
    return {(spec.source, spec.name.casefold()): spec for spec in all_specs()}
