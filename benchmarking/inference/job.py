"""Jobs: runs to compute, by names alone, and what comes back of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from benchmarking.crops import CropFile
from benchmarking.image_sets import Picture
from benchmarking.predictions import TopK
from benchmarking.specs import Probabilities, Run

Keep = Literal["top5", "all"]


@dataclass(frozen=True)
class Setting:
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

    def goes_on_from(self, earlier: Setting) -> bool:
        """Whether answers made under an earlier setting can be gone on with under this one.

        All must be equal, but that a batch may be smaller than it was: of a model that ran out of
        memory.
        """
        like_now = replace(earlier, batch_size=self.batch_size, process_id=self.process_id)
        return like_now == self and self.batch_size <= earlier.batch_size


@dataclass(frozen=True)
class Begun:
    """What an interruption has left of a run: answers to the first rows, and their setting."""

    rows: int
    setting: Setting


@dataclass(frozen=True)
class Job:
    """A run to compute, by names alone, so that any process can load the model itself.

    Attributes:
        run: source, model, recipe and image set.
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
        begun: where an earlier attempt got to.
        incidents: what happened to earlier attempts, in words.
    """

    run: Run
    pictures: tuple[Picture, ...]
    batch_size: int | None
    gpu: int | None
    workers: int
    weights_folder: Path | None = None
    seed: int | None = None
    keep: Keep = "top5"
    precision: str | None = None
    crops: CropFile | None = None
    begun: Begun | None = None
    incidents: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Part:
    """What a model said of consecutive pictures.

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
