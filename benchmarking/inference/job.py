"""Jobs: runs to compute, as data that any process can read, and what comes back of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarking.models.spec import ModelSpec, Probabilities
from benchmarking.pictures.crop_cache import CropFile
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.recipe import Preprocessing
from benchmarking.predictions.run import Run
from benchmarking.predictions.top_k import TopK

Keep = Literal["top5", "all"]


@dataclass(frozen=True)
class Environment:
    """What a model runs on, known once it is loaded.

    Attributes:
        weights_sha256: of the file that the model was filled from; empty for random values.
        versions: of every library that could change the answer.
        device: title of the device.
        precision: of the forward pass.
        batch_size: pictures per forward pass.
        process_id: the process that runs the model.
    """

    weights_sha256: str
    versions: dict[str, str]
    device: str
    precision: str
    batch_size: int
    process_id: int

    def differences(self, earlier: Environment, *, may_shrink: bool) -> list[str]:
        """In what an earlier environment differs, so that its rows have to be computed again.

        Args:
            earlier: of rows that are kept.
            may_shrink: whether the batch may be smaller than it was, as after a model ran out of
                memory.
        """
        shrunk = may_shrink and self.batch_size < earlier.batch_size
        free = {"process_id", *(["batch_size"] if shrunk else [])}
        return [
            name
            for name, value in vars(self).items()
            if name not in free and value != getattr(earlier, name)
        ]


@dataclass(frozen=True)
class Done:
    """Rows that an earlier attempt has computed, and its environment."""

    rows: range
    environment: Environment


@dataclass(frozen=True, repr=False)
class Job:
    """A run to compute.

    Attributes:
        run: source, model, recipe and image set.
        spec: the model, so that no process has to look it up.
        pictures: what to predict, in order.
        batch_size: pictures per forward pass; None takes the framework's own for the device.
        gpu: number of the GPU among those visible; None takes the first one, else the CPU; -1
            takes the CPU.
        workers: threads that decode pictures.
        weights_folder: where the weights are; None looks where the framework keeps them.
        seed: of random weights, in place of the published ones; None for the published ones.
        keep: the five most probable classes of each picture, or the probabilities of all.
        precision: of the forward pass; None takes the framework's first.
        crops: where the crops are kept, or will be; None decodes them for this job alone.
        may_shrink: whether its batch is smaller than it was, since memory ran out.
        done: rows that earlier attempts have computed, in order and without overlap.
        incidents: what happened to earlier attempts, in words.
    """

    run: Run
    spec: ModelSpec
    pictures: tuple[Picture, ...]
    batch_size: int | None
    gpu: int | None
    workers: int
    weights_folder: Path | None = None
    seed: int | None = None
    keep: Keep = "top5"
    precision: str | None = None
    crops: CropFile | None = None
    may_shrink: bool = False
    done: tuple[Done, ...] = ()
    incidents: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Job {self.run}>"

    @property
    def recipe(self) -> Preprocessing:
        """How its pictures become model input."""
        return self.spec.recipes[self.run.recipe]

    def missing(self, environment: Environment) -> list[range]:
        """Ranges of the rows that have to be computed in an environment, in order."""
        missing, start = [], 0
        for done in self.done:
            if not environment.differences(done.environment, may_shrink=self.may_shrink):
                missing.append(range(start, done.rows.start))
                start = done.rows.stop
        missing.append(range(start, len(self.pictures)))
        return [rows for rows in missing if rows]


@dataclass(frozen=True, eq=False)
class Part:
    """Predictions of consecutive pictures.

    Attributes:
        first: row of the first of them.
        input_shape: of the crops that the model was given.
        top: the five most probable classes of each.
        probabilities: (n, classes), or None where they are not kept.
    """

    first: int
    input_shape: tuple[int, ...]
    top: TopK
    probabilities: Probabilities | None

    @property
    def rows(self) -> range:
        """Of its pictures."""
        return range(self.first, self.first + len(self.top))
