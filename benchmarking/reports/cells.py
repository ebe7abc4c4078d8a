"""Tables as cells of text: headings, then a line per run."""

from __future__ import annotations

from collections import Counter

from benchmarking.io.printable import printable
from benchmarking.scoring.table import AccuracyTable, Row, Score, rank_of

SHARES = frozenset(("ECE",))
"""Measures from 0 to 1 that people read in percent, as they read accuracies."""


def cells(table: AccuracyTable) -> list[list[str]]:
    """A table as text: a line of headings, then a line per run; scores and ECE in percent.

    If any published accuracy is known, there are columns for it and for the measured acc@1 minus
    the published one.
    """
    headings = ["Platform", "Model", "Recipe"]
    headings += [f"{name} [95 % interval]" for name in table.columns]
    headings += [rank_of(name) for name in table.columns]
    placed = any(row.place for row in table.rows)
    compared = any(row.published for row in table.rows)
    measures = list(dict.fromkeys(name for row in table.rows for name in row.measures))
    headings += ["Tier", "Ranks"] * placed + [f"{prefix}n" for prefix in table.sizes]
    titles_of_measures = [f"{name} [%]" if name in SHARES else name for name in measures]
    lines = [headings + ["Published", "Difference"] * compared + titles_of_measures]
    lines[0] += ["Store"] * (len(table.stores) > 1)
    sources = {(row.platform, row.run.model, row.run.recipe, row.run.source) for row in table.rows}
    titles = Counter(title[:3] for title in sources)
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
            + [_measure(name, row.measures.get(name)) for name in measures]
            + [row.store] * (len(table.stores) > 1)
        )
    return lines


def caption(table: AccuracyTable) -> str:
    """Caption of a table: image set, size and fingerprint."""
    subset = f", {table.subset}" if table.subset else ""
    text = f"{table.images}, {table.n} pictures{subset}, fingerprint {table.fingerprint[:12]}"
    text += f", store {table.stores[0]}" if len(table.stores) == 1 else ""
    return printable(text)


def _place(row: Row) -> list[str]:
    if row.place is None:
        return ["", ""]
    return [str(row.place.tier), f"{row.place.best}-{row.place.worst}"]


def _published(row: Row) -> list[str]:
    reference, score = row.published, row.scores.get("Acc@1")
    if reference is None or score is None:
        return ["", ""]
    return [f"{reference.acc1:.2f}", f"{100 * score.share - reference.acc1:+.2f}"]


def _measure(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{100 * value:.1f}" if name in SHARES else f"{value:.4f}"


def _percent(score: Score) -> str:
    return f"{100 * score.share:.2f} [{100 * score.low:.2f}, {100 * score.high:.2f}]"
