"""What will run: which models on which pictures into which store, and how."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.inference.crop_sharing import CropCache, crops_shared
from benchmarking.inference.events import AlreadyStored, Event
from benchmarking.inference.executors import executors
from benchmarking.inference.job import Job, Keep
from benchmarking.inference.sweep import Sweep
from benchmarking.io import files
from benchmarking.io.files import in_bytes
from benchmarking.io.prefetch import cores
from benchmarking.io.progress import notice
from benchmarking.models.available import available
from benchmarking.models.sources import framework_of
from benchmarking.models.spec import ModelSpec
from benchmarking.pictures.image_set import ImageSet
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_index import kept_apart
from benchmarking.predictions.store import Store, bytes_needed

RANDOM_SEED = 0
"""Of random weights: the same ones in every run."""

Models = str | Sequence[str]


@dataclass(frozen=True)
class Options:
    """How models are run; the defaults suit most runs.

    Attributes:
        recipe: name of each model's recipe: "published", or "northcutt2019" for those of 2019.
        batch_size: pictures per forward pass; None takes the framework's own for the device.
        gpu: number of the GPU among those visible; None takes the first one, else the CPU; -1
            takes the CPU.
        workers: threads that decode pictures; by default one for each core.
        weights_folder: with the files of weights; None for where each framework keeps them.
        seed: of random weights, in place of the published ones; None for the published ones.
        keep: "top5", or "all" for the probabilities of all classes.
        precision: of the forward pass; None takes the framework's first, float32.
        executor: name of the executor; None takes the framework's own.
        crop_cache: folder in which crops are kept for later sweeps; "none" decodes for each model;
            None keeps them in the user's cache while models share them.
        timeout: seconds without any output after which a model is stopped; None waits.
        again: whether runs that are stored complete are computed again.
    """

    recipe: str = "published"
    batch_size: int | None = None
    gpu: int | None = None
    workers: int = field(default_factory=cores)
    weights_folder: Path | None = None
    seed: int | None = None
    keep: Keep = "top5"
    precision: str | None = None
    executor: str | None = None
    crop_cache: CropCache = None
    timeout: float | None = 3600
    again: bool = False

    def __post_init__(self) -> None:
        """Refuse values that mean nothing, and take text for paths.

        Raises:
            BenchmarkError: a value is none that the option can have.
        """
        for name in ("weights_folder", "crop_cache"):
            value = getattr(self, name)
            if isinstance(value, str) and value != "none":
                object.__setattr__(self, name, Path(value))
        if self.precision == "float32":  # every framework's own, which has no store apart
            object.__setattr__(self, "precision", None)
        for name, is_right, wanted in (
            ("keep", self.keep in get_args(Keep), "'top5' or 'all'"),
            ("batch_size", _is_whole(self.batch_size, 1), "a whole number from 1 up, or None"),
            ("workers", self.workers is not None and _is_whole(self.workers, 1), "1 or more"),
            ("gpu", _is_whole(self.gpu, -1), "a GPU's number, -1 for the CPU, or None"),
            ("seed", _is_whole(self.seed, 0), "a whole number from 0 up, or None"),
            ("timeout", self.timeout is None or self.timeout > 0, "seconds above 0, or None"),
            ("weights_folder", isinstance(self.weights_folder, Path | None), "a folder, or None"),
            (
                "crop_cache",
                self.crop_cache == "none" or isinstance(self.crop_cache, Path | None),
                "a folder, 'none', or None",
            ),
        ):
            if not is_right:
                raise BenchmarkError(f"{name} is {getattr(self, name)!r}; expected {wanted}.")

    @property
    def apart(self) -> str:
        """What the name of a store must end with that keeps such runs; see `kept_apart`."""
        return kept_apart("published" if self.seed is None else "random", self.precision)


@dataclass(frozen=True)
class Plan:
    """What will run.

    Attributes:
        specs: the models that can run.
        obstacles: why each other model that was asked for cannot, by its full name.
        images: name of the image set.
        n: number of its pictures.
        store: for the runs.
        options: how they are computed.
    """

    specs: tuple[ModelSpec, ...]
    obstacles: Mapping[str, BenchmarkError]
    images: str
    n: int
    store: Store
    options: Options

    def on(self, images: ImageSet) -> Plan:
        """The same plan for the pictures that were left when all had been read."""
        return replace(self, images=images.name, n=len(images))

    def run(self, spec: ModelSpec) -> Run:
        """The identity of a model's run."""
        return Run(self.images, spec.source, spec.name, self.options.recipe)

    def size(self, specs: Sequence[ModelSpec]) -> int:
        """Bytes that the runs of some models need at most."""
        classes = (spec.classes if self.options.keep == "all" else 0 for spec in specs)
        return sum(bytes_needed(self.n, classes=count) for count in classes)

    def check_room(self) -> None:
        """Refuse a store that cannot be written, or whose disk is too full for the missing runs.

        Raises:
            BenchmarkError: it is.
        """
        folder = self.store.folder
        needed = self.size([s for s in self.specs if not self.store.path(self.run(s)).exists()])
        files.check_writable(folder)
        if files.free(folder) < needed:
            raise StoreError(
                f"the disk of {folder} has {in_bytes(files.free(folder))} free; these runs need up "
                f"to {in_bytes(needed)}. Make room, or name another folder with --store."
            )

    def jobs(self, images: ImageSet) -> list[Job]:
        """A job for each model that can run."""
        options = self.options
        return [
            Job(
                self.run(spec),
                spec,
                images.pictures,
                options.batch_size,
                options.gpu,
                options.workers,
                weights_folder=options.weights_folder,
                seed=options.seed,
                keep=options.keep,
                precision=options.precision,
            )
            for spec in self.specs
        ]

    def sweep(
        self,
        images: ImageSet,
        *,
        arguments: tuple[str, ...] = (),
        tell: Callable[[str], None] = notice,
    ) -> Generator[Event, None, None]:
        """Predict and store what is not stored yet; yields events.

        Args:
            images: the pictures, of the plan's name and number.
            arguments: of the command, to be recorded.
            tell: is told what a user should know meanwhile.

        Raises:
            BenchmarkError: the store holds other pictures under this name, or cannot be written.
        """
        self.store.admit(images)
        options = self.options
        sweep = Sweep(
            images,
            self.store,
            arguments=arguments,
            again=options.again,
            timeout=options.timeout,
            executor=options.executor,
            notice=tell,
        )
        todo = []
        for job in self.jobs(images):
            if options.again or not sweep.has(job):
                todo.append(job)
                continue
            sweep.tidy(job)
            yield AlreadyStored(job, self.store.provenance(job.run).started)
        with (
            crops_shared(todo, images, options.crop_cache, tell) as sharing,
            closing(sweep.run(sharing)) as events,
        ):
            yield from events


def plan(
    models: Models,
    images: str,
    n: int,
    store: Store,
    options: Options,
    tell: Callable[[str], None] = notice,
) -> Plan:
    """What will run: which models can, on n pictures of an image set, into a store.

    Args:
        models: names, wildcards, frameworks, sources or "source/name"; empty for all whose weights
            are available.
        images: name of the image set.
        n: number of its pictures.
        store: for the runs.
        options: how they are computed.
        tell: is told of downloads, and of names that mean several models.

    Raises:
        BenchmarkError: a name is unknown, no model can run, or the store is not for such runs.
    """
    if not store.folder.name.endswith(options.apart):
        raise StoreError(
            f"runs with random weights or in fewer bits are kept apart from others; use a store "
            f"whose name says so, such as {store.folder.name}{options.apart}."
        )
    _check_executor(options.executor)
    found = available(
        [models] if isinstance(models, str) else models,
        options.recipe,
        weights_folder=options.weights_folder,
        needs_weights=options.seed is None,
        tell=tell,
    )
    _check_precision(options.precision, found.specs)
    return Plan(found.specs, found.obstacles, images, n, store, options)


def _is_whole(value: object, least: int) -> bool:
    """Whether a value is None or a whole number from `least` up."""
    return value is None or (type(value) is int and value >= least)


def _check_executor(name: str | None) -> None:
    """Refuse an executor that there is not, before any picture is read."""
    known = executors()
    if name is not None and name not in known:
        raise BenchmarkError(f"there is no executor {name!r}; there are {', '.join(known)}.")


def _check_precision(precision: str | None, specs: Sequence[ModelSpec]) -> None:
    """Refuse a precision that no framework of these models has."""
    known = sorted({name for spec in specs for name in framework_of(spec).PRECISIONS})
    if precision is not None and precision not in known:
        raise BenchmarkError(
            f"none of these models can be computed in {precision!r}; they have {', '.join(known)}."
        )
