"""The accuracy table of one image set: scores, intervals, ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarking.models.spec import Published
from benchmarking.pictures.design import Design
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.run import Run
from benchmarking.predictions.stored_run import place_of
from benchmarking.scoring.estimates import Estimate
from benchmarking.scoring.statistics import (
    competition_ranks,
    only_right,
    pairwise_tests,
    rank_ranges,
    rank_tiers,
    wilson_interval,
)

LEVEL = 0.05
"""Significance level."""

MOST_PLACED = 2_000
"""Largest number of runs for which a table has the uncertainty of ranks."""


@dataclass(frozen=True)
class Score:
    """A share of pictures, with its confidence interval and its rank in the table.

    Attributes:
        right: number of pictures that count as right.
        n: number of pictures.
        low: lower end of the 95 % Wilson interval, in [0, 1].
        high: upper end.
        rank: 1 is best; equal shares have equal ranks (1, 2, 2, 4). None for an estimate.
    """

    right: int
    n: int
    low: float
    high: float
    rank: int | None

    @property
    def share(self) -> float:
        """The measured proportion, in [0, 1]."""
        return self.right / self.n


@dataclass(frozen=True)
class EstimatedScore(Score):
    """A share of all pictures, estimated from a sample; it has no rank.

    Attributes:
        estimate: the estimate, in [0, 1]; right / n is the share within the sample, whose
            difficult pictures are too many.
        of: number of all pictures.
    """

    estimate: float
    of: int

    @property
    def share(self) -> float:
        """The estimate, in [0, 1]."""
        return self.estimate


@dataclass(frozen=True)
class Place:
    """Uncertainty of a rank, by exact McNemar tests of all pairs, Holm-adjusted, at 5 %.

    Attributes:
        tier: from 1; a new tier starts at the first model significantly worse than the tier's
            first.
        best: best plausible rank: one more than the number of significantly better models.
        worst: worst plausible rank: the number of models minus the significantly worse ones.
    """

    tier: int
    best: int
    worst: int


@dataclass(frozen=True)
class Row:
    """One run in a table.

    Attributes:
        run: the run.
        provenance: how it was made.
        scores: its scores by column; a run with too few guesses per picture lacks some.
        published: published accuracy of the same weights on the same labels, if there is one.
        place: uncertainty of its rank by the column that sorts the table; None if there are more
            than MOST_PLACED runs.
        measures: other numbers, by name.
        elsewhere: scores of the same model on other image sets, by name; see `side_by_side`.
        speed: measured speed by name, with its unit; see `scoring.measured_speed`.
    """

    run: Run
    provenance: Provenance
    scores: Mapping[str, Score]
    published: Published | None = None
    place: Place | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    elsewhere: Mapping[str, Score] = field(default_factory=dict)
    speed: Mapping[str, float] = field(default_factory=dict)

    @property
    def store(self) -> str:
        """Name of its store, if several stores are read; else empty."""
        return place_of(self.run)

    @property
    def platform(self) -> str:
        """The framework, with a mark for random weights that every output format shows."""
        random = self.provenance.is_random
        return f"{self.provenance.platform}, random weights" if random else self.provenance.platform


@dataclass(frozen=True)
class View:
    """How a table is shown; it changes no number.

    Attributes:
        columns: names of the columns to show, in this order; see `reports.columns`. "default"
            stands for the choice of each output format, "wide" for all columns, and "2019" for all
            columns in the layout of `imagenet_benchmarking.py`.
        command: the command that made the table; empty if it was made in Python.
    """

    columns: tuple[str, ...] | Literal["default", "wide", "2019"] = "default"
    command: str = ""


@dataclass(frozen=True)
class AccuracyTable:
    """Runs on one image set, best first.

    Attributes:
        images: name of the image set.
        n: number of its pictures.
        fingerprint: fingerprint of the pictures; see `pictures.image_set.fingerprint`.
        columns: names of the scores.
        rows: the rows, best first.
        left_out: why runs are left out: they cannot be read, or are on other pictures.
        subset: description of the pictures that count; empty for all.
        notes: lines to show with the table; each starts with "note: " or "warning: ".
        label_sets: names of the label sets, in the order of the columns; "original" stands for the
            classes that are stored with the image set, and "given" for others without a name.
        view: how it is shown.
    """

    images: str
    n: int
    fingerprint: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = ()
    subset: str = ""
    notes: tuple[str, ...] = ()
    label_sets: tuple[str, ...] = ()
    view: View = View()

    @property
    def stores(self) -> list[str]:
        """Names of the stores of its rows, sorted; empty if only one store is read."""
        return sorted({row.store for row in self.rows if row.store})

    @property
    def design(self) -> Design | None:
        """How the pictures were drawn, if the scores are estimates; None if they are complete."""
        return self.rows[0].provenance.design if self.rows else None

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Number of pictures that count, by the prefix before "Acc@" in the columns' names."""
        found = [
            (name, row.scores[name])
            for name in self.columns
            for row in self.rows
            if name in row.scores
        ]
        return {name.partition("Acc@")[0]: score.n for name, score in found}


def rank_of(column: str) -> str:
    """Name of the rank that belongs to a column of shares.

    >>> rank_of("Acc@5"), rank_of("cAcc@1")
    ('Rank@5', 'cRank@1')
    """
    return column.replace("Acc", "Rank")


@dataclass(frozen=True)
class Counts:
    """The pictures that one run got right.

    Attributes:
        run: the run.
        provenance: how it was made.
        right: number of pictures that it got right and number of pictures, by column; without
            the columns for which it has too few guesses.
        hits: which pictures it got right in the column that sorts the table, as packed bits.
        estimates: estimates of the shares of all pictures by column, if its pictures are a sample.
        published: see `Row`.
        measures: see `Row`.
    """

    run: Run
    provenance: Provenance
    right: Mapping[str, tuple[int, int]]
    hits: NDArray[np.uint8]
    published: Published | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    estimates: Mapping[str, Estimate] = field(default_factory=dict)

    def share(self, column: str) -> float:
        """The share of pictures that it gets right, measured or estimated; -1 if unknown."""
        if column in self.estimates:
            return self.estimates[column].value
        right, n = self.right.get(column, (-1, 1))
        return right / n


def tabulate(counts: Sequence[Counts], sorted_by: str) -> tuple[Row, ...]:
    """Rows of runs on the same pictures, with ranks and 95 % intervals.

    They are sorted by one column, then by the others, then by the run's name.
    """
    columns = list(dict.fromkeys([sorted_by, *(name for run in counts for name in run.right)]))
    ranks = {name: _ranks(counts, name) for name in columns}
    best_first = sorted(
        enumerate(counts),
        key=lambda found: (*(ranks[name][found[0]] for name in columns), found[1].run),
    )
    places = _places([run for _, run in best_first], sorted_by)
    return tuple(
        Row(
            run.run,
            run.provenance,
            _scores(run, ranks, number),
            run.published,
            place,
            run.measures,
        )
        for (number, run), place in zip(best_first, places, strict=True)
    )


def _ranks(counts: Sequence[Counts], column: str) -> Sequence[int]:
    """Rank of each run by a column; a run without a score gets the rank after all others."""
    return competition_ranks([run.share(column) for run in counts])


def _places(best_first: Sequence[Counts], sorted_by: str) -> Sequence[Place | None]:
    """Uncertainty of each rank.

    None for many runs, as the cost is quadratic in their number, and for estimates, to which the
    test does not apply.
    """
    if not best_first or len(best_first) > MOST_PLACED or best_first[0].estimates:
        return [None] * len(best_first)
    hits = np.stack([run.hits for run in best_first])
    different = pairwise_tests(only_right(hits)) < LEVEL
    ranges = rank_ranges(different)
    tiers = rank_tiers(different)
    return [Place(tier, *ends) for tier, ends in zip(tiers, ranges, strict=True)]


def _scores(run: Counts, ranks: Mapping[str, Sequence[int]], place: int) -> dict[str, Score]:
    found: dict[str, Score] = {}
    for name, (right, n) in run.right.items():
        if run.estimates:
            one, design = run.estimates[name], run.provenance.design
            of = design.of if design else n
            found[name] = EstimatedScore(right, n, one.low, one.high, None, one.value, of)
        else:
            found[name] = Score(right, n, *wilson_interval(right, n), ranks[name][place])
    return found
