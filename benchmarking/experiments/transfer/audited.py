"""An audit: every variant of a setting is trained and stored, and compared with the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.experiments import Model
from benchmarking.experiments.transfer.article import ArticleTest
from benchmarking.experiments.transfer.augmentation import Augmentation
from benchmarking.experiments.transfer.changed_plans import ChangedTest
from benchmarking.experiments.transfer.factors import Variant
from benchmarking.experiments.transfer.features import FeatureTest
from benchmarking.experiments.transfer.heads import cross_entropy
from benchmarking.experiments.transfer.moving_statistics import MovingTest
from benchmarking.experiments.transfer.protocols import (
    Test,
    Work,
    facts_of,
    versions_of_library,
)
from benchmarking.experiments.transfer.runs import Request
from benchmarking.experiments.transfer.sweep import Result
from benchmarking.experiments.transfer.task import Task
from benchmarking.scoring.statistics import mcnemar_test, paired_interval

PROTOCOL = "audit"


@dataclass(frozen=True)
class Effect:
    """The result of a variant, compared with the reference on the same validation pictures.

    Attributes:
        factor: the factor.
        value: its value.
        accuracy: share of right predictions, in [0, 1].
        difference: accuracy minus that of the reference, in [-1, 1].
        interval: 95 % confidence interval of the difference.
        p_value: p-value of the exact McNemar test.
        loss: mean cross-entropy of the validation pictures.
        loss_difference: loss minus that of the reference.
        flips: number of pictures whose most probable class differs.
        probability: largest difference of a probability, in [0, 1].
        step: largest difference of the loss of a training step; NaN if the steps are others.
        changed: number of the backbone's tensors that training has changed.
        n: number of validation pictures.
    """

    factor: str
    value: str
    accuracy: float
    difference: float
    interval: tuple[float, float]
    p_value: float
    loss: float
    loss_difference: float
    flips: int
    probability: float
    step: float
    changed: int
    n: int


def work_of_variant(variant: Variant, model: Model, seed: int, folder: Path) -> Work:
    """The training of a variant.

    Args:
        variant: the variant.
        model: the model whose backbone is used.
        seed: seed of the reference.
        folder: the folder for features and heads.

    Raises:
        WeightsError: the weights of the model are missing.
    """
    setting, number = variant.setting, seed + variant.seeds
    task = setting.task
    train = FeatureTest(model, setting.recipe, task.train, setting.augmentation, folder)
    validation = FeatureTest(model, setting.at_prediction, task.validation, Augmentation(), folder)
    how = {
        **asdict(setting.training),
        "initial": setting.initial,
        "batch normalisation": setting.batch_norm,
        "protocol": setting.protocol,
    }
    made_from = {
        **facts_of(task, train, validation),
        "training": how,
        "versions": versions_of_library(setting.framework),
    }
    spec = model.spec
    request = Request(
        task.name, PROTOCOL, spec.source, spec.name, setting.framework, number, made_from
    )
    test = _test(variant, model, train, validation, number)
    return Work(task, model, setting.framework, test, request)


def effects(variants: Sequence[Variant], results: Sequence[Result]) -> list[Effect]:
    """The effect of each variant; the first is the reference.

    Args:
        variants: the variants.
        results: the result of each, in the same order.
    """
    right = [one.work.task.validation.labels for one in results]
    guesses = [one.trained.probabilities.argmax(axis=1) for one in results]
    first, n = results[0].trained, len(right[0])
    hits = guesses[0] == right[0]
    loss = cross_entropy(first.probabilities, right[0])
    found = []
    for variant, result, own, labels in zip(variants, results, guesses, right, strict=True):
        trained, own_hits = result.trained, own == labels
        gained, lost = int((own_hits & ~hits).sum()), int((hits & ~own_hits).sum())
        own_loss = cross_entropy(trained.probabilities, labels)
        seen = _in_order_of(variants[0].setting.task, result.work.task, trained.probabilities)
        found.append(
            Effect(
                variant.factor,
                variant.value,
                float(own_hits.mean()),
                (gained - lost) / n,
                paired_interval(gained, lost, n),
                mcnemar_test(gained, lost),
                own_loss,
                own_loss - loss,
                int((seen.argmax(axis=1) != guesses[0]).sum()),
                float(np.abs(seen - first.probabilities).max()),
                _apart(first.losses, trained.losses),
                len(trained.changed) + sum(len(one.changed) for one in result.features),
                n,
            )
        )
    return found


def _test(
    variant: Variant, model: Model, train: FeatureTest, validation: FeatureTest, seed: int
) -> Test:
    setting, classes = variant.setting, len(variant.setting.task.classes)
    if setting.protocol == "article":
        return ArticleTest(model, setting.task, setting.training, seed)
    if setting.batch_norm == "training":
        return MovingTest(train, validation, classes, setting.training, seed)
    return ChangedTest(
        setting.framework,
        "same",
        train,
        validation,
        classes,
        setting.training,
        seed,
        setting.initial,
    )


def _in_order_of(
    reference: Task, task: Task, probabilities: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """Probabilities with their columns in the order of the classes of the reference."""
    return probabilities[:, [task.classes.index(name) for name in reference.classes]]


def _apart(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(np.abs(first - second).max()) if len(first) == len(second) else math.nan
