"""Tables as aligned columns for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.reports import aligned, caption, cells
from benchmarking.table import Table

NAME = "text"
SUFFIX = ".txt"


def render(tables: Sequence[Table]) -> str:
    """Each table under a line with its image set's name and size."""
    return "\n".join(f"{caption(table)}\n{aligned(cells(table), left=3)}" for table in tables)
