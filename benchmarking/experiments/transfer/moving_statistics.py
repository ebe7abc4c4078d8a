"""A head on a backbone whose batch normalisation was left in training mode, in PyTorch.

`requires_grad=False` keeps the parameters, but in training mode each batch is normalised by its own
mean and variance, and the stored statistics move towards them. Keras keeps layers that are not
trainable in inference mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.experiments.transfer import in_pytorch
from benchmarking.experiments.transfer.features import FeatureTest, batched, crop_for, moved
from benchmarking.experiments.transfer.heads import Learnt, Step, scores_of, softmax
from benchmarking.experiments.transfer.networks import Backbone, backbone_of
from benchmarking.experiments.transfer.plan import Trained, Training, TrainingPlan, shared_plan
from benchmarking.io.prefetch import prefetched
from benchmarking.models.frameworks import frameworks


@dataclass(frozen=True)
class MovingTest:
    """A head to train on a backbone that is not quite frozen; otherwise the protocol "same".

    Attributes:
        train: the pictures to learn from, with model, preprocessing and augmentation.
        validation: the pictures to score on.
        classes: number of classes.
        training: how the head is trained.
        seed: the seed.
    """

    train: FeatureTest
    validation: FeatureTest
    classes: int
    training: Training
    seed: int

    def plan(self, features: int) -> TrainingPlan:
        """Its plan for so many features."""
        return shared_plan(
            self.training,
            seed=self.seed,
            features=features,
            classes=self.classes,
            n=len(self.train.part),
            versions=self.train.augmentation.versions,
        )


def moving(tests: Sequence[MovingTest]) -> Iterator[Step | Learnt]:
    """Train heads in this process; yield every step, and each result.

    Raises:
        BenchmarkError: the model cannot be loaded, or a picture not be decoded.
    """
    for test in tests:
        start = perf_counter()
        backbone = backbone_of(test.train.model)  # loaded again: training changes it
        before, size = backbone.tensors(), test.training.batch_size
        validation = _outputs(test.validation, backbone, size)
        features = _outputs(test.train, backbone, size)
        width = next(features([(0, 0)])).shape[1]
        plan = test.plan(width)
        learner = in_pytorch.Learner(test.training, width, test.classes, plan.seed, plan.initial)
        first, losses, scores = learner.head(), [], []
        for steps in _epochs(plan):
            _normalise_by_batches(backbone.module)
            pictures = [(row, version) for version, rows in steps for row in rows.tolist()]
            for found, (_, rows) in zip(features(pictures), steps, strict=True):
                losses.append(learner.step(found, test.train.part.labels[rows]))
                yield Step(losses[-1])
            backbone.module.eval()
            rows_to_score = [(row, 0) for row in range(len(test.validation.part))]
            logits = learner.logits(np.concatenate(list(validation(rows_to_score))))
            scores.append(scores_of(logits, test.validation.part.labels))
        trained = Trained(
            losses=np.array(losses),
            before=first,
            after=learner.head(),
            probabilities=softmax(logits),
            changed=tuple(moved(before, backbone.tensors())),
            tensors=len(before),
            versions=frameworks()[in_pytorch.NAME].versions(),
            seconds=perf_counter() - start,
            epochs=np.array(scores),
        )
        yield Learnt(plan, trained)


Outputs = Callable[[Sequence[tuple[int, int]]], Iterator[NDArray[np.float32]]]
"""From rows and versions of pictures to their features, batch by batch."""


def _outputs(test: FeatureTest, backbone: Backbone, size: int) -> Outputs:
    """The backbone, in the mode in which it is when it is called, for pictures of one part."""
    run = backbone.outputs(test.recipe.scaling)

    def outputs(pictures: Sequence[tuple[int, int]]) -> Iterator[NDArray[np.float32]]:
        with prefetched(lambda one: crop_for(test, *one), pictures, test.model.workers) as crops:
            for batch in batched(crops, size):
                yield run(batch)

    return outputs


def _epochs(plan: TrainingPlan) -> list[list[tuple[int, NDArray[np.int64]]]]:
    """Version and rows of each step, by epoch."""
    each = len(plan.steps) // plan.training.epochs
    return [list(plan.steps[at : at + each]) for at in range(0, len(plan.steps), each)]


def _normalise_by_batches(module: Any) -> None:
    """Put all batch normalisation into training mode, and nothing else."""
    from torch.nn.modules.batchnorm import _BatchNorm

    for layer in module.modules():
        if isinstance(layer, _BatchNorm):
            layer.train()
