"""Accuracies as bars of characters: a line for the interval, and a point for the accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.reports.columns import Column
from benchmarking.scoring.table import AccuracyTable, Row, Score

LEAST, MOST = 16, 40
"""Smallest and largest number of characters of a bar."""

_DRAWN, _PLAIN = "─●", "-o"  # of a line and of a point; the second are for an encoding without them


def bar_column(table: AccuracyTable, length: int, encoding: str) -> Column:
    """A column with a bar for the first accuracy of each run; its heading has both ends.

    Args:
        table: the table.
        length: number of characters of a bar, at least LEAST.
        encoding: encoding of the text.
    """
    name = table.columns[0]
    scores = [row.scores[name] for row in table.rows if name in row.scores]
    low = min((score.low for score in scores), default=0.0)
    high = max((score.high for score in scores), default=1.0)
    characters = _DRAWN if _can_write(_DRAWN, encoding) else _PLAIN

    def cell(row: Row) -> str:
        score = row.scores.get(name)
        return _bar(score, low, high, length, characters) if score else ""

    ends = f"{100 * low:.1f}", f"{100 * high:.1f}"
    middle = f" {name} ".center(length - len(ends[0]) - len(ends[1]))
    return Column(f"{ends[0]}{middle}{ends[1]}", cell, (), left=True)


def _bar(score: Score, low: float, high: float, length: int, characters: Sequence[str]) -> str:
    """A bar from the lower to the upper end of the interval.

    >>> _bar(Score(50, 100, 0.4, 0.6, 1), 0.0, 1.0, 11, "-o")
    '    -o-'
    """
    ends = (score.low, score.share, score.high)
    first, point, last = (round((end - low) / (high - low) * (length - 1)) for end in ends)
    line, dot = characters
    return " " * first + line * (point - first) + dot + line * (last - point)


def _can_write(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
