r"""Tables in LaTeX, for \input; the preamble needs \usepackage{booktabs}."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from benchmarking import __version__
from benchmarking.io.names import UNKNOWN
from benchmarking.io.printable import printable
from benchmarking.reports.cells import caption, cells
from benchmarking.reports.columns import (
    HALF,
    Column,
    constant_recipe,
    is_asymmetric,
    narrow,
    shown,
)
from benchmarking.reports.latex_text import escaped
from benchmarking.scoring.table import AccuracyTable

NAME = "latex"
SUFFIX = ".tex"


def render(tables: Sequence[AccuracyTable]) -> str:
    """Each table as a float with caption and label, after comments that say how it was made."""
    labels: dict[str, None] = {}
    texts = []
    for table in tables:
        if table.view.columns == "2019":
            texts.append(f"% {caption(table)}\n{_tabular(table, shown(table))}")
        else:
            labels[label := _label(table, labels)] = None
            texts.append(_one(table, label))
    return "\n".join(texts)


def _one(table: AccuracyTable, label: str) -> str:
    columns = [column for column in shown(table, narrow) if _is_for_papers(column, table)]
    sentences = " ".join(_caption(table, columns))
    return (
        "".join(f"% {printable(line)}\n" for line in _provenance(table))
        + "\\begin{table}\n\\centering\n"
        + f"\\caption{{{sentences}}}\n\\label{{{label}}}\n"
        + f"{_tabular(table, columns)}\\end{{table}}\n"
    )


def _is_for_papers(column: Column, table: AccuracyTable) -> bool:
    """Whether a column is shown: stores only if they were asked for, or tell rows apart."""
    rows = {(row.platform, row.run.source, row.run.model, row.run.recipe) for row in table.rows}
    is_asked = isinstance(table.view.columns, tuple) or len(rows) < len(table.rows)
    return is_asked or column.heading != "Store"


def _tabular(table: AccuracyTable, columns: Sequence[Column]) -> str:
    headings, *rows = [" & ".join(map(_cell, line)) + r" \\" for line in cells(table, columns)]
    alignment = "".join("l" if column.left else "r" for column in columns)
    lines = [
        rf"\begin{{tabular}}{{{alignment}}}",
        *(r"\toprule", headings, r"\midrule", *rows, r"\bottomrule"),
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _cell(cell: str) -> str:
    minus = re.sub(r"^-(?=[0-9])", "\N{MINUS SIGN}", cell)
    # Without {}, LaTeX reads these as an argument of the \\ or \midrule in the line above.
    apart = "{}" * minus.startswith(("[", "*"))
    return apart + escaped(minus)


def _caption(table: AccuracyTable, columns: Sequence[Column]) -> Iterator[str]:
    """Sentences about the numbers, each only if its column is shown."""
    headings = [column.heading for column in columns]
    subset = f", {table.subset}" if table.subset else ""
    counted = sorted(set(table.sizes.values()))
    fewer = [f"{n:,} of " for n in counted if n != table.n] if len(counted) == 1 else []
    pictures = f"{''.join(fewer)}{table.n:,} pictures"
    if table.design:
        pictures = table.design.in_words
    where = escaped(f"{table.images} ({pictures}{subset})")
    others = [name for name in table.label_sets if name != "original"]
    labels = f" with {escaped(' and '.join(table.label_sets))} labels" if others else ""
    recipe = constant_recipe(table)
    with_recipe = (
        f" with the recipe {escaped(recipe)}" if recipe and "Recipe" not in headings else ""
    )
    yield f"Accuracy on {where}{labels}{with_recipe}, in percent."
    if any(heading.endswith(HALF) for heading in headings):
        kind = "design-based interval" if table.design else "Wilson interval"
        yield rf"Acc@1 is followed by half of its 95\,\% {kind}."
        if is_asymmetric(table, columns):
            yield "The intervals are not symmetric, because the pictures are few."
    if "Tier" in headings:
        yield (
            f"The models of a tier are not significantly worse in {escaped(table.columns[0])} than "
            r"its best model (exact McNemar test, Holm's adjustment, 5\,\%)."
        )


def _provenance(table: AccuracyTable) -> Iterator[str]:
    """How the table was made; the dates are those of the runs, so that it can be made again."""
    yield f"made by imagenet-benchmarking {__version__}"
    if table.view.command:
        yield f"command: {table.view.command}"
    subset = f", {table.subset}" if table.subset else ""
    yield f"images: {table.images}, {table.n} pictures{subset}"
    yield f"fingerprint: {table.fingerprint}"
    named = zip(_label_sets(table), table.sizes.values(), strict=True)
    sizes = [f"{name}, n = {n}" for name, n in named]
    yield f"labels: {'; '.join(sizes)}"
    yield f"runs: {len(table.rows)}, {_dates(table)}"
    yield from (note for note in table.notes if not note.startswith("note: store "))


def _dates(table: AccuracyTable) -> str:
    """When the runs were started, as far as it was recorded."""
    started = [row.provenance.started[:10] for row in table.rows]
    known = sorted(date for date in started if date not in ("", UNKNOWN))
    if not known:
        return "date not recorded"
    when = f"made {' to '.join(dict.fromkeys((known[0], known[-1])))}"
    unknown = len(started) - len(known)
    return f"{when}; date of {unknown} not recorded" if unknown else when


def _label_sets(table: AccuracyTable) -> Sequence[str]:
    return table.label_sets or [prefix.strip() or "not recorded" for prefix in table.sizes]


def _label(table: AccuracyTable, taken: dict[str, None]) -> str:
    r"""A name for \ref that no other table of the file has."""
    others = [name for name in table.label_sets if name != "original"]
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", "-".join([table.images, *others]))
    number, label = 1, f"tab:{plain}"
    while label in taken:
        number += 1
        label = f"tab:{plain}-{number}"
    return label
