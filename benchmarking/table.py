"""The accuracy table of one image set: scores, intervals, ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarking.provenance import Provenance
from benchmarking.specs import Published, Run
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
    """One run in a table.

    Attributes:
        run: which one.
        provenance: how it was made.
        scores: by column.
        published: what its publishers say of the same weights on the same labels, if anything.
    """

    run: Run
    provenance: Provenance
    scores: Mapping[str, Score]
    published: Published | None = None

    @property
    def platform(self) -> str:
        """The framework; random weights may in no format pass for a model's."""
        random = self.provenance.is_random
        return f"{self.provenance.platform}, random weights" if random else self.provenance.platform


@dataclass(frozen=True)
class Table:
    """Runs on one image set, best first.

    Attributes:
        images: name of the image set.
        n: number of its pictures.
        fingerprint: of the pictures; see `image_sets.fingerprint`.
        columns: names of the scores.
        rows: sorted by the first column, then the others, then the run's name.
        left_out: why runs that cannot be read, or are on other pictures, are not in it.
    """

    images: str
    n: int
    fingerprint: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        """Number of pictures that count, by what stands before "Acc@" in the columns' names."""
        scores = self.rows[0].scores if self.rows else {}
        return {name.partition("Acc@")[0]: score.n for name, score in scores.items()}

    def sorted_by(self, column: str) -> Table:
        """The same table with the best of a column first; equal ones stay as they are."""
        return replace(self, rows=tuple(sorted(self.rows, key=lambda r: r.scores[column].rank)))


def rank_of(column: str) -> str:
    """Name of the rank that belongs to a column of shares.

    >>> rank_of("Acc@5"), rank_of("cAcc@1")
    ('Rank@5', 'cRank@1')
    """
    return column.replace("Acc", "Rank")


@dataclass(frozen=True)
class Counts:
    """How many of n pictures one run got right, by column: (right, n)."""

    run: Run
    provenance: Provenance
    right: Mapping[str, tuple[int, int]]
    published: Published | None = None


def tabulate(counts: Sequence[Counts]) -> tuple[Row, ...]:
    """Rows of runs on the same pictures, best first, with ranks and 95 % intervals."""
    columns = tuple(counts[0].right) if counts else ()
    ranks = {name: competition_ranks([run.right[name][0] for run in counts]) for name in columns}
    rows = [
        Row(run.run, run.provenance, _scores(run, ranks, place), run.published)
        for place, run in enumerate(counts)
    ]
    rows.sort(key=lambda row: (*_worst_last(row.scores.values()), row.run))
    return tuple(rows)


def _scores(run: Counts, ranks: Mapping[str, Sequence[int]], place: int) -> dict[str, Score]:
    return {
        name: Score(right, n, *wilson_interval(right, n), ranks[name][place])
        for name, (right, n) in run.right.items()
    }


def _worst_last(scores: Iterable[Score]) -> tuple[int, ...]:
    return tuple(-score.right for score in scores)
