"""Tables as tab-separated values."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from benchmarking.reports.cells import caption, cells
from benchmarking.scoring.table import AccuracyTable

PLUGIN = "reports"
NAME = "tab-separated"
SUFFIX = ".tsv"


def render(tables: Sequence[AccuracyTable]) -> str:
    """Each table below a line with its caption, and an empty line between tables."""
    return "\n".join(map(_one, tables))


def _one(table: AccuracyTable) -> str:
    text = io.StringIO()
    writer = csv.writer(text, csv.excel_tab, lineterminator="\n")
    writer.writerows([[caption(table)], *cells(table)])
    return text.getvalue()
