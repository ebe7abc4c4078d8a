"""Rows of tables as named values, for programs: the columns of 2019, then new ones."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarking.scoring.table import AccuracyTable, Row, rank_of


def record(table: AccuracyTable, row: Row) -> Mapping[str, object]:
    """All values of a row by name, with shares in [0, 1] as in 2019.

    Unknown values are absent, or None.
    """
    run, scores = row.run, row.scores
    line: dict[str, object] = {"Platform": row.platform, "Model": run.model}
    found = {name: scores.get(name) for name in table.columns}
    line |= {name: score and score.share for name, score in found.items()}
    line |= {rank_of(name): score and score.rank for name, score in found.items()}
    line |= {"Source": run.source, "Recipe": run.recipe, "Images": run.images}
    for name, score in scores.items():
        line |= {f"{name} low": score.low, f"{name} high": score.high}
    line |= {f"{prefix}n": n for prefix, n in table.sizes.items()}
    line |= {"All pictures": table.design.of} if table.design else {}
    line |= {"Fingerprint": row.provenance.fingerprint}
    if row.place:
        line |= {"Tier": row.place.tier, "Rank from": row.place.best, "Rank to": row.place.worst}
    line |= {"Subset": table.subset} if table.subset else {}
    line |= {"Store": row.store} if row.store else {}
    line |= row.measures
    line |= {name: score.share for name, score in row.elsewhere.items()}
    line |= row.speed
    line |= _published(row)
    return line


def _published(row: Row) -> Mapping[str, object]:
    """Published accuracies, and the measured ones minus these."""
    if row.published is None:
        return {}
    line: dict[str, object] = {}
    for k, reference in ((1, row.published.acc1), (5, row.published.acc5)):
        if reference is not None and (score := row.scores.get(f"Acc@{k}")):
            line[f"Published@{k}"] = round(reference / 100, 7)
            line[f"Difference@{k}"] = round(score.share - reference / 100, 7)
    return line
