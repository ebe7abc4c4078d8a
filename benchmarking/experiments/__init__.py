"""Experiments on what changes predictions, one module each; `Experiment` is the contract.

Each experiment varies one factor and keeps everything else fixed. Models are run by a generator,
`answer(test)`, which any process can run; pure functions compare its outputs.
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
from benchmarking.io import temporary
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
    """A model and the source of its parameters; any process can load it.

    Attributes:
        spec: spec of the model.
        gpu: see `inference.job.Job`.
        workers: number of threads that decode pictures.
        weights_folder: see `inference.job.Job`.
        seed: see `inference.job.Job`.
    """

    spec: ModelSpec
    gpu: int | None
    workers: int
    weights_folder: Path | None = None
    seed: int | None = None

    def load(self) -> Loaded:
        """Load the model in this process; see `models.loaded.load`."""
        return load(self.spec, self.gpu, weights_folder=self.weights_folder, seed=self.seed)


@dataclass(frozen=True)
class Setup:
    """The input of an experiment.

    Attributes:
        models: the requested models that can run.
        pictures: labelled pictures; () for an experiment whose PICTURES are 0.
        options: values of the experiment's own arguments, by name.
    """

    models: tuple[Model, ...]
    pictures: tuple[Picture, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """A table with its title, headings and lines; the first `left` cells are flush left."""

    about: str
    lines: Lines
    left: int

    def __str__(self) -> str:
        return f"{self.about}\n{aligned(self.lines, self.left)}"


@dataclass(frozen=True)
class Outcome:
    """The result of an experiment.

    Attributes:
        grids: its tables for readers.
        written: the lines of its .csv file.
        notes: further lines.
        changed: whether predictions changed that should not change.
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
    """An experiment that varies one factor."""

    @property
    def NAME(self) -> str:
        """Its name in `audit NAME`."""

    @property
    def HELP(self) -> str:
        """The question that it answers, in one line."""

    @property
    def PICTURES(self) -> int:
        """Default number of pictures; 0 if its own arguments say which pictures it uses."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add its own arguments; if one of them is `models`, its value is a list of patterns."""

    def run(self, setup: Setup) -> Outcome:
        """Run the experiment; BenchmarkError if a model cannot run."""


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
    """Crops of a few pictures, all in memory: (n, crop, crop, 3)."""
    with crops(pictures, recipe, workers) as seen:
        return np.stack(list(seen))


def probabilities(
    predictor: Predictor, seen: NDArray[np.uint8], size: int, classes: int
) -> Probabilities:
    """Probabilities (n, classes) of crops (n, h, w, 3), predicted in batches of `size`."""
    batches = predict(predictor, seen, size, classes)
    return np.concatenate([batch.probabilities for batch in batches])


def in_fresh_processes(
    title: str, function: Callable[[Any], Iterator[Any]], tests: Sequence[Any], each: int = 0
) -> list[Any]:
    """Run a function for each test in a new process, with a bar; return all yielded values.

    Args:
        title: title of the bar.
        function: function of a test; it can be imported by name.
        tests: the tests, one for each process.
        each: number of values that the function yields for a test; 0 if unknown.

    Raises:
        BenchmarkError: a test failed; the message has its output.
    """
    found = []
    temporary.remove_left_over()
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
