"""Tables of several image sets side by side: each row with its model's accuracy on the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from benchmarking.scoring.table import AccuracyTable, Row, Score


def side_by_side(tables: Sequence[AccuracyTable]) -> list[AccuracyTable]:
    """The same tables; their rows have the accuracies of the same model on the other image sets.

    These are the first column of the other set's table, under the name "COLUMN on SET". A set that
    has several tables, as its pictures differ between stores, is beside none.
    """
    numbers = Counter(table.images for table in tables)
    scores = {
        table.images: {_model(row): row for row in table.rows}
        for table in tables
        if numbers[table.images] == 1
    }
    first = {table.images: table.columns[0] for table in tables}

    def elsewhere(row: Row) -> dict[str, Score]:
        """The scores of a row's model on the other sets, by the names of their columns."""
        return {
            f"{first[images]} on {images}": other.scores[first[images]]
            for images, rows in scores.items()
            if images != row.run.images and (other := rows.get(_model(row)))
            if first[images] in other.scores
        }

    return [
        replace(t, rows=tuple(replace(row, elsewhere=elsewhere(row)) for row in t.rows))
        for t in tables
    ]


def _model(row: Row) -> tuple[str, str, str, bool]:
    return row.run.source, row.run.model, row.run.recipe, row.provenance.is_random
