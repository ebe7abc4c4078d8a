"""Options of 'table' that select its rows and columns, and sort it."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarking.cli.arguments import positive
from benchmarking.cli.options import add_selection

if TYPE_CHECKING:
    from benchmarking.predictions.run import Run
    from benchmarking.predictions.stores import Stores
    from benchmarking.reports.columns import Order
    from benchmarking.scoring.table import AccuracyTable

_ORDERS: dict[str, Order] = {"asc": "ascending", "desc": "descending"}


def add_view(parser: argparse.ArgumentParser) -> None:
    """Add --images, --models and --recipe, then --wide, --columns, --sort and --top."""
    add_selection(parser)
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--wide",
        action="store_true",
        help="show all columns on the terminal and in .txt and .tex files; other formats have them "
        "anyway",
    )
    shown.add_argument(
        "--columns",
        nargs="+",
        metavar="NAME",
        help="show these columns in this order; names are separated by blanks or commas, and are "
        "headings of a table or of the .csv file. An unknown name lists all columns",
    )
    parser.add_argument(
        "--sort",
        metavar="COLUMN",
        help="sort by this column: accuracies and differences from high to low, others from low to "
        "high. --sort=-COLUMN reverses this; COLUMN:asc or COLUMN:desc gives the order. Rows "
        "without a value come last. The ranks and tiers do not change",
    )
    parser.add_argument(
        "--top",
        type=positive,
        metavar="N",
        help="show only the first N rows; their ranks and tiers are those among all rows",
    )


def selected_runs(args: argparse.Namespace, stores: Stores) -> dict[str, list[Run]] | None:
    """The runs that --models and --recipe select, by image set; None if all are meant.

    Raises:
        StoreError: one of the names has no run.
    """
    from benchmarking.predictions.selection import runs_by_images

    if not (args.models or args.recipe):
        return None
    return runs_by_images(stores, args.models or (), images=args.images, recipe=args.recipe)


def as_asked(args: argparse.Namespace, tables: Sequence[AccuracyTable]) -> list[AccuracyTable]:
    """The tables with the columns, the order and the notes that the arguments ask for.

    Raises:
        BenchmarkError: no table has a column that was named.
    """
    from benchmarking.reports.columns import sorted_by
    from benchmarking.scoring.table import View

    columns = _columns(args, tables)
    view = View(columns, _command(args.arguments))
    found = [replace(table, view=view) for table in tables]
    if args.sort is not None:
        name, order = _order(args.sort, found)
        found = [sorted_by(table, name, order) for table in found]
    found = [replace(table, notes=(*table.notes, *_selection(args, table))) for table in found]
    return [replace(table, rows=table.rows[: args.top]) for table in found]


def _command(arguments: Sequence[str]) -> str:
    """The command line, with absolute paths shortened to their last part."""

    def shortened(text: str) -> str:
        return Path(text).name or text if Path(text).is_absolute() else text

    parts = (argument.partition("=") for argument in arguments)
    words = (f"{shortened(name)}{sign}{shortened(value)}" for name, sign, value in parts)
    return shlex.join(["imagenet-benchmark", *words])


def asymmetric_intervals(tables: Sequence[AccuracyTable]) -> Iterator[str]:
    """A note of the tables in which half of an interval says too little."""
    from benchmarking.reports.columns import is_asymmetric, narrow, shown

    found = [table.images for table in tables if is_asymmetric(table, shown(table, narrow))]
    if found:
        sets = ", ".join(dict.fromkeys(found))
        yield f"note: the intervals on {sets} are not symmetric; see --wide"


def _columns(
    args: argparse.Namespace, tables: Sequence[AccuracyTable]
) -> tuple[str, ...] | Literal["default", "wide"]:
    from benchmarking.errors import BenchmarkError
    from benchmarking.reports.columns import by_name, name_of

    if not args.columns:
        return "wide" if args.wide else "default"
    known = {name for table in tables for name in by_name(table)}
    parts = [
        part.strip()
        for word in args.columns
        for part in ([word] if word in known else word.split(","))
    ]
    names = dict.fromkeys(name_of(part, tables) for part in parts if part)
    if not names:
        raise BenchmarkError("--columns names no column.")
    return tuple(names)


def _order(text: str, tables: Sequence[AccuracyTable]) -> tuple[str, Order]:
    """The column and the order that --sort names."""
    from benchmarking.reports.columns import name_of

    name, colon, suffix = text.rpartition(":")
    if colon and suffix.lower() in _ORDERS:
        return name_of(name, tables), _ORDERS[suffix.lower()]
    if text.startswith("-"):
        return name_of(text[1:], tables), "reversed"
    return name_of(text, tables), "usual"


def _selection(args: argparse.Namespace, table: AccuracyTable) -> Iterator[str]:
    """What ranks and tiers are about if runs were selected."""
    if args.models or args.recipe:
        n = len(table.rows)
        runs = f"the {n} runs" if n > 1 else "the only run"
        yield f"note: {table.images}: ranks and tiers are among {runs} selected"
