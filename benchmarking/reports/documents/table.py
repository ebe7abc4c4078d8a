"""The document of `table`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from benchmarking.predictions.provenance import Provenance
from benchmarking.reports.columns import lines
from benchmarking.reports.documents.verify import Reference, reference
from benchmarking.scoring.table import AccuracyTable, EstimatedScore, Place, Row, Score

Value = str | int | float | None
"""A cell of a .csv file."""


@dataclass(frozen=True)
class TableScore:
    """A share of pictures that a run gets right.

    Attributes:
        share: the share, from 0 to 1; of a sample, the estimate for all pictures.
        right: number of pictures that count as right; of a sample, without weights.
        n: number of pictures.
        low: lower end of the 95 % interval: Wilson's, or design-based if the share is an estimate.
        high: its upper end.
        rank: rank in the table of its image set, 1 for the best; equal shares have equal ranks.
            Null for an estimate.
        estimated_for: number of pictures for which the share is an estimate from n of them; null if
            it is measured.
    """

    share: float
    right: int
    n: int
    low: float
    high: float
    rank: int | None
    estimated_for: int | None


@dataclass(frozen=True)
class TableRow:
    """One run in a table.

    Attributes:
        source: name of the model's source.
        model: name of the model within its source.
        recipe: name of the preprocessing.
        store: name of the run's store, or path of its file; null if only one store is read.
        platform: its framework, with a remark if the weights were random.
        scores: its scores, by the names in `columns`; a run with too few predictions for each
            picture lacks some.
        place: uncertainty of its rank by the first of `columns`; null for an estimate, and in a
            table of more than 2,000 runs.
        measures: calibration, by name: ECE as a share, NLL and Brier score; null if it is not
            finite.
        elsewhere: scores of the same model on other image sets, by names such as "Acc@1 on v2".
        speed: measured speed by name, with its unit.
        published: published accuracy of the same weights on the same labels; null if there is none.
        provenance: how the run was made, as its file records it.
    """

    source: str
    model: str
    recipe: str
    store: str | None
    platform: str
    scores: Mapping[str, TableScore]
    place: Place | None
    measures: Mapping[str, float | None]
    elsewhere: Mapping[str, TableScore]
    speed: Mapping[str, float | None]
    published: Reference | None
    provenance: Provenance


@dataclass(frozen=True)
class Table:
    """The runs on one image set.

    Attributes:
        images: name of the image set.
        n: number of its pictures.
        subset: description of the pictures that count; empty for all.
        fingerprint: fingerprint of the pictures.
        columns: names of the scores.
        rows: the rows, in the order of the table: best first, or as --sort asks.
        chosen: with --columns, the values of these columns in each row, by their names in a .csv
            file; else null.
        left_out: why runs are left out: they cannot be read, or are on other pictures.
        notes: lines about labels, stores and selected runs.
    """

    images: str
    n: int
    subset: str
    fingerprint: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    chosen: tuple[Mapping[str, Value], ...] | None
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TableDocument:
    """Accuracies of `imagenet-benchmark table`.

    Attributes:
        tables: a table for each image set.
    """

    NAME: ClassVar[str] = "table"
    VERSION: ClassVar[int] = 1

    tables: tuple[Table, ...]


def table_document(tables: Sequence[AccuracyTable]) -> TableDocument:
    """The document of tables."""
    return TableDocument(tuple(map(_table, tables)))


def _table(table: AccuracyTable) -> Table:
    is_chosen = isinstance(table.view.columns, tuple)
    return Table(
        images=table.images,
        n=table.n,
        subset=table.subset,
        fingerprint=table.fingerprint,
        columns=table.columns,
        rows=tuple(map(_row, table.rows)),
        chosen=tuple(cast("Mapping[str, Value]", line) for line in lines([table]))
        if is_chosen
        else None,
        left_out=table.left_out,
        notes=table.notes,
    )


def _row(row: Row) -> TableRow:
    return TableRow(
        source=row.run.source,
        model=row.run.model,
        recipe=row.run.recipe,
        store=row.store or None,
        platform=row.platform,
        scores=_scores(row.scores),
        place=row.place,
        measures=row.measures,
        elsewhere=_scores(row.elsewhere),
        speed=row.speed,
        published=reference(row.published),
        provenance=row.provenance,
    )


def _scores(scores: Mapping[str, Score]) -> dict[str, TableScore]:
    return {name: _score(score) for name, score in scores.items()}


def _score(score: Score) -> TableScore:
    return TableScore(
        share=score.share,
        right=score.right,
        n=score.n,
        low=score.low,
        high=score.high,
        rank=score.rank,
        estimated_for=score.of if isinstance(score, EstimatedScore) else None,
    )
