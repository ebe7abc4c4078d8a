"""Outputs of tables, one module each: NAME, SUFFIX and `render(tables) -> str`.

A renderer takes all tables at once, since some formats put several image sets into one file.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.errors import BenchmarkError, requires
from benchmarking.escapes import printable
from benchmarking.plugins import discover
from benchmarking.table import Row, Score, Table, rank_of

if TYPE_CHECKING:
    import pandas as pd

CONTRACT = ("NAME", "SUFFIX", "render")


def render_as(path: Path, tables: Sequence[Table]) -> str:
    """The tables in the format that a file's suffix asks for.

    Raises:
        BenchmarkError: no format has this suffix.
    """
    by_suffix = {module.SUFFIX: module for module in discover(sys.modules[__name__]).values()}
    if path.suffix.lower() not in by_suffix:
        known = ", ".join(sorted(by_suffix))
        raise BenchmarkError(f"{path} has no known suffix; use one of {known}.")
    rendered: str = by_suffix[path.suffix.lower()].render(tables)
    return rendered


def cells(table: Table) -> list[list[str]]:
    """A table as text: a line of headings, then a line per run; scores in percent.

    Published accuracies, and the measured acc@1 less the published, are there where any is known.
    """
    headings = ["Platform", "Model", "Recipe"]
    headings += [f"{name} [95 % interval]" for name in table.columns]
    headings += [rank_of(name) for name in table.columns]
    placed = any(row.place for row in table.rows)
    compared = any(row.published for row in table.rows)
    measures = list(dict.fromkeys(name for row in table.rows for name in row.measures))
    headings += ["Tier", "Ranks"] * placed + [f"{prefix}n" for prefix in table.sizes]
    lines = [headings + ["Published", "Difference"] * compared + measures]
    titles = Counter((row.platform, row.run.model, row.run.recipe) for row in table.rows)
    for row in table.rows:
        run = row.run
        alone = titles[row.platform, run.model, run.recipe] == 1
        scores = [row.scores[name] for name in table.columns]
        lines.append(
            [row.platform, run.model if alone else f"{run.source}/{run.model}", run.recipe]
            + [_percent(score) for score in scores]
            + [str(score.rank) for score in scores]
            + _place(row) * placed
            + [str(n) for n in table.sizes.values()]
            + _published(row) * compared
            + [f"{row.measures[name]:.4f}" if name in row.measures else "" for name in measures]
        )
    return lines


def caption(table: Table) -> str:
    """What a table is about: image set, size and fingerprint."""
    subset = f", {table.subset}" if table.subset else ""
    text = f"{table.images}, {table.n} pictures{subset}, fingerprint {table.fingerprint[:12]}"
    return printable(text)


def pandas_frame(tables: Sequence[Table]) -> pd.DataFrame:
    """Tables as a data frame: the columns of the .csv format, shares in [0, 1].

    Raises:
        MissingDependency: pandas is not installed.
    """
    from benchmarking.reports._lines import lines

    with requires("pandas"):
        import pandas as pd

    return pd.DataFrame(lines(tables))


def aligned(lines: Sequence[Sequence[str]], left: int) -> str:
    """Lines of cells in columns, the first few flush left and the others flush right."""
    lines = [[printable(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ""
    for line in lines:
        padded = [
            cell.ljust(width) if position < left else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text += "  ".join(padded).rstrip() + "\n"
    return text


def _place(row: Row) -> list[str]:
    if row.place is None:
        return ["", ""]
    return [str(row.place.tier), f"{row.place.best}-{row.place.worst}"]


def _published(row: Row) -> list[str]:
    reference, score = row.published, row.scores.get("Acc@1")
    if reference is None or score is None:
        return ["", ""]
    return [f"{reference.acc1:.2f}", f"{100 * score.share - reference.acc1:+.2f}"]


def _percent(score: Score) -> str:
    return f"{100 * score.share:.2f} [{100 * score.low:.2f}, {100 * score.high:.2f}]"
