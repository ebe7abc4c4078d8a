"""Speed: the same work in several frameworks and modes, each round in a fresh process.

A side is a model in one framework and mode. A scenario says what work is timed, one module each in
`scenarios`. Raw times are stored beside predictions; `scoring.speed` computes all that is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from benchmarking.experiments import Model
from benchmarking.models.spec import ModelSpec
from benchmarking.pictures.image_set import Picture
from benchmarking.predictions.speed_runs import Series

MODES = {
    "eager": "operation by operation, as the framework runs a model that was not compiled",
    "compiled": "torch.compile, tf.function without XLA, jax.jit, or ONNX Runtime",
    "xla": "tf.function with XLA",
    "onnxruntime": "the PyTorch model, exported to ONNX and run by ONNX Runtime",
}
"""Ways to run a model, each with its explanation."""


@dataclass(frozen=True)
class Side:
    """A model in one framework and mode.

    Attributes:
        spec: the model; its framework says on which backend it runs.
        mode: one of MODES.
        replica: 1 for the second measurement of the same side in an A/A run, else 0.
        network: name of what a scenario makes itself, with the same weights in every framework;
            "" for a model of a source.
    """

    spec: ModelSpec
    mode: str
    replica: int = 0
    network: str = ""

    @property
    def again(self) -> Side:
        """The same side, measured a second time."""
        return replace(self, replica=1)


@dataclass(frozen=True)
class Options:
    """What is the same for all sides of a comparison.

    Attributes:
        pictures: real pictures, for the work and to compare answers.
        threads: number of cores that a round may use, and of its threads.
        seconds: time for the timed calls of a round, and at most for its warm-up.
        precision: precision of the forward pass; None for each framework's default.
        gpu: see `inference.job.Job`.
        seed: seed of random weights; None for the published ones.
        weights_folder: see `inference.job.Job`.
        compiler_cache: folder for what torch.compile makes; None for the user's.
    """

    pictures: tuple[Picture, ...]
    threads: int
    seconds: float
    precision: str | None = None
    gpu: int | None = None
    seed: int | None = None
    weights_folder: Path | None = None
    compiler_cache: Path | None = None


@dataclass(frozen=True)
class Trial:
    """One round to measure; any process can run it.

    Attributes:
        scenario: name of the scenario.
        side: the side.
        batch_size: pictures per call.
        number: number of the round, from 1.
        place: its place in the order of all rounds of the comparison, from 1.
        options: what all sides share.
    """

    scenario: str
    side: Side
    batch_size: int
    number: int
    place: int
    options: Options

    @property
    def series(self) -> Series:
        """The identity of its rounds."""
        side, spec = self.side, self.side.spec
        return Series(
            self.scenario, spec.source, spec.name, side.mode, self.batch_size, side.replica
        )

    @property
    def model(self) -> Model:
        """The model with the source of its parameters."""
        options = self.options
        return Model(
            self.side.spec, options.gpu, options.threads, options.weights_folder, options.seed
        )
