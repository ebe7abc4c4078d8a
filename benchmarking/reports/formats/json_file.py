"""Tables as JSON; each run has its complete provenance."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.scoring.table import AccuracyTable

NAME = "json"
SUFFIX = ".json"


def render(tables: Sequence[AccuracyTable]) -> str:
    """A document with a list of tables; see `documents.table`. Accuracies are shares in [0, 1].

    If columns were chosen, they are given as well, with the names and shares of a .csv file.
    """
    from benchmarking.reports.documents import as_json
    from benchmarking.reports.documents.table import table_document

    return as_json(table_document(tables))
