"""Step 7, what it means: scores of trained heads, and where two frameworks part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import requires
from benchmarking.experiments.transfer.heads import cross_entropy
from benchmarking.experiments.transfer.networks import network_of
from benchmarking.experiments.transfer.sweep import Result
from benchmarking.reports.documents.transfer import Average, Compared, Heads, Parting
from benchmarking.scoring.statistics import (
    competition_ranks,
    mcnemar_test,
    wilson_interval,
)


def rows(results: Sequence[Result]) -> list[Heads]:
    """A row for the heads of each task, model and framework."""
    return [_row(some) for some in _grouped(results)]


def pairs(results: Sequence[Result]) -> list[Compared]:
    """Every two rows with the same features, or with the same weights in two frameworks."""
    found = []
    for one, other in combinations(_grouped(results), 2):
        what = _in_common(one[0], other[0])
        if what:
            found.append(_pair(what, one, other))
    return found


def averages(rows: Sequence[Heads]) -> list[Average]:
    """Each model and framework over all tasks that it was trained for, best mean rank first.

    Those that were not trained for every task are left out, and empty if there is only one task.
    """
    tasks = list(dict.fromkeys(row.task for row in rows))
    scores = {
        task: {(row.model, row.head): row.accuracy for row in rows if row.task == task}
        for task in tasks
    }
    everywhere = [name for name in scores[tasks[0]] if all(name in scores[task] for task in tasks)]
    ranks = {task: _mean_ranks({name: scores[task][name] for name in everywhere}) for task in tasks}
    found = [
        Average(
            *name,
            float(np.mean([scores[task][name] for task in tasks])),
            float(np.mean([ranks[task][name] for task in tasks])),
            tuple(ranks[task][name] for task in tasks),
        )
        for name in everywhere
    ]
    return sorted(found, key=lambda one: one.rank) if len(tasks) > 1 else []


def _mean_ranks(scores: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Rank of each score, highest first; equal scores share the mean of their ranks."""
    first = competition_ranks(list(scores.values()))
    return {
        name: rank + (first.count(rank) - 1) / 2 for name, rank in zip(scores, first, strict=True)
    }


def parting(
    first: Sequence[NDArray[np.float64]], second: Sequence[NDArray[np.float64]]
) -> Parting | None:
    """Where curves of losses of the same seeds are furthest apart; None if there are none."""
    apart = [np.abs(one - other) for one, other in zip(first, second, strict=True)]
    if not apart or not apart[0].size:
        return None
    seed = int(np.argmax([one.max() for one in apart]))
    step = int(apart[seed].argmax())
    return Parting(float(apart[seed][step]), step + 1, len(apart[seed]), seed)


def balanced_accuracy(guesses: NDArray[np.int64], right: NDArray[np.int64]) -> float:
    """Mean over the classes of the share of their pictures that are right, in [0, 1].

    >>> balanced_accuracy(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]))
    0.5
    """
    return float(np.mean([(guesses[right == one] == one).mean() for one in np.unique(right)]))


def _grouped(results: Sequence[Result]) -> Iterator[list[Result]]:
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for one in results:
        key = (one.work.task.name, one.work.model.spec.full_name, one.work.framework)
        groups.setdefault(key, []).append(one)
    yield from groups.values()


def _row(some: Sequence[Result]) -> Heads:
    work, trained = some[0].work, [one.trained for one in some]
    right = work.task.validation.labels
    hits = [_hits(one) for one in some]
    accuracies = tuple(float(one.mean()) for one in hits)
    features = some[0].features
    changed = [name for one in features for name in one.changed]
    changed += [name for one in trained for name in one.changed]
    notes = {f"{key} {value:g}": None for one in trained for key, value in one.notes.items()}
    return Heads(
        work.task.name,
        work.model.spec.full_name,
        work.framework,
        float(np.mean(accuracies)),
        float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
        accuracies,
        *wilson_interval(round(float(np.mean(accuracies)) * len(right)), len(right)),
        float(np.mean([balanced_accuracy(one.probabilities.argmax(1), right) for one in trained])),
        float(np.mean([cross_entropy(one.probabilities, right) for one in trained])),
        len(right),
        len(work.task.leaks),
        tuple(dict.fromkeys(changed)),
        max([*(one.tensors for one in features), *(one.tensors for one in trained)]),
        sum(one.seconds for one in features),
        float(np.mean([one.seconds for one in trained])),
        tuple(map(tuple, np.mean([one.epochs for one in trained], axis=0).tolist())),
        ", ".join(notes),
    )


def _pair(what: str, one: Sequence[Result], other: Sequence[Result]) -> Compared:
    first, second = ([_hits(each) for each in some] for some in (one, other))
    shares = [[float(each.mean()) for each in some] for some in (first, second)]
    only = int((first[0] & ~second[0]).sum()), int((second[0] & ~first[0]).sum())
    names = [(some[0].work.model.spec.full_name, some[0].work.framework) for some in (one, other)]
    both = list(zip(one, other, strict=True))
    curves = [[each.trained.losses for each in some] for some in (one, other)]
    has_one_plan = one[0].work.request.protocol == "same"
    return Compared(
        one[0].work.task.name,
        what,
        names[0],
        names[1],
        _features_apart(one[0], other[0]),
        parting(*curves) if has_one_plan else None,
        max(
            float(np.abs(a.trained.probabilities - b.trained.probabilities).max()) for a, b in both
        ),
        float(np.mean(shares[0]) - np.mean(shares[1])),
        *only,
        mcnemar_test(*only),
        welch_test(*shares) if len(both) > 1 else None,
    )


def welch_test(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p-value of Welch's test: have two samples the same mean, whatever their variances?

    Args:
        first: values of one sample, at least two.
        second: values of the other sample, at least two.

    Returns:
        The p-value; if neither sample varies, 1.0 if both are equal, else 0.0.

    Raises:
        MissingDependency: SciPy is not installed.

    >>> round(welch_test([0.94, 0.95, 0.96], [0.93, 0.95, 0.94]), 6)
    0.287864
    """
    with requires("transfer"):
        from scipy.stats import ttest_ind

    if len(set(first)) == len(set(second)) == 1:
        return float(first[0] == second[0])
    return float(ttest_ind(first, second, equal_var=False).pvalue)


def _hits(result: Result) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = (
        result.trained.probabilities.argmax(axis=1) == result.work.task.validation.labels
    )
    return right


def _in_common(one: Result, other: Result) -> str:
    """What two rows have in common if they differ in one thing; "" if not."""
    a, b = one.work, other.work
    if a.task.name != b.task.name:
        return ""
    if a.model.spec.full_name == b.model.spec.full_name:
        return "same features"
    weights = [work.request.made_from["features"]["weights"] for work in (a, b)]
    if weights[0] != weights[1] or a.model.seed is not None:
        return ""
    networks = [network_of(work.model.spec).NAME for work in (a, b)]
    is_own = a.framework == b.framework == "scikit-learn" or networks == [a.framework, b.framework]
    return "same weights" if is_own and networks[0] != networks[1] else ""


def _features_apart(one: Result, other: Result) -> float | None:
    if not one.features or len(one.features) != len(other.features):
        return None
    apart = [
        float(np.abs(a.values - b.values).max() / np.abs(a.values).max())
        for a, b in zip(one.features, other.features, strict=True)
    ]
    return max(apart)
