"""The accuracy table of one image set: scores, intervals, ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarking.specs import Run
from benchmarking.statistics import competition_ranks, wilson_interval


@dataclass(frozen=True)
class Score:
    """A share of pictures, how sure it is, and its place in the table.

    Attributes:
        right: number of pictures that count as right.
        n: number of pictures.
        low: lower end of the 95 % Wilson interval, in [0, 1].
        high: upper end.
        rank: 1 is best; equal shares have equal ranks (1, 2, 2, 4).
    """

    right: int
    n: int
    low: float
    high: float
    rank: int

    @property
    def share(self) -> float:
        """The measured proportion, in [0, 1]."""
        return self.right / self.n


@dataclass(frozen=True)
class Row:
    """One run's scores, by column."""

    run: Run
    platform: str
    scores: Mapping[str, Score]


@dataclass(frozen=True)
class Table:
    """Runs on one image set, best first.

    Attributes:
        images: name of the image set.
        n: number of pictures.
        fingerprint: of the pictures; see `image_sets.fingerprint`.
        columns: names of the scores, the one that sorts the table first.
        rows: sorted by the first column, then the others, then the run's name.
    """

    images: str
    n: int
    fingerprint: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def rank_of(column: str) -> str:
    """Name of the rank that belongs to a column of shares.

    >>> rank_of("Acc@5")
    'Rank@5'
    """
    return f"Rank{column[column.find('@') :]}"


@dataclass(frozen=True)
class Counts:
    """How many pictures one run got right, by column."""

    run: Run
    platform: str
    right: Mapping[str, int]


def tabulate(images: str, n: int, fingerprint: str, counts: Sequence[Counts]) -> Table:
    """Rank runs on the same n pictures, with a 95 % interval for every share."""
    columns = tuple(counts[0].right) if counts else ()
    ranks = {name: competition_ranks([run.right[name] for run in counts]) for name in columns}
    rows = [
        Row(
            run.run,
            run.platform,
            {
                name: Score(right, n, *wilson_interval(right, n), ranks[name][position])
                for name, right in run.right.items()
            },
        )
        for position, run in enumerate(counts)
    ]
    rows.sort(key=lambda row: (*(-row.scores[name].right for name in columns), row.run))
    return Table(images, n, fingerprint, columns, tuple(rows))
