"""Tables as comma-separated values, one line per run, full precision."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from benchmarking.table import Table, rank_of

NAME = "csv"
SUFFIX = ".csv"


def render(tables: Sequence[Table]) -> str:
    """All tables under one line of headings; scores in percent."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = tables[0].columns if tables else ()
    scores = [
        heading
        for name in columns
        for heading in (name, f"{name} low", f"{name} high", rank_of(name))
    ]
    writer.writerow(
        ["Images", "Platform", "Source", "Model", "Recipe", *scores, "n", "Fingerprint"]
    )
    for table in tables:
        for row in table.rows:
            run = row.run
            cells: list[str | int] = [run.images, row.platform, run.source, run.model, run.recipe]
            for name in columns:
                score = row.scores[name]
                shares = (score.share, score.low, score.high)
                cells += [*(f"{100 * share:.4f}" for share in shares), score.rank]
            writer.writerow([*cells, table.n, table.fingerprint])
    return text.getvalue()
