"""Tables as comma-separated values, one line per run, full precision.

The first columns are those of the 2019 benchmark's file, with shares in [0, 1] as in that file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from benchmarking.io.printable import csv_cell
from benchmarking.reports.columns import lines
from benchmarking.scoring.table import AccuracyTable

NAME = "csv"
SUFFIX = ".csv"


def render(tables: Sequence[AccuracyTable]) -> str:
    """All tables under one line of headings; columns that a table lacks are empty."""
    found = [{_cell(name): _cell(value) for name, value in line.items()} for line in lines(tables)]
    text = io.StringIO()
    headings = dict.fromkeys(heading for line in found for heading in line)
    writer = csv.DictWriter(text, headings, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue()


def _cell(value: object) -> object:
    return csv_cell(value) if isinstance(value, str) else value
