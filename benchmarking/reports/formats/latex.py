r"""Tables in LaTeX, for \input; the preamble needs \usepackage{booktabs}."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmarking.io.printable import printable
from benchmarking.reports.cells import caption, cells
from benchmarking.scoring.table import AccuracyTable

NAME = "latex"
SUFFIX = ".tex"

_ESCAPES = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\N{MINUS SIGN}": "$-$",
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    }
)


def render(tables: Sequence[AccuracyTable]) -> str:
    """Each table as a tabular, after a comment with its caption."""
    return "\n".join(_one(table) for table in tables)


def _one(table: AccuracyTable) -> str:
    found = cells(table)
    headings, *rows = [" & ".join(map(_escaped, line)) + r" \\" for line in found]
    columns = "lll" + "r" * (len(found[0]) - 3)
    lines = [
        f"% {caption(table)}",
        rf"\begin{{tabular}}{{{columns}}}",
        *(r"\toprule", headings, r"\midrule", *rows, r"\bottomrule"),
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _escaped(cell: str) -> str:
    minus = re.sub(r"^-(?=[0-9])", "\N{MINUS SIGN}", printable(cell))
    # Without {}, LaTeX reads these as an argument of the \\ or \midrule in the line above.
    apart = "{}" * minus.startswith(("[", "*"))
    return apart + minus.translate(_ESCAPES)
