"""The Python function that trains heads and compares them, as the command does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from benchmarking.errors import BenchmarkError, PictureError
from benchmarking.experiments import Model
from benchmarking.experiments.transfer.augmentation import Augmentation
from benchmarking.experiments.transfer.folders import open_folders
from benchmarking.experiments.transfer.plan import Training
from benchmarking.experiments.transfer.protocols import Options, with_installed_heads
from benchmarking.experiments.transfer.sweep import Sweep, sweep
from benchmarking.experiments.transfer.tables import Tables, tables_of
from benchmarking.experiments.transfer.task import Task
from benchmarking.inference.plan import RANDOM_SEED
from benchmarking.io.prefetch import cores
from benchmarking.io.progress import notice
from benchmarking.io.user_folders import expanded
from benchmarking.models.available import available
from benchmarking.models.sources.checkpoint import spec_of_checkpoint
from benchmarking.predictions.run_index import beside, kept_apart, own_folder

LEARNING_RATES: Mapping[str, float] = {"adam": 0.001, "own-adam": 0.001, "sgd": 0.01}
"""Default learning rates of Keras and, for Adam, of PyTorch."""

Models = str | Sequence[str]


@dataclass(frozen=True)
class Machine:
    """Where weights come from and where models run.

    Attributes:
        weights: "published", or "random" to test the pipeline without files of weights.
        weights_folder: folder with weight files; None for the folder of each framework.
        gpu: number of the GPU that computes features; None for the first one, else the CPU; -1 for
            the CPU. Heads are trained on the CPU.
        workers: number of threads that decode pictures; 0 for one for each core.
        checkpoints: files with weights of your own, each with the listed model whose architecture
            it has, such as ("mine.pth", "torchvision/resnet50").
    """

    weights: str = "published"
    weights_folder: Path | None = None
    gpu: int | None = None
    workers: int = 0
    checkpoints: tuple[tuple[Path | str, str], ...] = ()

    @property
    def seed(self) -> int | None:
        """Seed of random weights; None for published weights."""
        return RANDOM_SEED if self.weights == "random" else None


def transfer(
    train: str | Path,
    validation: str | Path,
    models: Models = (),
    store: str | Path | None = None,
    **options: Any,
) -> Tables:
    """Train a new head on frozen backbones, in PyTorch and in Keras, and compare the results.

    Heads and features that are stored already are used again.

    Args:
        train: folder with a folder of training pictures for each class.
        validation: folder with the same class folders, of validation pictures.
        models: a name, wildcard, framework or source, or several; empty for all whose weights are
            available.
        store: folder whose name, with "-transfer" added, gets features and heads; None for one in
            your user data.
        options: fields of `Options`, `Training`, `Augmentation` and `Machine` by name, except that
            `augment` is the number of draws; and `per_class`, the number of training pictures to
            draw of each class, and `name` of the task.

    Raises:
        BenchmarkError: a name or value is unknown, the pictures cannot be used, no model can run,
            or a stored file was made from something else.
    """
    per_class, name = options.pop("per_class", None), options.pop("name", None)
    chosen, machine = choices(options)
    task = open_task(train, validation, machine, per_class=per_class, name=name)
    return transferred([task], models, folder_of(store, machine), chosen, machine)[0]


def choices(options: Mapping[str, Any]) -> tuple[Options, Machine]:
    """Options of a sweep and of the machine, from their fields by name.

    Raises:
        BenchmarkError: there is no such option, or its value is unknown or out of range.
    """
    given = {"draws" if name == "augment" else name: value for name, value in options.items()}
    parts: dict[type, dict[str, Any]] = {}
    for kind in (Options, Training, Augmentation, Machine):
        names = {one.name for one in fields(kind)} & given.keys()
        parts[kind] = {name: given.pop(name) for name in names}
    if given:
        name = next(iter(given))
        known = [one.name for kind in parts for one in fields(kind)]
        close = get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else f" There are {', '.join(known)}."
        raise BenchmarkError(f"there is no option {name!r}.{hint}")
    training = parts[Training]
    if training.get("learning_rate") is None:
        training["learning_rate"] = LEARNING_RATES.get(training.get("optimizer", "adam"), 0.001)
    parts[Options].setdefault("training", Training(**training))
    parts[Options].setdefault("augmentation", Augmentation(**parts[Augmentation]))
    machine = Machine(**parts[Machine])
    if machine.weights_folder is not None:
        machine = replace(machine, weights_folder=expanded(machine.weights_folder))
    return Options(**parts[Options]), replace(machine, workers=machine.workers or cores())


def open_task(
    train: str | Path,
    validation: str | Path,
    machine: Machine,
    *,
    per_class: int | None = None,
    name: str | None = None,
    tell: Callable[[str], None] = notice,
) -> Task:
    """The task of two folders of class folders; remarks are told.

    Raises:
        PictureError: the pictures cannot be used; see `open_folders`.
    """
    found = open_folders(
        train, validation, per_class=per_class, name=name, workers=machine.workers or cores()
    )
    for remark in found.remarks:
        tell(remark)
    return found.task


def folder_of(store: str | Path | None, machine: Machine) -> Path:
    """The folder for features and heads, beside the store of predictions.

    Those of random weights have a folder of their own.
    """
    apart = f"{kept_apart(machine.weights, None)}-transfer"
    return beside(own_folder() if store is None else expanded(store), apart)


def transferred(
    tasks: Sequence[Task],
    models: Models,
    folder: Path,
    options: Options,
    machine: Machine,
    tell: Callable[[str], None] = notice,
) -> tuple[Tables, Sweep]:
    """Train every head of a sweep that is not stored yet; return the tables, and all results.

    Raises:
        BenchmarkError: see `transfer`.
    """
    for name, n in Counter(task.name for task in tasks).items():
        if n > 1:
            raise PictureError(f"{n} tasks are called {name!r}; give each a name of its own.")
    options = with_installed_heads(options, tell)
    own = [spec_of_checkpoint(file, architecture) for file, architecture in machine.checkpoints]
    if own and machine.seed is not None:
        raise BenchmarkError("a checkpoint has its own weights; leave out the random ones.")
    found = available(
        [models] if isinstance(models, str) else models,
        "published",
        own=own,
        weights_folder=machine.weights_folder,
        needs_weights=machine.seed is None,
        tell=tell,
    )
    chosen = [
        Model(spec, machine.gpu, machine.workers, machine.weights_folder, machine.seed)
        for spec in found.specs
    ]
    done = sweep(tasks, chosen, options, folder, tell)
    obstacles = {name: str(error) for name, error in found.obstacles.items()}
    done = replace(done, obstacles={**(obstacles if models else {}), **done.obstacles})
    return tables_of(done, tasks, options), done


def pairs_of(places: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield folders of training and of validation pictures, pair by pair.

    Raises:
        BenchmarkError: their number is odd.
    """
    if len(places) % 2:
        raise BenchmarkError(
            f"there are {len(places)} folders; give each folder of training pictures, and after it "
            "that of its validation pictures."
        )
    yield from zip(places[::2], places[1::2], strict=True)
