"""Tables as JSON; each run has its complete provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarking import __version__
from benchmarking.reports.columns import lines
from benchmarking.scoring.table import AccuracyTable, Row, Score

NAME = "json"
SUFFIX = ".json"


def render(tables: Sequence[AccuracyTable]) -> str:
    """A document with a list of tables; shares in [0, 1], published accuracies in percent.

    If columns were chosen, each row has only these, with the names and shares of a .csv file.
    """
    document = {
        "made_by": f"imagenet-benchmarking {__version__}",
        "tables": list(map(_one, tables)),
    }
    return json.dumps(document, indent=1) + "\n"


def _one(table: AccuracyTable) -> dict[str, Any]:
    return {
        "images": table.images,
        "n": table.n,
        "subset": table.subset,
        "fingerprint": table.fingerprint,
        "columns": table.columns,
        "rows": _rows(table),
        "left_out": table.left_out,
        "notes": table.notes,
    }


def _rows(table: AccuracyTable) -> list[Any]:
    chosen = isinstance(table.view.columns, tuple)
    return list(lines([table])) if chosen else [_row(row) for row in table.rows]


def _row(row: Row) -> dict[str, Any]:
    return {
        **{"source": row.run.source, "model": row.run.model, "recipe": row.run.recipe},
        **({"store": row.store} if row.store else {}),
        "platform": row.platform,
        "scores": _scores(row.scores),
        "place": asdict(row.place) if row.place else None,
        "measures": row.measures,
        **({"elsewhere": _scores(row.elsewhere)} if row.elsewhere else {}),
        **({"speed": row.speed} if row.speed else {}),
        "published": _published(row),
        "provenance": asdict(row.provenance),
    }


def _scores(scores: Mapping[str, Score]) -> dict[str, Any]:
    return {name: {"share": score.share, **asdict(score)} for name, score in scores.items()}


def _published(row: Row) -> dict[str, Any] | None:
    """The published accuracy; its caveat only if it has one."""
    if row.published is None:
        return None
    found = asdict(row.published)
    return found if row.published.caveat else {n: v for n, v in found.items() if n != "caveat"}
