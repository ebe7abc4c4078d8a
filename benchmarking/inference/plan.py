"""The plan of a sweep: models, pictures, store and options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from benchmarking.errors import BenchmarkError, StoreError, not_installed
from benchmarking.inference.ahead import first_preparation
from benchmarking.inference.compiled import can_be_compiled
from benchmarking.inference.crop_sharing import CropCache, crops_shared
from benchmarking.inference.devices import (
    EXPECTED_GPU,
    Gpu,
    check_distinct,
    checked_gpus,
    is_gpu,
)
from benchmarking.inference.events import AlreadyStored, Event
from benchmarking.inference.executors import executors, is_remote, placed
from benchmarking.inference.executors._ahead import Ahead
from benchmarking.inference.job import Job, Keep
from benchmarking.inference.reading import Reading, crop_together
from benchmarking.inference.record import check_same_file
from benchmarking.inference.sweep import Sweep
from benchmarking.io import files
from benchmarking.io.files import in_bytes
from benchmarking.io.prefetch import cores
from benchmarking.io.progress import notice
from benchmarking.io.user_folders import expanded
from benchmarking.models.available import Available, available
from benchmarking.models.backends import TENSORFLOW, other_backends
from benchmarking.models.frameworks import NO_GPU, keras
from benchmarking.models.frameworks._compiled import COMPILERS
from benchmarking.models.sources import precisions_of
from benchmarking.models.sources.model_file import note_on
from benchmarking.models.spec import ModelSpec
from benchmarking.pictures.image_set import ImageSet
from benchmarking.pictures.read_before import ReadBefore
from benchmarking.pictures.reading import OnBadImage
from benchmarking.pictures.recipe import Preprocessing
from benchmarking.pictures.sets import Contents
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_index import kept_apart
from benchmarking.predictions.store import Store, bytes_needed

RANDOM_SEED = 0
"""Seed of random weights, so that they are the same in every run."""

Models = str | Sequence[str]


@dataclass(frozen=True)
class Options:
    """How models are run; the defaults suit most runs.

    Attributes:
        recipe: name of each model's recipe: "published", "published-test-size" for those that timm
            evaluates at two sizes, or "northcutt2019" for those of 2019.
        batch_size: pictures per forward pass; None uses the framework's default for the device.
        gpu: number of a visible GPU; None uses the first one, else the CPU; -1 uses the CPU. With
            several numbers, (0, 1), or "all", each GPU has a worker: they share the models, and
            the pictures of the last ones. (-1, -1) are two workers on the CPU.
        workers: number of threads that decode pictures, in all; by default one for each core.
        weights_folder: folder with weight files; None uses the folder of each framework.
        seed: seed of random weights; None uses the published weights.
        keep: "top5", or "all" for the probabilities of all classes.
        precision: precision of the forward pass; None uses the framework's default, float32.
        compiler: what compiles the forward pass of models of PyTorch: "torch" (torch.compile) or
            "onnxruntime"; used only for models whose first pictures it predicts as the plain model
            does. None runs models as they are.
        backend: backend of Keras, on which only models of Keras run: "tensorflow", "jax" or
            "torch"; None runs each model as it is listed, those of Keras on TensorFlow.
        executor: name of the executor; None uses the framework's default.
        address: where the executor runs: for "ray", the address of a cluster; None for its default
            place, for "ray" $RAY_ADDRESS or else this machine.
        crop_cache: folder in which crops are kept for later sweeps; "none" decodes for each model;
            None keeps them in the user's cache while models share them.
        timeout: seconds without output after which a model is stopped; None never stops it.
        again: whether complete stored runs are computed again.
    """

    recipe: str = "published"
    batch_size: int | None = None
    gpu: Gpu = None
    workers: int = field(default_factory=cores)
    weights_folder: Path | None = None
    seed: int | None = None
    keep: Keep = "top5"
    precision: str | None = None
    compiler: str | None = None
    backend: str | None = None
    executor: str | None = None
    address: str | None = None
    crop_cache: CropCache = None
    timeout: float | None = 3600
    again: bool = False

    def __post_init__(self) -> None:
        """Refuse invalid values, and convert text to paths.

        Raises:
            BenchmarkError: an option has an invalid value.
        """
        for name in ("weights_folder", "crop_cache"):
            value = getattr(self, name)
            if isinstance(value, str) and value != "none":
                object.__setattr__(self, name, expanded(value))
        if isinstance(self.gpu, list | tuple):
            numbers = tuple(self.gpu)
            object.__setattr__(self, "gpu", numbers[0] if len(numbers) == 1 else numbers)
        known = (TENSORFLOW, *other_backends())
        if self.precision == "float32":  # the default, which needs no separate store
            object.__setattr__(self, "precision", None)
        for name, is_right, wanted in (
            ("keep", self.keep in get_args(Keep), "'top5' or 'all'"),
            ("batch_size", _is_whole(self.batch_size, 1), "a whole number from 1 up, or None"),
            ("workers", self.workers is not None and _is_whole(self.workers, 1), "1 or more"),
            ("gpu", is_gpu(self.gpu), EXPECTED_GPU),
            ("seed", _is_whole(self.seed, 0), "a whole number from 0 up, or None"),
            ("timeout", self.timeout is None or self.timeout > 0, "seconds above 0, or None"),
            ("backend", self.backend in (None, *known), f"None or one of {', '.join(known)}"),
            (
                "compiler",
                self.compiler in (None, *COMPILERS),
                f"None or one of {', '.join(COMPILERS)}",
            ),
            ("weights_folder", isinstance(self.weights_folder, Path | None), "a folder, or None"),
            (
                "crop_cache",
                self.crop_cache == "none" or isinstance(self.crop_cache, Path | None),
                "a folder, 'none', or None",
            ),
        ):
            if not is_right:
                raise BenchmarkError(f"{name} is {getattr(self, name)!r}; expected {wanted}.")
        check_distinct(self.devices)

    @property
    def devices(self) -> tuple[int, ...]:
        """The GPUs that share the models, or -1 for each worker on the CPU; () if it is one."""
        return self.gpu if isinstance(self.gpu, tuple) else ()

    @property
    def apart(self) -> str:
        """Required suffix of the store's name; see `kept_apart`."""
        return kept_apart("published" if self.seed is None else "random", self.precision)


@dataclass(frozen=True)
class Plan:
    """A sweep before it starts.

    Attributes:
        specs: the models that can run.
        obstacles: for each other requested model, by its full name, why it cannot run.
        images: name of the image set.
        n: number of its pictures.
        store: the store for the runs.
        options: how the runs are computed.
        ahead: the process of the first model, which is started while pictures are read.
    """

    specs: tuple[ModelSpec, ...]
    obstacles: Mapping[str, BenchmarkError]
    images: str
    n: int
    store: Store
    options: Options
    ahead: Ahead = field(default_factory=Ahead, repr=False, compare=False)

    def on(self, images: ImageSet) -> Plan:
        """The same plan for the image set that remains after all pictures were read."""
        return replace(self, images=images.name, n=len(images))

    @property
    def recipes(self) -> tuple[Preprocessing, ...]:
        """The distinct recipes of these models."""
        return tuple(dict.fromkeys(spec.recipes[self.options.recipe] for spec in self.specs))

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs of these models, in their order."""
        return tuple(map(self.run, self.specs))

    def run(self, spec: ModelSpec) -> Run:
        """The identity of a model's run."""
        return Run(self.images, spec.source, spec.name, self.options.recipe)

    def size(self, specs: Sequence[ModelSpec]) -> int:
        """Largest size in bytes of the runs of these models."""
        classes = (spec.classes if self.options.keep == "all" else 0 for spec in specs)
        return sum(bytes_needed(self.n, classes=count) for count in classes)

    @property
    def missing(self) -> int:
        """Largest size in bytes of the runs that are not stored yet."""
        return self.size(self._not_stored)

    @property
    def _not_stored(self) -> list[ModelSpec]:
        return [s for s in self.specs if not self.store.has_file(self.run(s))]

    def read(
        self,
        contents: Contents,
        until: ExitStack,
        on_bad_image: OnBadImage = "stop",
        tell: Callable[[str], None] = notice,
        *,
        before: ReadBefore | None = None,
    ) -> tuple[Plan, ImageSet]:
        """The plan on the pictures that can be used; each is read once.

        Their crops are kept for the runs that have not begun, as far as there is room. A partial
        run needs only some crops, and the check is faster without them. Meanwhile the process
        of the first model imports its libraries.

        Args:
            contents: the pictures that were planned.
            until: crops are removed, and that process is ended, when this stack closes.
            on_bad_image: see `open_images`.
            tell: called with messages for the user.
            before: pictures that were read before for the same models; see `Reading`.

        Raises:
            PictureError: some pictures cannot be used and must not be skipped, or none can.
        """
        until.callback(self.ahead.close)
        if not self.options.devices:  # the processes of several devices are started by threads
            todo = self.specs if self.options.again else self._not_stored
            self.ahead.prepare(first_preparation(todo, self.options.executor))
        reading = Reading(
            self.recipes,
            self._missing,
            self.crop_cache,
            self.options.workers,
            on_bad_image,
            before,
            tell,
        )
        images = reading.read(self.images, contents, until)
        return self.on(images), images

    @property
    def _missing(self) -> list[Preprocessing]:
        """The distinct recipes of the runs that have not begun."""
        missing = (
            spec.recipes[self.options.recipe]
            for spec in self.specs
            if self.options.again or not self.store.has_begun(self.run(spec))
        )
        return list(dict.fromkeys(missing))

    @property
    def crop_cache(self) -> CropCache:
        """Where crops are kept; nowhere if models run on other machines, which cannot read them."""
        name = self.options.executor
        return "none" if name and is_remote(executors()[name]) else self.options.crop_cache

    def check_room(self) -> None:
        """See `check_room`."""
        check_room([self])

    def jobs(self, images: ImageSet) -> list[Job]:
        """A job for each model that can run."""
        options = self.options
        return [
            Job(
                self.run(spec),
                spec,
                images.pictures,
                options.batch_size,
                options.gpu if isinstance(options.gpu, int) else None,
                options.workers,
                weights_folder=options.weights_folder,
                seed=options.seed,
                classes=images.restricted_to,
                keep=options.keep,
                precision=options.precision,
                compiler=options.compiler,
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
        """Predict and store the runs that are not stored yet, and yield events.

        Args:
            images: the pictures, with the name and number of the plan.
            arguments: arguments of the command, to be recorded.
            tell: called with messages for the user.

        Raises:
            BenchmarkError: the store holds other pictures under this name, or cannot be written.
        """
        self.store.admit(images)
        options = self.options
        jobs = self.jobs(images)
        if not options.again:
            for job in jobs:
                check_same_file(job, images, self.store)
        sweep = Sweep(
            images,
            self.store,
            arguments=arguments,
            again=options.again,
            timeout=options.timeout,
            executor=options.executor,
            address=options.address,
            devices=options.devices,
            notice=tell,
            ahead=self.ahead,
        )
        wanted = self._missing
        todo = []
        for job in jobs:
            if options.again or not sweep.has(job):
                todo.append(job)
                continue
            sweep.tidy(job)
            yield AlreadyStored(job, self.store.provenance(job.run).started)
        with ExitStack() as stack:
            crop_together(images, wanted, self.crop_cache, options.workers, stack, tell)
            sharing = crops_shared(todo, images, self.crop_cache, tell)
            shared = stack.enter_context(sharing)
            yield from stack.enter_context(closing(sweep.run(shared)))


def check_room(plans: Sequence[Plan]) -> None:
    """Check that the store of these plans can be written and its disk has space for all of them.

    Raises:
        BenchmarkError: it cannot be written, or the space is too small.
    """
    folder = plans[0].store.folder
    needed = sum(one.missing for one in plans)
    files.check_writable(folder)
    if files.free(folder) < needed:
        raise StoreError(
            f"the disk of {folder} has {in_bytes(files.free(folder))} free; these runs need up to "
            f"{in_bytes(needed)}. Make room, or name another folder with --store."
        )


def plan(
    models: Models,
    images: str,
    n: int,
    store: Store,
    options: Options,
    tell: Callable[[str], None] = notice,
    *,
    own: Sequence[ModelSpec] = (),
    find: Callable[..., Available] = available,
) -> Plan:
    """Plan a sweep of models over n pictures of an image set.

    Args:
        models: names, wildcards, frameworks, sources or "source/name"; empty for all whose weights
            are available, or for the checkpoints alone.
        images: name of the image set.
        n: number of its pictures.
        store: the store for the runs.
        options: how the runs are computed.
        tell: called with messages about downloads and about names that match several models.
        own: specs of the user's own checkpoints and model files.
        find: divides the models into those that can run and the others: `available`, which
            downloads missing weights, or `without_downloads`.

    Raises:
        BenchmarkError: a name is unknown, no model can run, the store cannot be reached, or its
            name lacks the suffix that these options require.
    """
    if not store.folder.name.endswith(options.apart):
        raise StoreError(
            f"runs with random weights or in fewer bits are kept apart from others; use a store "
            f"whose name says so, such as {store.folder.name}{options.apart}."
        )
    check_executor(options)
    _check_own(own, options)
    store.refresh(images)
    found = find(
        [models] if isinstance(models, str) else models,
        options.recipe,
        own=own,
        weights_folder=options.weights_folder,
        needs_weights=options.seed is None,
        backend=options.backend,
        tell=tell,
    )
    _check_precision(options.precision, found.specs)
    _check_compiler(options)
    if options.compiler is not None and (said := _not_compiled(options.compiler, found.specs)):
        tell(said)
    gpu = checked_gpus(options.gpu, found.specs, options.executor, tell)
    for note in filter(None, map(note_on, own)):
        tell(note)
    on_tensorflow = any(spec.framework == keras.NAME for spec in found.specs)
    if on_tensorflow and options.backend is None and (said := keras.overridden()):
        tell(said)
    return Plan(found.specs, found.obstacles, images, n, store, replace(options, gpu=gpu))


def _is_whole(value: object, least: int) -> bool:
    """Whether a value is None or a whole number from `least` up."""
    return value is None or (type(value) is int and value >= least)


def check_executor(options: Options) -> None:
    """Refuse an unknown executor, and what it cannot do, before any picture is read."""
    known, name = executors(), options.executor
    if name is not None and name not in known:
        raise BenchmarkError(f"there is no executor {name!r}; there are {', '.join(known)}.")
    if name is None:
        if options.address is not None:
            raise BenchmarkError(
                f"the address {options.address!r} is for an executor on other machines; name it "
                "too, as in --executor ray (executor='ray' in Python)."
            )
        return
    placed(known[name], options.address)
    if not is_remote(known[name]):
        return
    if options.gpu not in (None, NO_GPU):
        raise BenchmarkError(
            f"executor {name!r} gives each task a GPU of its node; leave out the GPU "
            f"{options.gpu!r}, or choose the CPU (--gpu cpu, gpu=-1 in Python)."
        )
    if isinstance(options.crop_cache, Path):
        raise BenchmarkError(
            f"executor {name!r} runs on other machines, which cannot read crops in "
            f"{options.crop_cache}; leave out the folder for crops."
        )


def _check_own(own: Sequence[ModelSpec], options: Options) -> None:
    """Refuse the user's own files with random weights or on a backend, and two of one name."""
    what = "checkpoint" if own and own[0].architecture else "model file"
    if own and options.backend is not None:
        raise BenchmarkError(
            f"a {what} runs in the framework of its architecture; leave out the backend, which is "
            "for listed models of Keras."
        )
    if own and options.seed is not None:
        raise BenchmarkError(
            f"a {what} has its own weights; leave out the random ones (--weights, or seed=)."
        )
    for name, n in Counter(spec.full_name for spec in own).items():
        if n > 1:
            raise BenchmarkError(
                f"{n} files would be named {name!r}; run them one by one, each with a name."
            )


def _check_compiler(options: Options) -> None:
    """Refuse a compiler that is not installed, or with another precision than float32."""
    if options.compiler is None:
        return
    if options.precision is not None:
        raise BenchmarkError(
            f"models are compiled in float32 only; leave out precision {options.precision!r}, or "
            f"the compiler {options.compiler!r}."
        )
    needed = {"onnxruntime": ("onnx", "onnxruntime", "onnxscript")}.get(options.compiler, ())
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise not_installed(missing[0], "onnx")


def _not_compiled(compiler: str, specs: Sequence[ModelSpec]) -> str:
    """A note on the models that a compiler leaves as they are; empty if there are none."""
    names = [spec.full_name for spec in specs if not can_be_compiled(spec)]
    if not names:
        return ""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return (
        f"note: {compiler} compiles models of PyTorch in float32 only, not {names[0]}{more}; Keras "
        "compiles its models anyway"
    )


def _check_precision(precision: str | None, specs: Sequence[ModelSpec]) -> None:
    """Refuse a precision in which none of these models can be computed."""
    known = sorted({name for spec in specs for name in precisions_of(spec)})
    if precision is not None and precision not in known:
        raise BenchmarkError(
            f"none of these models can be computed in {precision!r}; they have {', '.join(known)}."
        )
