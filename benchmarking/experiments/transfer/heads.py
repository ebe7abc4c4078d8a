"""Step 4, training: heads learn from features, in each framework by its own means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.experiments.transfer.features import FeatureTest, stored
from benchmarking.experiments.transfer.networks import HEADS
from benchmarking.experiments.transfer.plan import (
    Head,
    Trained,
    Training,
    TrainingPlan,
    own_plan,
    shared_plan,
)
from benchmarking.models.frameworks import NO_GPU, frameworks


class Learner(Protocol):
    """A head that learns, in one framework."""

    def step(self, features: NDArray[Any], labels: NDArray[np.int64]) -> float:
        """Take one step on these pictures; return their mean cross-entropy before it."""

    def epoch(self, features: NDArray[Any], labels: NDArray[np.int64]) -> Iterator[float]:
        """Take the steps of one epoch in a random order of the framework's own."""

    def logits(self, features: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Outputs of the head, (n, classes)."""

    def head(self) -> Head:
        """The tensors of the head."""


@dataclass(frozen=True, eq=False)
class Examples:
    """What a head learns from, and what it is scored on.

    Attributes:
        train: features of the training pictures, (versions, n, features).
        labels: their classes, (n,).
        validation: features of the validation pictures, (n, features).
        right: their classes, (n,).
    """

    train: NDArray[np.float32]
    labels: NDArray[np.int64]
    validation: NDArray[np.float32]
    right: NDArray[np.int64]


@dataclass(frozen=True)
class Step:
    """One further step of some training."""

    loss: float


@dataclass(frozen=True)
class HeadTest:
    """A head to train on stored features.

    Attributes:
        framework: name of the framework that trains it, "pytorch" or "keras".
        protocol: "same" or "defaults".
        train: the features to learn from.
        validation: the features to score on.
        classes: number of classes.
        training: how the head is trained.
        seed: the seed.
    """

    framework: str
    protocol: str
    train: FeatureTest
    validation: FeatureTest
    classes: int
    training: Training
    seed: int

    def plan(self, features: int) -> TrainingPlan:
        """Its plan for so many features."""
        versions = self.train.augmentation.versions
        if self.protocol == "defaults":
            return own_plan(self.training, seed=self.seed, classes=self.classes, versions=versions)
        return shared_plan(
            self.training,
            seed=self.seed,
            features=features,
            classes=self.classes,
            n=len(self.train.part),
            versions=versions,
        )


@dataclass(frozen=True, eq=False)
class Learnt:
    """The result of a test, with the plan that was followed."""

    plan: TrainingPlan
    trained: Trained


def heads_trained(tests: Sequence[HeadTest]) -> Iterator[Step | Learnt]:
    """Train heads in this process, all in one framework; yield every step, and each result.

    Raises:
        StoreError: features are missing, or were made from something else.
    """
    framework = frameworks()[tests[0].framework]
    framework.prepare(NO_GPU, "float32")
    for test in tests:
        examples = examples_of(test.train, test.validation)
        plan = test.plan(examples.train.shape[-1])
        learner = HEADS[test.framework].Learner(
            plan.training, examples.train.shape[-1], test.classes, plan.seed, plan.initial
        )
        for one in trained(plan, learner, examples):
            if isinstance(one, Step):
                yield one
            else:
                yield Learnt(plan, replace(one, versions=framework.versions()))


def examples_of(train: FeatureTest, validation: FeatureTest) -> Examples:
    """Features and classes from files.

    Raises:
        StoreError: a file is missing, or was made from something else.
    """
    found = []
    for test in (train, validation):
        features = stored(test)
        if features is None:
            raise StoreError(f"{test.path} is missing; features come before heads.")
        found.append(features)
    return Examples(found[0].values, train.part.labels, found[1].values[0], validation.part.labels)


def trained(plan: TrainingPlan, learner: Learner, examples: Examples) -> Iterator[Step | Trained]:
    """Train a head by a plan; yield every step, and the result last.

    The plan's order of pictures is followed; without one, the framework shuffles by itself.
    """
    start = perf_counter()
    before, losses, scores = learner.head(), [], []
    for version, rows in _epochs(plan):
        features = examples.train[version]
        steps = (
            (learner.step(features[some], examples.labels[some]) for some in rows)
            if rows
            else learner.epoch(features, examples.labels)
        )
        for loss in steps:
            losses.append(loss)
            yield Step(loss)
        scores.append(scores_of(learner.logits(examples.validation), examples.right))
    found = np.array(losses, np.float64)
    if not np.isfinite(found).all():
        raise BenchmarkError(
            f"the loss of step {int(np.argmax(~np.isfinite(found))) + 1} is not finite; lower the "
            f"learning rate, which is {plan.training.learning_rate}."
        )
    yield Trained(
        losses=found,
        before=before,
        after=learner.head(),
        probabilities=softmax(learner.logits(examples.validation)),
        changed=(),
        tensors=0,
        versions={},
        seconds=perf_counter() - start,
        epochs=np.array(scores),
    )


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Probabilities of logits (n, classes), in float64 whatever the framework computed in."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def cross_entropy(probabilities: NDArray[np.floating[Any]], right: NDArray[np.int64]) -> float:
    """Mean negative logarithm of the probabilities of the true classes; infinite if one is 0."""
    of_right = probabilities[np.arange(len(right)), right].astype(np.float64)
    with np.errstate(divide="ignore"):
        return float(-np.log(of_right).mean())


def scores_of(logits: NDArray[np.floating[Any]], right: NDArray[np.int64]) -> tuple[float, float]:
    """Accuracy in [0, 1] and mean cross-entropy."""
    probabilities = softmax(logits)
    share = float((probabilities.argmax(axis=1) == right).mean())
    return share, cross_entropy(probabilities, right)


def _epochs(plan: TrainingPlan) -> Iterator[tuple[int, list[NDArray[np.int64]]]]:
    """Version of the pictures in each epoch, and the rows of its steps; [] if they are free."""
    size = plan.training.batch_size
    for epoch, version in enumerate(plan.versions.tolist()):
        rows = plan.rows[epoch] if len(plan.rows) else np.empty(0, np.int64)
        yield version, [rows[at : at + size] for at in range(0, len(rows), size)]
