"""Tables as aligned columns for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.reports.cells import caption, cells
from benchmarking.reports.grid import aligned
from benchmarking.scoring.table import AccuracyTable

NAME = "text"
SUFFIX = ".txt"


def render(tables: Sequence[AccuracyTable]) -> str:
    """Each table under a line with its caption."""
    return "\n".join(f"{caption(table)}\n{aligned(cells(table), left=3)}" for table in tables)
