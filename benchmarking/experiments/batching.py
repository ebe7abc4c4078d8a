"""Does batching change the predictions? Batch sizes, order, a fresh process, fewer threads."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarking.experiments import (
    Answer,
    Grid,
    Model,
    Outcome,
    Setup,
    all_crops,
    in_fresh_processes,
    probabilities,
)
from benchmarking.experiments._arguments import add_models, add_weights
from benchmarking.models.sources import framework_of
from benchmarking.models.spec import Predictor
from benchmarking.pictures.image_set import Picture
from benchmarking.predictions.top_k import top_k

NAME = "batch"
HELP = "does batching change the predictions?"
PICTURES = 100

NOISE = 1e-4
"""Largest difference of a probability that float32 arithmetic in another order can explain."""

BATCH_SIZES = (1, 2, 8, 32)
"""Batch sizes that are compared; the first one is the reference."""


_SHOWN = 5  # names of pictures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the experiment."""
    add_models(parser)
    add_weights(parser)


def run(setup: Setup) -> Outcome:
    """Compare every condition with one picture at a time, model by model."""
    headings = ["Platform", "Model", "Against batch 1", "Max |difference|", "Top-1", "Top-5", ""]
    lines, notes = [headings], []
    changed = False
    for model in setup.models:
        spec = model.spec
        reference, *others = in_fresh_processes(
            spec.full_name, answer, tests(model, setup.pictures, threads=1)
        )
        for found in (effect(reference, other) for other in others):
            changed |= not found.is_noise
            lines.append(
                [
                    *(framework_of(spec).TITLE, spec.name, found.title),
                    *(f"{found.difference:.1e}", f"{len(found.top1)}", f"{len(found.top5)}"),
                    "rounding" if found.is_noise else "CHANGES THE ANSWER",
                ]
            )
            keys = ", ".join(setup.pictures[row].key for row in found.top1[:_SHOWN])
            if keys and not found.is_noise:
                notes.append(f"{spec.name}, {found.title}: top-1 changed for {keys}")
    grid = Grid(f"{len(setup.pictures)} pictures each", lines, left=3)
    return Outcome((grid,), lines, tuple(notes), changed)


@dataclass(frozen=True)
class BatchTest:
    """The test of one process: every batch size, or batch size 1 under another condition.

    Attributes:
        model: the model.
        pictures: the pictures to predict.
        title: title of the answer; empty for every batch size and another order.
        threads: number of threads that the framework may use; None for its default.
    """

    model: Model
    pictures: tuple[Picture, ...]
    title: str = ""
    threads: int | None = None


@dataclass(frozen=True)
class Effect:
    """The difference of an answer from the reference.

    Attributes:
        title: the condition.
        difference: largest |difference| of any probability.
        top1: rows whose most probable class differs.
        top5: rows whose five most probable classes differ, or have another order.
    """

    title: str
    difference: float
    top1: tuple[int, ...]
    top5: tuple[int, ...]

    @property
    def is_noise(self) -> bool:
        """Whether rounding explains the difference."""
        return self.difference <= NOISE and not self.top1


def tests(model: Model, pictures: Sequence[Picture], threads: int) -> list[BatchTest]:
    """All tests of one model, each for a process of its own."""
    chosen = tuple(pictures)
    return [
        BatchTest(model, chosen),
        BatchTest(model, chosen, "fresh process"),
        BatchTest(model, chosen, f"{threads} thread{'s' * (threads != 1)}", threads),
    ]


def answer(test: BatchTest) -> Iterator[Answer]:
    """Answers of one model; for a process that has not loaded a framework yet.

    Raises:
        BenchmarkError: the model cannot be loaded or a picture cannot be decoded.
    """
    if test.threads is not None:  # PyTorch and TensorFlow read these at import
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
            os.environ[name] = str(test.threads)
    spec = test.model.spec
    recipe = spec.recipes["published"]
    seen = all_crops(test.pictures, recipe, test.model.workers)
    loaded = test.model.load()
    predictor = loaded.predictor(recipe.scaling)
    if test.title:
        yield Answer(test.title, probabilities(predictor, seen, 1, spec.classes))
    else:
        yield from every_batch_size(predictor, seen, spec.classes)


def every_batch_size(
    predictor: Predictor, seen: NDArray[np.uint8], classes: int
) -> Iterator[Answer]:
    """Predictions of the same crops, (n, h, w, 3), with every batch size and in reverse order."""
    for size in BATCH_SIZES:
        yield Answer(f"batch {size}", probabilities(predictor, seen, size, classes))
    largest = BATCH_SIZES[-1]
    backwards = probabilities(predictor, np.ascontiguousarray(seen[::-1]), largest, classes)
    yield Answer(f"batch {largest}, reverse order", backwards[::-1])


def effect(reference: Answer, other: Answer) -> Effect:
    """Compare an answer with the reference, row by row."""
    first, second = (
        top_k(predicted.probabilities, k=5).classes for predicted in (reference, other)
    )
    difference = float(np.abs(reference.probabilities - other.probabilities).max())
    return Effect(
        other.title,
        difference,
        tuple(np.flatnonzero(first[:, 0] != second[:, 0]).tolist()),
        tuple(np.flatnonzero((first != second).any(axis=1)).tolist()),
    )
