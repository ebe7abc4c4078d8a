"""Columns of tables: which there are, which are shown, and which one sorts the rows.

A column has a heading for readers, and the names of the columns of a .csv file that have its
values. The narrow table is for a terminal or a page, the wide table has everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

from benchmarking.errors import BenchmarkError
from benchmarking.reports.records import record
from benchmarking.scoring.table import AccuracyTable, Row, Score, rank_of

HALF = "± 95 % CI"
"""What follows the name of an accuracy in a heading if half of its interval is shown."""

SHARES = frozenset(("ECE",))
"""Measures from 0 to 1 that people read in percent, as they read accuracies."""

_ASYMMETRIC = 0.1  # share of half an interval by which its middle may differ from the accuracy

Order = Literal["usual", "reversed", "ascending", "descending"]
"""An order of rows; usual is descending for accuracies and differences, ascending for others."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: its heading.
        cell: its text for a row; accuracies are in percent.
        csv: names of its values in a .csv file; the first one sorts.
        left: whether its cells are flush left, as names are.
    """

    heading: str
    cell: Callable[[Row], str]
    csv: tuple[str, ...]
    left: bool = False


def wide(table: AccuracyTable) -> list[Column]:
    """All columns for readers."""
    placed = any(row.place for row in table.rows)
    compared = any(row.published for row in table.rows)
    return [
        *_names(table),
        *(_with_interval(name) for name in table.columns),
        *(_rank(name, rank_of(name)) for name in table.columns if not table.design),
        *[_TIER, _RANKS] * placed,
        *_sizes(table),
        *[_PUBLISHED, _DIFFERENCE] * compared,
        *_measures(table),
        *_elsewhere(table),
        *_speeds(table),
        *[_STORE] * (len(table.stores) > 1),
    ]


def narrow(table: AccuracyTable) -> list[Column]:
    """The columns that fit a terminal of 80 characters.

    Columns are added if the rows differ in recipe or store, if fewer pictures count than the image
    set has, and for the label sets and measures that the table was asked for.
    """
    *names, recipe = _names(table)
    first = [name for name in table.columns if name.endswith("Acc@1")]
    fewer = any(n != table.n for n in table.sizes.values())
    return [
        *names,
        *[recipe] * (constant_recipe(table) is None),
        *(_with_half(name) if name in first else _accuracy(name) for name in table.columns),
        *(_rank(name, rank_of(name).removesuffix("@1")) for name in first if not table.design),
        *[_TIER] * any(row.place for row in table.rows),
        *_sizes(table) * fewer,
        *_measures(table),
        *[_STORE] * (len(table.stores) > 1),
    ]


def constant_recipe(table: AccuracyTable) -> str | None:
    """The recipe of all runs; None if they have several."""
    recipes = {row.run.recipe for row in table.rows}
    return recipes.pop() if len(recipes) == 1 else None


def shown(
    table: AccuracyTable, default: Callable[[AccuracyTable], list[Column]] = wide
) -> list[Column]:
    """The columns that the table's view selects; a column that the table lacks is empty.

    Args:
        table: the table.
        default: the columns of a format that were not chosen otherwise.
    """
    chosen = table.view.columns
    if isinstance(chosen, tuple):
        known = by_name(table)
        return [known.get(name) or Column(name, lambda _: "", (name,)) for name in chosen]
    return default(table) if chosen == "default" else wide(table)


def by_name(table: AccuracyTable) -> dict[str, Column]:
    """Every column by its headings, then by the names of a .csv file.

    The heading of an accuracy with its interval stands for three columns of a .csv file: the
    accuracy and both ends. Its name, such as Acc@1, stands for one.
    """
    found: dict[str, Column] = {}
    for column in (*narrow(table), *wide(table)):
        found.setdefault(column.heading, column)
    for column in narrow(table):
        found.setdefault(column.csv[0], replace(column, csv=column.csv[:1]))
    for column in wide(table):
        if len(column.csv) == 1:
            found.setdefault(column.csv[0], column)
    for row in table.rows:
        for name in record(table, row):
            if name not in found:
                found[name] = _recorded(table, name)
    return found


def name_of(asked: str, tables: Sequence[AccuracyTable]) -> str:
    """The name of a column; upper and lower case count only if two names differ in nothing else.

    Raises:
        BenchmarkError: no table has such a column, or there are several.
    """
    known = list(dict.fromkeys(name for table in tables for name in by_name(table)))
    if asked in known:
        return asked
    found = [name for name in known if name.casefold() == asked.casefold()]
    if not found:  # such as Acc@5, if there is only ReaL Acc@5
        found = [name for name in known if name.casefold().endswith(f" {asked.casefold()}")]
    if len(found) != 1:
        close = get_close_matches(asked, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise BenchmarkError(
            f"there is no column {asked!r}.{hint} There are {', '.join(known)}."
            if not found
            else f"{asked!r} may mean {' or '.join(found)}; write one of them."
        )
    return found[0]


def sorted_by(table: AccuracyTable, name: str, order: Order = "usual") -> AccuracyTable:
    """The table with its rows sorted by a column; rows with equal values keep their order.

    Rows without a value are last in every order. Ranks and tiers do not change.
    """
    column = by_name(table).get(name)
    if column is None:
        return table
    key = column.csv[0]
    values = [(record(table, row).get(key), row) for row in table.rows]
    known = [(value, row) for value, row in values if value is not None]
    high_first = "Acc@" in key or key.startswith(("Published@", "Difference@"))
    descending = {"usual": high_first, "reversed": not high_first, "ascending": False}
    known.sort(key=lambda found: _sortable(found[0]), reverse=descending.get(order, True))
    rows = [row for _, row in known] + [row for value, row in values if value is None]
    return replace(table, rows=tuple(rows))


def lines(tables: Iterable[AccuracyTable]) -> list[Mapping[str, object]]:
    """A line of named values per row, of the columns of a .csv file that the views select.

    Without a choice, a line has only the values of its own table.
    """
    found: list[Mapping[str, object]] = []
    for table in tables:
        records = [record(table, row) for row in table.rows]
        if isinstance(table.view.columns, tuple):
            names = dict.fromkeys(name for column in shown(table) for name in column.csv)
            records = [{name: line.get(name) for name in names} for line in records]
        found += records
    return found


def is_asymmetric(table: AccuracyTable, columns: Iterable[Column]) -> bool:
    """Whether half of an interval, as these columns show it, misrepresents both of its ends."""
    shown_halves = {column.csv[0] for column in columns if column.heading.endswith(HALF)}
    scores = [row.scores[name] for row in table.rows for name in shown_halves if name in row.scores]
    return any(
        abs(score.low + score.high - 2 * score.share) > _ASYMMETRIC * (score.high - score.low)
        for score in scores
    )


def _names(table: AccuracyTable) -> list[Column]:
    """Platform, model and recipe; the model with its source if the others do not identify it.

    A checkpoint always has it, as it can have the name of a model with published weights.
    """
    sources = {(row.platform, row.run.model, row.run.recipe, row.run.source) for row in table.rows}
    titles = Counter(title[:3] for title in sources)

    def model(row: Row) -> str:
        run = row.run
        alone = titles[row.platform, run.model, run.recipe] == 1
        is_checkpoint = "architecture" in row.provenance.weights
        return run.model if alone and not is_checkpoint else f"{run.source}/{run.model}"

    return [
        Column("Platform", lambda row: row.platform, ("Platform",), left=True),
        Column("Model", model, ("Model",), left=True),
        Column("Recipe", lambda row: row.run.recipe, ("Recipe",), left=True),
    ]


def _of_score(name: str, text: Callable[[Score], str]) -> Callable[[Row], str]:
    """The cell of a score, which is empty if a run has too few guesses per picture for it."""

    def cell(row: Row) -> str:
        score = row.scores.get(name)
        return text(score) if score else ""

    return cell


def _accuracy(name: str) -> Column:
    return Column(name, _of_score(name, lambda score: f"{100 * score.share:.2f}"), (name,))


def _with_interval(name: str) -> Column:
    def text(score: Score) -> str:
        return f"{100 * score.share:.2f} [{100 * score.low:.2f}, {100 * score.high:.2f}]"

    return Column(
        f"{name} [95 % interval]", _of_score(name, text), (name, f"{name} low", f"{name} high")
    )


def _with_half(name: str) -> Column:
    def text(score: Score) -> str:
        return f"{100 * score.share:.2f} ± {50 * (score.high - score.low):.2f}"

    return Column(f"{name} {HALF}", _of_score(name, text), (name, f"{name} low", f"{name} high"))


def _rank(name: str, heading: str) -> Column:
    return Column(heading, _of_score(name, lambda score: str(score.rank or "")), (rank_of(name),))


def _sizes(table: AccuracyTable) -> list[Column]:
    return [_size(f"{prefix}n", str(n)) for prefix, n in table.sizes.items()]


def _size(name: str, n: str) -> Column:
    return Column(name, lambda _: n, (name,))


def _measures(table: AccuracyTable) -> list[Column]:
    names = dict.fromkeys(name for row in table.rows for name in row.measures)
    return [_measure(name) for name in names]


def _measure(name: str) -> Column:
    def cell(row: Row) -> str:
        value = row.measures.get(name)
        if value is None:
            return ""
        return f"{100 * value:.1f}" if name in SHARES else f"{value:.4f}"

    return Column(f"{name} [%]" if name in SHARES else name, cell, (name,))


def _elsewhere(table: AccuracyTable) -> list[Column]:
    names = dict.fromkeys(name for row in table.rows for name in row.elsewhere)
    return [_other_set(name) for name in names]


def _other_set(name: str) -> Column:
    def cell(row: Row) -> str:
        score = row.elsewhere.get(name)
        return f"{100 * score.share:.2f}" if score else ""

    return Column(name, cell, (name,))


def _speeds(table: AccuracyTable) -> list[Column]:
    """Measured speed, by name: latencies, memory, then throughputs."""
    return [_speed(name) for name in sorted({name for row in table.rows for name in row.speed})]


def _speed(name: str) -> Column:
    def cell(row: Row) -> str:
        value = row.speed.get(name)
        if value is None:
            return ""
        return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"

    return Column(name, cell, (name,))


def _recorded(table: AccuracyTable, name: str) -> Column:
    """A column that only a .csv file has by itself; its fractions are shown in percent."""

    def cell(row: Row) -> str:
        value = record(table, row).get(name)
        if isinstance(value, float):
            return f"{100 * value:.2f}"
        return "" if value is None else str(value)

    values = [record(table, row).get(name) for row in table.rows]
    return Column(name, cell, (name,), left=any(isinstance(value, str) for value in values))


def _ranks(row: Row) -> str:
    return f"{row.place.best}-{row.place.worst}" if row.place else ""


def _published(row: Row) -> str:
    return f"{row.published.acc1:.2f}" if row.published and "Acc@1" in row.scores else ""


def _difference(row: Row) -> str:
    if row.published is None or "Acc@1" not in row.scores:
        return ""
    return f"{100 * row.scores['Acc@1'].share - row.published.acc1:+.2f}"


def _sortable(value: object) -> float | str:
    return value.casefold() if isinstance(value, str) else float(value)  # type: ignore[arg-type]


_STORE = Column("Store", lambda row: row.store, ("Store",), left=True)
_TIER = Column("Tier", lambda row: str(row.place.tier) if row.place else "", ("Tier",))
_RANKS = Column("Ranks", _ranks, ("Rank from", "Rank to"))
_PUBLISHED = Column("Published", _published, ("Published@1",))
_DIFFERENCE = Column("Difference", _difference, ("Difference@1",))
