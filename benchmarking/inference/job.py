"""Jobs: runs to compute, as data that any process can read, and their results."""

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
    """The environment that a model runs in, known once the model is loaded.

    Attributes:
        weights_sha256: sha256 of the weight file; empty for random weights.
        versions: versions of every library that could change the predictions.
        device: title of the device.
        precision: precision of the forward pass.
        batch_size: pictures per forward pass.
        process_id: the process that runs the model.
        uncompiled: why the model is not compiled, although it was to be; else empty.
    """

    weights_sha256: str
    versions: dict[str, str]
    device: str
    precision: str
    batch_size: int
    process_id: int
    uncompiled: str = ""

    def differences(self, earlier: Environment, *, may_shrink: bool) -> list[str]:
        """Names of fields whose difference means that earlier rows have to be computed again.

        Args:
            earlier: the environment of the earlier rows.
            may_shrink: whether the batch size may be smaller than before, as after a model ran out
                of memory.
        """
        shrunk = may_shrink and self.batch_size < earlier.batch_size
        free = {"process_id", "uncompiled", *(["batch_size"] if shrunk else [])}
        return [
            name
            for name, value in vars(self).items()
            if name not in free and value != getattr(earlier, name)
        ]


@dataclass(frozen=True)
class Done:
    """Rows that an earlier attempt has computed, and their environment."""

    rows: range
    environment: Environment


@dataclass(frozen=True, repr=False)
class Job:
    """A run to compute.

    Attributes:
        run: source, model, recipe and image set.
        spec: spec of the model, so that no process has to look it up.
        pictures: pictures to predict, in order.
        batch_size: pictures per forward pass; None uses the framework's default for the device.
        gpu: number of a visible GPU; None uses the first one, else the CPU; -1 uses the CPU.
        workers: number of threads that decode pictures.
        weights_folder: folder with the weights; None uses the folder of the framework.
        seed: seed of random weights; None uses the published weights.
        classes: the classes that the image set declares if they are fewer than ImageNet's; the
            best five of these are kept too. () for all.
        keep: "top5" keeps the five most probable classes of each picture, "all" also the
            probabilities of all classes.
        precision: precision of the forward pass; None uses the framework's default.
        compiler: name of what compiles the forward pass; None runs the model as it is.
        crops: the file that caches the crops; None decodes them for this job only.
        may_shrink: whether the batch size was reduced after memory ran out.
        done: rows that earlier attempts have computed, in order and without overlap.
        incidents: events of earlier attempts, in words.
        fingerprint: fingerprint of its image set, by which other machines check their copies of the
            pictures; empty if it is not known.
        only: rows in which the batches begin that this process has to compute; None for all. Others
            compute the rest.
    """

    run: Run
    spec: ModelSpec
    pictures: tuple[Picture, ...]
    batch_size: int | None
    gpu: int | None
    workers: int
    weights_folder: Path | None = None
    seed: int | None = None
    classes: tuple[int, ...] = ()
    keep: Keep = "top5"
    precision: str | None = None
    compiler: str | None = None
    crops: CropFile | None = None
    may_shrink: bool = False
    done: tuple[Done, ...] = ()
    incidents: tuple[str, ...] = ()
    fingerprint: str = ""
    only: range | None = None

    def __repr__(self) -> str:
        return f"<Job {self.run}>"

    @property
    def recipe(self) -> Preprocessing:
        """The preprocessing of its pictures."""
        return self.spec.recipes[self.run.recipe]

    @property
    def rows(self) -> range:
        """The rows that this process has to compute, unless earlier attempts have."""
        return range(len(self.pictures)) if self.only is None else self.only

    def missing(self, environment: Environment) -> list[range]:
        """Ranges of rows that this process has to compute in this environment, in order.

        They are the batches of the whole run that begin in `rows`. So slices never cut a batch,
        and together have all batches, even if their size is no multiple of the batch size, which
        may be known only to the loaded model.
        """
        missing, start = [], 0
        for done in self.done:
            if not environment.differences(done.environment, may_shrink=self.may_shrink):
                missing.append(range(start, done.rows.start))
                start = done.rows.stop
        missing.append(range(start, len(self.pictures)))
        begun_here = (self._begun_here(rows, environment.batch_size) for rows in missing)
        return [rows for rows in begun_here if rows]

    def _begun_here(self, rows: range, batch_size: int) -> range:
        """Those of consecutive rows whose batch begins in the rows of this process."""
        first, last = (
            rows.start + -(-max(0, edge - rows.start) // batch_size) * batch_size
            for edge in (self.rows.start, self.rows.stop)
        )
        return range(min(first, rows.stop), min(last, rows.stop))


@dataclass(frozen=True, eq=False)
class Part:
    """Predictions of consecutive pictures.

    Attributes:
        first: row of the first picture.
        input_shape: shape of the model's input.
        top: the five most probable classes of each picture.
        probabilities: (n, classes), or None if they are not kept.
        restricted: the five most probable of the classes that the image set declares; None if it
            has all of ImageNet's.
    """

    first: int
    input_shape: tuple[int, ...]
    top: TopK
    probabilities: Probabilities | None
    restricted: TopK | None = None

    @property
    def rows(self) -> range:
        """Rows of its pictures."""
        return range(self.first, self.first + len(self.top))
