"""The table of the page: cells with their text, and the values that sort them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarking.io.printable import printable
from benchmarking.predictions.run import Run
from benchmarking.reports.columns import Column, by_name, is_asymmetric, narrow, wide
from benchmarking.reports.records import record
from benchmarking.scoring.table import AccuracyTable, Row
from benchmarking.scoring.verify import Verification


@dataclass(frozen=True)
class Heading:
    """The heading of a column.

    Attributes:
        text: its text.
        left: whether its cells are flush left, as names are.
        descending: whether the first sorting puts the highest value first.
    """

    text: str
    left: bool
    descending: bool


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        text: its text.
        value: the number that sorts it; empty if its text does.
        left: whether it is flush left.
    """

    text: str
    value: str
    left: bool


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Attributes:
        name: short name of the run.
        address: where more is told of its model.
        platform: its platform.
        cells: the other cells.
    """

    name: str
    address: str
    platform: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Grid:
    """The table of an image set.

    Attributes:
        headings: the headings of the cells, after those of the run.
        lines: a line per run, best first.
        platforms: the platforms, sorted.
    """

    headings: Sequence[Heading]
    lines: Sequence[Line]
    platforms: Sequence[str]


def grid(
    table: AccuracyTable,
    names: Sequence[str],
    addresses: Mapping[Run, str],
    verdicts: Mapping[Run, Verification],
) -> Grid:
    """The columns of a table, and the verdict on each run.

    Args:
        table: the table.
        names: short name of each row.
        addresses: where more is told of each run.
        verdicts: comparison of each run with its published accuracy.
    """
    columns = _columns(table)
    columns.append(Column("Verdict", lambda row: verdicts[row.run].verdict.value, (), left=True))
    headings = [
        Heading(printable(column.heading), column.left, _is_descending(column))
        for column in columns
    ]
    lines = [
        Line(name, addresses[row.run], printable(row.platform), _cells(table, row, columns))
        for name, row in zip(names, table.rows, strict=True)
    ]
    return Grid(headings, lines, sorted({line.platform for line in lines}))


def _columns(table: AccuracyTable) -> list[Column]:
    """The columns that a page has room for; name and platform of a run have cells of their own.

    Both ends of the intervals are in the panels, and also here if half of one misrepresents them.
    """
    columns = narrow(table)
    if is_asymmetric(table, columns):
        columns = [column for column in wide(table) if column.heading not in _ELSEWHERE]
    known = by_name(table)
    columns += [known[name] for name in _ALSO if name in known]
    own = dict.fromkeys(column.heading for column in columns)
    return [known[name] for name in own if name not in ("Platform", "Model")]


_ALSO = ("Ranks", "Published", "Difference")
_ELSEWHERE = ("Recipe", "n", "Ranks", "Published", "Difference")


def _is_descending(column: Column) -> bool:
    return any("Acc@" in name or name.startswith("Difference") for name in column.csv[:1])


def _cells(table: AccuracyTable, row: Row, columns: Sequence[Column]) -> list[Cell]:
    values = record(table, row)
    cells = []
    for column in columns:
        value = values.get(column.csv[0]) if column.csv else None
        number = f"{value:.9g}" if isinstance(value, int | float) else ""
        cells.append(Cell(printable(column.cell(row)), number, column.left))
    return cells
