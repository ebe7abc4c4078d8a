"""The document of `transfer`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Heads:
    """The heads of one model that one framework has trained, over all seeds.

    Attributes:
        task: name of the task.
        model: full name of the model whose backbone is used.
        head: name of the framework or library that trained the heads.
        accuracy: mean of `accuracies`.
        deviation: their standard deviation; null for one seed.
        accuracies: share of right validation pictures for each seed, in [0, 1].
        low: lower end of the 95 % Wilson interval of the mean accuracy, for other pictures.
        high: its upper end.
        balanced: mean over seeds of the mean over classes of the share of right pictures.
        loss: mean over seeds of the mean cross-entropy.
        n: number of validation pictures.
        leaks: number of groups of pictures that are in both parts.
        changed: names of the backbone's tensors that changed.
        tensors: number of the backbone's tensors.
        features_seconds: of computing the features; 0 if the heads saw the pixels.
        fit_seconds: of one training, mean over seeds.
        epochs: after each epoch accuracy and cross-entropy, means over seeds.
        notes: what was chosen, in words.
    """

    task: str
    model: str
    head: str
    accuracy: float
    deviation: float | None
    accuracies: tuple[float, ...]
    low: float
    high: float
    balanced: float
    loss: float
    n: int
    leaks: int
    changed: tuple[str, ...]
    tensors: int
    features_seconds: float
    fit_seconds: float
    epochs: tuple[tuple[float, float], ...]
    notes: str


@dataclass(frozen=True)
class Parting:
    """Where two curves of losses are furthest apart.

    Attributes:
        difference: largest |difference| of the loss of a step.
        step: the step, from 1.
        steps: number of steps.
        seed: the seed of these curves.
    """

    difference: float
    step: int
    steps: int
    seed: int


@dataclass(frozen=True)
class Compared:
    """Two rows that differ in one thing, compared seed by seed.

    Attributes:
        task: name of the task.
        what: what both have in common, in words.
        first: model and head of the first row.
        second: model and head of the second row.
        features: largest |difference| of features relative to the largest feature; 0 if both used
            the same file, null if they saw the pixels.
        parting: where the loss curves are furthest apart; null unless both followed one plan.
        probability: largest |difference| of a validation probability of one seed.
        difference: mean accuracy of the first minus that of the second.
        first_only: validation pictures that only the first gets right, with the first seed.
        second_only: those that only the second gets right.
        mcnemar: p-value of McNemar's exact test of these two numbers.
        welch: p-value of Welch's test of the accuracies over seeds; null for one seed.
    """

    task: str
    what: str
    first: tuple[str, str]
    second: tuple[str, str]
    features: float | None
    parting: Parting | None
    probability: float
    difference: float
    first_only: int
    second_only: int
    mcnemar: float
    welch: float | None


@dataclass(frozen=True)
class Average:
    """The heads of one model that one framework has trained, over several tasks.

    Attributes:
        model: full name of the model whose backbone is used.
        head: name of the framework or library that trained the heads.
        accuracy: mean over tasks of the mean accuracy, in [0, 1].
        rank: mean over tasks of the rank, from 1 for the best; equal accuracies share the mean of
            their ranks.
        ranks: rank in each task, in the order of the tasks.
    """

    model: str
    head: str
    accuracy: float
    rank: float
    ranks: tuple[float, ...]


@dataclass(frozen=True)
class TransferDocument:
    """The results of `imagenet-benchmark transfer`.

    Attributes:
        protocol: name of the protocol.
        heads: scores of the heads, by task, model and framework.
        compared: every two of them that differ in one thing.
        averages: the same heads over all tasks, best rank first; empty if there is one task.
    """

    NAME: ClassVar[str] = "transfer"
    VERSION: ClassVar[int] = 1

    protocol: str
    heads: tuple[Heads, ...]
    compared: tuple[Compared, ...]
    averages: tuple[Average, ...]
