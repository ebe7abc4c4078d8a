"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.io.printable import printable
from benchmarking.reports.cells import caption, cells
from benchmarking.scoring.table import AccuracyTable

NAME = "markdown"
SUFFIX = ".md"

_ENTITIES = str.maketrans({character: f"&#{ord(character)};" for character in "&<>|`\\*"})


def render(tables: Sequence[AccuracyTable]) -> str:
    """Each table under a heading with its image set's name and size."""
    return "\n".join(_one(table) for table in tables)


def _one(table: AccuracyTable) -> str:
    headings, *lines = cells(table)
    rule = ["---"] * 3 + ["---:"] * (len(headings) - 3)
    rows = "".join(f"| {' | '.join(map(_escaped, line))} |\n" for line in (headings, rule, *lines))
    return f"## {_escaped(caption(table))}\n\n{rows}"


def _escaped(text: str) -> str:
    """Text with no markup, HTML or further cells in it; a link is one by the ( after its ]."""
    return printable(text).translate(_ENTITIES).replace("](", "]&#40;")
