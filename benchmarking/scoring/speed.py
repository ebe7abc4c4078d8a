"""What rounds of measured times say: medians, percentiles and ratios, with their intervals.

The calls of one process share its luck: where its memory lies, what else the machine does. So the
round is the unit. Each round counts with the median of its calls, and an interval comes from
resampling rounds, not calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.predictions.speed_runs import Answers, Round

FEWEST_ROUNDS = 6
"""Rounds below which no interval of a median can contain the truth 95 times in 100.

The interval cannot be wider than all rounds, which miss it with probability 2 ** (1 - n).
"""

NOISY = 0.05
"""Uncertainty of an A/A ratio from which the machine is called noisy."""

TOLERANCES = {"float32": 1e-5, "tf32": 2e-3, "fp16": 1e-2, "bf16": 5e-2}
"""Largest difference of two probabilities of the same class, by precision.

tf32 and fp16 keep 10 bits of each factor, bf16 keeps 7; float32 keeps 23.
"""

_RESAMPLES = 4000
_SEED = 2017
_PER_TAIL = 10  # calls beyond a percentile, so that it is not the worst one alone


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval.

    Attributes:
        value: the number.
        low: lower end; the same as the number if there is one round.
        high: upper end.
        rounds: number of rounds that it comes from.
    """

    value: float
    low: float
    high: float
    rounds: int

    @property
    def is_certain(self) -> bool:
        """Whether there are enough rounds for the interval to hold in 95 of 100 comparisons."""
        return self.rounds >= FEWEST_ROUNDS

    def scaled(self, factor: float) -> Interval:
        """The interval of a positive multiple of the number."""
        low, high = factor * self.low, factor * self.high
        return Interval(factor * self.value, low, high, self.rounds)


@dataclass(frozen=True)
class Agreement:
    """How far the answers of two sides agree.

    Attributes:
        pictures: number of pictures that both answered.
        same_top5: on how many of them both have the same five classes in the same order.
        difference: largest difference of two probabilities of the same class.
        tolerance: the largest difference that is allowed.
    """

    pictures: int
    same_top5: int
    difference: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether both sides computed the same, so that their times can be compared.

        In float32 all classes must be the same, in lower precision those of which one is not
        within the tolerance of the next.
        """
        same = self.same_top5 == self.pictures or self.tolerance > TOLERANCES["float32"]
        return self.pictures > 0 and same and self.difference <= self.tolerance

    def __str__(self) -> str:
        return (
            f"top-5 the same on {self.same_top5} of {self.pictures} pictures, "
            f"max |difference| {self.difference:.1e} (allowed {self.tolerance:.0e})"
        )


def medians(rounds: Sequence[Round]) -> NDArray[np.float64]:
    """The median time of each round's calls, in seconds.

    Raises:
        BenchmarkError: a round has no timed call.
    """
    for one in rounds:
        if not one.measured.times:
            raise BenchmarkError(f"round {one.number} has no timed call; measure it again.")
    return np.array([float(np.median(one.measured.times)) for one in rounds])


def median_time(rounds: Sequence[Round]) -> Interval:
    """The median over rounds of their median times, in seconds per call."""
    return _median(medians(rounds))


def median_of(values: Sequence[float]) -> Interval:
    """The median of one value per round, such as the time of an import, with its interval."""
    return _median(np.asarray(values, dtype=np.float64))


def percentile(rounds: Sequence[Round], share: float) -> float | None:
    """A percentile of the times of all calls; None if too few calls are beyond it.

    Args:
        rounds: the rounds.
        share: for example 0.99 for p99.
    """
    times = np.concatenate([one.measured.times for one in rounds])
    if len(times) * (1 - share) < _PER_TAIL - 1e-9:
        return None
    return float(np.quantile(times, share))


def ratio(first: Sequence[Round], second: Sequence[Round]) -> Interval:
    """The time of the first side divided by that of the second, paired by round.

    Both sides of a pair ran one after the other, so what changes slowly cancels. Swapped sides
    give the reciprocal.

    Raises:
        BenchmarkError: no round number is in both.
    """
    others = dict(zip((one.number for one in second), medians(second), strict=True))
    pairs = [
        (mine, others[one.number])
        for one, mine in zip(first, medians(first), strict=True)
        if one.number in others
    ]
    if not pairs:
        raise BenchmarkError("the two sides have no round in common; measure both again.")
    logs = _median(np.array([log(mine / other) for mine, other in pairs]))
    return Interval(exp(logs.value), exp(logs.low), exp(logs.high), logs.rounds)


def noise(null: Interval) -> float:
    """How far an A/A ratio may be from one, as a share: 0.02 for 2 %."""
    return max(exp(abs(log(end))) for end in (null.low, null.value, null.high)) - 1


def differs(found: Interval, null: Interval | None) -> bool:
    """Whether a ratio is farther from one than chance and the A/A run allow."""
    bound = log(1 + noise(null)) if null else 0.0
    return log(found.low) > bound or log(found.high) < -bound


def agreement(first: Answers, second: Answers, precision: str) -> Agreement:
    """Compare the answers of two sides to the same pictures.

    A class that only one side has among its five counts with the least probability of the other's
    five, which is the most that it can have there.

    Raises:
        BenchmarkError: they are answers to different pictures.
    """
    if first.pictures != second.pictures:
        raise BenchmarkError("the two sides answered different pictures, so they do not compare.")
    same = sum(one == other for one, other in zip(first.classes, second.classes, strict=True))
    differences = [
        _difference(_by_class(first, row), _by_class(second, row))
        for row in range(len(first.pictures))
    ]
    tolerance = TOLERANCES.get(precision, TOLERANCES["float32"])
    return Agreement(len(first.pictures), same, max(differences, default=0.0), tolerance)


def _by_class(answers: Answers, row: int) -> dict[int, float]:
    return dict(zip(answers.classes[row], answers.probabilities[row], strict=True))


def _difference(first: dict[int, float], second: dict[int, float]) -> float:
    least = min(first.values()), min(second.values())
    pairs = [(first.get(which, least[0]), second.get(which, least[1])) for which in first | second]
    return max(abs(one - other) for one, other in pairs)


def _median(values: NDArray[np.float64]) -> Interval:
    """The median of one value per round, with a percentile bootstrap interval over rounds.

    The percentiles are moved outwards as few values need it: T. C. Hesterberg (2015), What
    teachers should know about the bootstrap, The American Statistician 69(4), section 3.3.
    """
    n, value = len(values), float(np.median(values))
    if n == 1:
        return Interval(value, value, value, 1)
    rows = np.random.default_rng(_SEED).integers(0, n, (_RESAMPLES, n))
    tail = NormalDist().cdf(-sqrt(n / (n - 1)) * _t_quantile(n - 1))
    low, high = np.quantile(np.median(values[rows], axis=1), [tail, 1 - tail])
    return Interval(value, min(float(low), value), max(float(high), value), n)


def _t_quantile(degrees: int) -> float:
    """The 97.5 % point of Student's distribution, to 1 % from three degrees of freedom.

    Source: M. Abramowitz, I. A. Stegun (1964), Handbook of mathematical functions, 26.7.5.

    >>> round(_t_quantile(7), 2), round(_t_quantile(15), 2)
    (2.36, 2.13)
    """
    z = NormalDist().inv_cdf(0.975)
    terms = (
        z,
        (z**3 + z) / (4 * degrees),
        (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2),
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3),
    )
    return sum(terms)
