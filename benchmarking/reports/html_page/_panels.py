"""Panels of the page: what is known of each model and its runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.io.names import UNKNOWN
from benchmarking.io.printable import printable
from benchmarking.pictures.recipe import recipe_from
from benchmarking.predictions.stored_run import place_of
from benchmarking.reports.bibliography import bibtex
from benchmarking.reports.citation import papers_of_row
from benchmarking.reports.figures import Subject
from benchmarking.scoring.table import AccuracyTable, EstimatedScore, Row
from benchmarking.scoring.verify import Verification, verify

NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class ScoredRow:
    """A run of a model, on one image set.

    Attributes:
        row: its row.
        table: the table of the row.
        verification: its comparison with the published accuracy.
    """

    row: Row
    table: AccuracyTable
    verification: Verification


@dataclass(frozen=True)
class Model:
    """The runs of a model with one recipe, on all image sets.

    Attributes:
        anchor: anchor of its panel.
        rows: its runs, in the order of the subjects.
    """

    anchor: str
    rows: Sequence[ScoredRow]


@dataclass(frozen=True)
class Panel:
    """What the page tells of a model.

    Attributes:
        anchor: its anchor.
        title: source, model and recipe.
        scores: an accuracy of each label set and image set, as cells of text.
        facts: names and values, such as the weights.
        verdicts: the comparison with the published accuracy, a line for each image set.
        papers: BibTeX of the papers of its architecture; empty if none is known.
    """

    anchor: str
    title: str
    scores: Sequence[Sequence[str]]
    facts: Sequence[tuple[str, str]]
    verdicts: Sequence[str]
    papers: str


def models(subjects: Sequence[Subject]) -> list[Model]:
    """The models of all subjects, those of the first image set first, best first.

    Raises:
        BenchmarkError: a run is damaged.
    """
    found: dict[tuple[str, ...], list[ScoredRow]] = {}
    for subject in subjects:
        runs = [row.run for row in subject.rows]
        verified = {one.run: one for one in verify(subject.stores, runs)}
        for row in subject.rows:
            key = (row.run.source, row.run.model, row.run.recipe, place_of(row.run))
            scored = ScoredRow(row, subject.table, verified[row.run])
            found.setdefault(key, []).append(scored)
    return [Model(f"model-{number}", rows) for number, rows in enumerate(found.values(), 1)]


def panels(found: Sequence[Model]) -> list[Panel]:
    """A panel for each model."""
    return [_panel(model) for model in found]


def _panel(model: Model) -> Panel:
    first = model.rows[0].row
    run = first.run
    place = f" in {place_of(run)}" * bool(place_of(run))
    random = ", random weights" * first.provenance.is_random
    return Panel(
        model.anchor,
        printable(f"{run.source}/{run.model}, recipe {run.recipe}{random}{place}"),
        [line for one in model.rows for line in _scores(one)],
        [(printable(name), printable(value)) for name, value in _facts_of(model)],
        [printable(line) for one in model.rows for line in _verdict(one)],
        "\n\n".join(map(bibtex, papers_of_row(first))),
    )


def _scores(one: ScoredRow) -> Iterator[list[str]]:
    """Image set, score, interval and rank of each score of a run."""
    for name, score in one.row.scores.items():
        of = f" of {score.of:,}" if isinstance(score, EstimatedScore) else ""
        yield [
            *(printable(one.table.images), printable(name), f"{score.n:,}{of}"),
            f"{100 * score.share:.2f}",
            f"[{100 * score.low:.2f}, {100 * score.high:.2f}]",
            "estimated" if score.rank is None else f"{score.rank} of {len(one.table.rows)}",
        ]


def _verdict(one: ScoredRow) -> Iterator[str]:
    found = one.verification
    published = ""
    if found.published and found.difference is not None:
        published = (
            f": measured {100 * found.acc1:.2f} %, published {found.published.acc1:.2f} % "
            f"({100 * found.difference:+.2f} points; {found.published.source})"
        )
    reason = f" ({found.reason})" if found.reason else ""
    yield f"{one.table.images}: {found.verdict.value}{reason}{published}"
    for cause in found.causes:
        yield f"likely cause: {cause.what}; evidence: {cause.evidence}"


def _facts_of(model: Model) -> list[tuple[str, str]]:
    """The facts of all runs; one that differs between image sets is told for each of them."""
    found: dict[str, dict[str, str]] = {}
    for one in model.rows:
        for name, value in _facts(one.row):
            found.setdefault(name, {})[one.row.run.images] = value
    told = []
    for name, values in found.items():
        if len(set(values.values())) == 1:
            told.append((name, next(iter(values.values()))))
        else:
            told += [(f"{name} ({images})", value) for images, value in values.items()]
    return told


def _facts(row: Row) -> Iterator[tuple[str, str]]:
    """How a run was made; what was not recorded is said to be so."""
    made = row.provenance
    yield "Platform", row.platform
    yield "Preprocessing", _recipe(row)
    yield "Weights", _listed(made.weights)
    yield "Versions", _listed(made.versions)
    yield "Device", _known(made.device)
    yield "Precision", _known(made.precision)
    yield "Batch size", _known(made.batch_size)
    yield "Date", _known(made.started)
    yield "Command", " ".join(made.arguments) or NOT_RECORDED
    if made.origin:
        yield "Imported from", _listed(made.origin)
    if made.incidents:
        yield "Incidents", "; ".join(made.incidents)
    yield "Pictures", f"fingerprint {_known(made.fingerprint)}"


def _recipe(row: Row) -> str:
    document = row.provenance.preprocessing
    if not document:
        return f"{row.run.recipe}, steps {NOT_RECORDED}"
    try:
        return f"{row.run.recipe}: {recipe_from(document)}"
    except BenchmarkError:
        return f"{row.run.recipe}: {_listed(document)}"


def _listed(values: Mapping[str, Any]) -> str:
    """Names and values in a line; nested values follow their name."""
    parts = [
        f"{name} ({_listed(value)})" if isinstance(value, Mapping) else f"{name} {_known(value)}"
        for name, value in values.items()
    ]
    return ", ".join(parts) or NOT_RECORDED


def _known(value: object) -> str:
    return NOT_RECORDED if value in (None, "", UNKNOWN) else str(value)
