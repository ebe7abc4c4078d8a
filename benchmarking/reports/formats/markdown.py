"""Tables in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmarking.io.printable import printable
from benchmarking.reports.cells import caption, cells
from benchmarking.reports.columns import shown
from benchmarking.scoring.table import AccuracyTable

NAME = "markdown"
SUFFIX = ".md"

_ENTITIES = str.maketrans({character: f"&#{ord(character)};" for character in "&<>|`\\*~"})
# _ is markup only at the edge of a word, so it is not escaped in a name such as inception_v3.
_MARKUP = re.compile(r"(?<=\])\(|(?<!\w)_+|_+(?!\w)|__+|(?<=:)/(?=/)|(?<=www)\.", re.IGNORECASE)


def render(tables: Sequence[AccuracyTable]) -> str:
    """Each table under a heading with its caption."""
    return "\n".join(_one(table) for table in tables)


def _one(table: AccuracyTable) -> str:
    columns = shown(table)
    headings, *lines = cells(table, columns)
    rule = ["---" if column.left else "---:" for column in columns]
    rows = "".join(f"| {' | '.join(map(escaped, line))} |\n" for line in (headings, rule, *lines))
    return f"## {escaped(caption(table, columns))}\n\n{rows}"


def escaped(text: str) -> str:
    """A text without markup, HTML, links and cell separators."""

    def as_entities(found: re.Match[str]) -> str:
        return "".join(f"&#{ord(character)};" for character in found[0])

    return _MARKUP.sub(as_entities, printable(text).translate(_ENTITIES))
