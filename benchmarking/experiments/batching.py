"""Does batching change the answer? Batch sizes, order, a fresh process, fewer threads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarking.audits import Model, Said, all_crops, answers
from benchmarking.image_sets import Picture
from benchmarking.predictions import top_k
from benchmarking.specs import Predictor

NOISE = 1e-4
"""Difference of a probability, up to which float32 arithmetic in another order explains it."""

BATCH_SIZES = (1, 2, 8, 32)
"""What is compared; the first one is the reference."""


@dataclass(frozen=True)
class BatchTest:
    """What one process is to answer: every batch size, or one batch size under another condition.

    Attributes:
        model: which one.
        pictures: what to predict.
        title: what the answer is called; empty for every batch size and another order.
        threads: that the framework may use; None leaves it to the framework.
    """

    model: Model
    pictures: tuple[Picture, ...]
    title: str = ""
    threads: int | None = None


@dataclass(frozen=True)
class Effect:
    """How much an answer differs from the reference.

    Attributes:
        title: the condition.
        difference: largest |difference| of any probability.
        top1: rows whose most probable class is another one.
        top5: rows whose five most probable classes are others, or in another order.
    """

    title: str
    difference: float
    top1: tuple[int, ...]
    top5: tuple[int, ...]

    @property
    def is_noise(self) -> bool:
        """Whether rounding explains it, so that the condition does not change the answer."""
        return self.difference <= NOISE and not self.top1


def tests(model: Model, pictures: Sequence[Picture], threads: int) -> list[BatchTest]:
    """Everything that is asked of one model, a process for each."""
    chosen = tuple(pictures)
    return [
        BatchTest(model, chosen),
        BatchTest(model, chosen, "fresh process"),
        BatchTest(model, chosen, f"{threads} thread{'s' * (threads != 1)}", threads),
    ]


def answer(test: BatchTest) -> Iterator[Said]:
    """Answers of one model; meant for a process that has not loaded a framework yet.

    Raises:
        BenchmarkError: the model cannot be loaded or a picture cannot be decoded.
    """
    if test.threads is not None:  # read when PyTorch and TensorFlow are first imported
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
            os.environ[name] = str(test.threads)
    spec = test.model.spec
    recipe = spec.recipes["published"]
    seen = all_crops(test.pictures, recipe, test.model.workers)
    loaded = test.model.load()
    predictor = loaded.predictor(recipe.scaling)
    if test.title:
        yield Said(test.title, answers(predictor, seen, 1, spec.classes))
    else:
        yield from every_batch_size(predictor, seen, spec.classes)


def every_batch_size(predictor: Predictor, seen: NDArray[np.uint8], classes: int) -> Iterator[Said]:
    """What a model says of the same crops, (n, h, w, 3), in batches of every size and backwards."""
    for size in BATCH_SIZES:
        yield Said(f"batch {size}", answers(predictor, seen, size, classes))
    largest = BATCH_SIZES[-1]
    backwards = answers(predictor, np.ascontiguousarray(seen[::-1]), largest, classes)
    yield Said(f"batch {largest}, reverse order", backwards[::-1])


def effect(reference: Said, other: Said) -> Effect:
    """How an answer differs from the reference, row by row."""
    first, second = (top_k(said.probabilities, k=5).classes for said in (reference, other))
    difference = float(np.abs(reference.probabilities - other.probabilities).max())
    return Effect(
        other.title,
        difference,
        tuple(np.flatnonzero(first[:, 0] != second[:, 0]).tolist()),
        tuple(np.flatnonzero((first != second).any(axis=1)).tolist()),
    )
