"""Experiments, one module each: does it change the answer? `Experiment` says what one must have.

Each varies one thing and keeps all else as it is. What runs models is a generator that any process
can run by itself, `answer(test)`; what compares its outputs are pure functions.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.inference.executors import Failed, Output, executors
from benchmarking.inference.predict import predict
from benchmarking.io.progress import bar
from benchmarking.models.loaded import Loaded, load
from benchmarking.models.spec import ModelSpec, Predictor, Probabilities
from benchmarking.pictures.crop_stream import crops
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.recipe import Preprocessing
from benchmarking.plugins import discover
from benchmarking.reports.grid import aligned

Lines = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Model:
    """A model and where its parameters come from; any process can load it.

    Attributes:
        spec: of the model.
        gpu: see `inference.job.Job`.
        workers: threads that decode pictures.
        weights_folder: see `inference.job.Job`.
        seed: see `inference.job.Job`.
    """

    spec: ModelSpec
    gpu: int | None
    workers: int
    weights_folder: Path | None = None
    seed: int | None = None

    def load(self) -> Loaded:
        """The model, in this process; see `models.loaded.load`."""
        return load(self.spec, self.gpu, weights_folder=self.weights_folder, seed=self.seed)


@dataclass(frozen=True)
class Setup:
    """What an experiment is given.

    Attributes:
        models: those that are asked for and can run.
        pictures: labelled.
        options: values of the arguments that the experiment has added, by name.
    """

    models: tuple[Model, ...]
    pictures: tuple[Picture, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """What a table is about, and its headings and lines, the first `left` cells flush left."""

    about: str
    lines: Lines
    left: int

    def __str__(self) -> str:
        return f"{self.about}\n{aligned(self.lines, self.left)}"


@dataclass(frozen=True)
class Outcome:
    """What an experiment has found.

    Attributes:
        grids: its tables, to be read.
        written: the lines of its .csv file.
        notes: further lines.
        changed: whether answers change that should not.
    """

    grids: tuple[Grid, ...]
    written: Lines
    notes: tuple[str, ...] = ()
    changed: bool = False

    def __str__(self) -> str:
        return "\n".join([*map(str, self.grids), *self.notes])

    def as_csv(self) -> str:
        """The lines as comma-separated values."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(self.written)
        return text.getvalue()


class Experiment(Protocol):
    """One thing that is varied."""

    @property
    def NAME(self) -> str:
        """As `audit NAME` has it."""

    @property
    def HELP(self) -> str:
        """The question, in a line."""

    @property
    def PICTURES(self) -> int:
        """How many pictures it takes if nothing else is asked for."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments of its own; `models`, if it has that one, is a list of patterns."""

    def run(self, setup: Setup) -> Outcome:
        """Do it; BenchmarkError if a model cannot run."""


def experiments() -> dict[str, Experiment]:
    """Every experiment, by name."""
    return discover(sys.modules[__name__], Experiment)


@dataclass(frozen=True, eq=False)
class Answer:
    """Predictions of a model under one condition: its title, and (n, classes) probabilities."""

    title: str
    probabilities: Probabilities


def all_crops(
    pictures: Sequence[Picture], recipe: Preprocessing, workers: int
) -> NDArray[np.uint8]:
    """Crops of a few pictures, at once in memory: (n, crop, crop, 3)."""
    with crops(pictures, recipe, workers) as seen:
        return np.stack(list(seen))


def probabilities(
    predictor: Predictor, seen: NDArray[np.uint8], size: int, classes: int
) -> Probabilities:
    """Predictions of crops, (n, h, w, 3), in batches of a size: (n, classes)."""
    batches = predict(predictor, seen, size, classes)
    return np.concatenate([batch.probabilities for batch in batches])


def in_fresh_processes(
    title: str, function: Callable[[Any], Iterator[Any]], tests: Sequence[Any], each: int = 0
) -> list[Any]:
    """What a function yields for tests, each in a process of its own, under a bar.

    Args:
        title: of the bar.
        function: of a test; it can be imported by name.
        tests: one for each process.
        each: how many values the function yields for a test; 0 if nobody knows.

    Raises:
        BenchmarkError: one failed; what it wrote is shown.
    """
    found = []
    executor = executors()["fresh-process"]
    with bar(title=title, total=each * len(tests) or None) as progress:
        for event in executor.run(function, tests, None):
            if isinstance(event, Failed):
                raise BenchmarkError(f"{title}: {event.reason}\n{event.details}".rstrip())
            if isinstance(event, Output):
                found.append(event.value)
                progress.update()
            else:
                progress.refresh()
    return found
