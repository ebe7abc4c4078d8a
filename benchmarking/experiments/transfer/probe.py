"""A linear probe: logistic regression by L-BFGS in float64, as good as a linear head can be.

Nothing is drawn at random but the folds. The strength C of the penalty is chosen on folds of the
training pictures; the validation pictures are seen once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, requires
from benchmarking.experiments.transfer.features import FeatureTest
from benchmarking.experiments.transfer.heads import (
    Examples,
    Learnt,
    Step,
    cross_entropy,
    examples_of,
)
from benchmarking.experiments.transfer.plan import Trained, Training, TrainingPlan

NAME = "scikit-learn"
EXTRA = "transfer"
STRENGTHS = tuple(float(f"{value:.3g}") for value in 10.0 ** np.arange(-5, 3.5, 0.5))
"""Values of C, from a strong penalty to a weak one, two for each power of ten."""
FOLDS = 5
_MOST_STEPS = 10_000
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class ProbeTest:
    """A probe of stored features.

    Attributes:
        train: the features to learn from.
        validation: the features to score on.
        classes: number of classes.
        seed: seed of the folds.
    """

    train: FeatureTest
    validation: FeatureTest
    classes: int
    seed: int

    def plan(self, features: int) -> TrainingPlan:
        """Its plan, which is only a seed."""
        nothing = np.empty(0, np.int64)
        whole = Training(head=0, epochs=1, batch_size=len(self.train.part), precision="float64")
        return TrainingPlan(
            "probe", self.seed, whole, self.classes, {}, nothing.reshape(0, 0), nothing
        )


def probed(tests: Sequence[ProbeTest]) -> Iterator[Step | Learnt]:
    """Fit probes in this process; yield a step for each fit, and each result.

    Raises:
        StoreError: features are missing, or were made from something else.
        BenchmarkError: a class has fewer than two different training pictures.
        MissingDependency: scikit-learn is not installed.
    """
    with requires(EXTRA):
        import sklearn

    for test in tests:
        start = perf_counter()
        examples = examples_of(test.train, test.validation)
        rows, labels, groups = _rows(examples, test.train.part.digests)
        losses = np.empty((0, len(STRENGTHS)))
        for fold in _folds(labels, groups, test.seed):
            found = list(_losses_of(rows, labels, *fold))
            losses = np.vstack([losses, found])
            yield Step(float(min(found)))
        strength = STRENGTHS[int(losses.mean(axis=0).argmin())]
        model = fitted(rows, labels, strength)
        probabilities = model.predict_proba(examples.validation.astype(np.float64))
        kernel, bias = _as_head(model, test.classes)
        share = float((probabilities.argmax(axis=1) == examples.right).mean())
        trained = Trained(
            losses=np.empty(0),
            before={},
            after={"output.kernel": kernel, "output.bias": bias},
            probabilities=probabilities,
            changed=(),
            tensors=0,
            versions={"scikit-learn": sklearn.__version__},
            seconds=perf_counter() - start,
            epochs=np.array([[share, cross_entropy(probabilities, examples.right)]]),
            notes={"C": strength, "folds": len(losses)},
        )
        yield Learnt(test.plan(rows.shape[1]), trained)


def fitted(
    rows: NDArray[np.float64],
    labels: NDArray[np.int64],
    strength: float,
    start: Any = None,
) -> Any:
    """scikit-learn's logistic regression on features, in float64.

    Args:
        rows: features, (n, features).
        labels: classes, (n,).
        strength: C, the inverse of the penalty's weight.
        start: a fitted model to start from; the optimum is the same without it.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        C=strength, solver="lbfgs", tol=_TOLERANCE, max_iter=_MOST_STEPS, warm_start=True
    )
    if start is not None:
        model.coef_, model.intercept_ = start.coef_.copy(), start.intercept_.copy()
    return model.fit(rows, labels)


def _rows(
    examples: Examples, digests: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.str_]]:
    """Features of all versions in float64, their classes, and the content of their pictures."""
    versions = len(examples.train)
    rows = examples.train.reshape(-1, examples.train.shape[-1]).astype(np.float64)
    return rows, np.tile(examples.labels, versions), np.tile(np.array(digests), versions)


def _folds(
    labels: NDArray[np.int64], groups: NDArray[np.str_], seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to fit and rows to score, for each fold; a picture's copies are in the same fold."""
    from sklearn.model_selection import StratifiedGroupKFold

    fewest = min(len(set(groups[labels == label])) for label in set(labels.tolist()))
    if fewest < 2:
        raise BenchmarkError(
            "a class has only one training picture, so C cannot be chosen on folds; give two or "
            "more of each class."
        )
    folds = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
    yield from folds.split(labels, labels, groups)


def _losses_of(
    rows: NDArray[np.float64],
    labels: NDArray[np.int64],
    fit: NDArray[np.int64],
    score: NDArray[np.int64],
) -> Iterator[float]:
    """Cross-entropy on the rows to score, for each strength; each fit starts from the last one."""
    model = None
    for strength in STRENGTHS:
        model = fitted(rows[fit], labels[fit], strength, model)
        yield cross_entropy(model.predict_proba(rows[score]), labels[score])


def _as_head(model: Any, classes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kernel (features, classes) and bias (classes,) of a fitted model.

    For two classes scikit-learn has one row, the logit of the second class against the first.
    """
    kernel, bias = model.coef_.T, model.intercept_
    if classes == 2:
        kernel = np.hstack([np.zeros_like(kernel), kernel])
        bias = np.concatenate([[0.0], bias])
    return np.ascontiguousarray(kernel), bias
