"""Whole commands before and after a change: this checkout against another one, in turn.

Every process is new, and is measured from the start of its interpreter. Both checkouts use the same
Python, libraries and pictures; their stored predictions must be equal to the last bit. Models have
random weights of the same seed, but for the task `benchmark`, the command of `make benchmark`.

Usage: python benchmarks/before_after.py --against CHECKOUT [OUT.md] [--tasks T …] [--repeats N]
                                         [--pictures DIR] [--small]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from _measure import (
    IMAGES,
    Cost,
    chosen_pictures,
    cost,
    in_turn,
    linked,
    machine,
    middle,
    must_hold,
    options,
    publish,
    ratio,
    table,
)

from benchmarking.predictions.store import Store

HERE = Path(__file__).resolve().parents[1]
REPEATS, FEW = 3, 40
OF_KERAS = (  # those of 2019, with crops of 224, 299 and 331 pixels
    *("DenseNet121", "DenseNet169", "DenseNet201", "InceptionResNetV2", "InceptionV3"),
    *("MobileNet", "MobileNetV2", "NASNetLarge", "NASNetMobile", "ResNet50", "VGG16", "VGG19"),
    "Xception",
)


@dataclass(frozen=True)
class Task:
    """A command that is measured.

    Attributes:
        title: what it does, in words.
        models: its models, with random weights; () for those of `make benchmark`.
        most: largest number of pictures.
    """

    title: str
    models: tuple[str, ...] = ()
    most: int = 500

    def arguments(self, pictures: Path, store: Path) -> Sequence[object]:
        """The arguments of the command."""
        if not self.models:
            return ["predict", "demo", "--store", store, "--again"]
        how = ["--weights", "random", "--again", "--gpu", "cpu", "--images", IMAGES]
        limit = ["--limit", self.most]
        return ["predict", pictures, "--store", store, *how, *limit, "--models", *self.models]


TASKS = {
    "one": Task("One PyTorch model", ("torchvision/squeezenet1_1",)),
    "three": Task(
        "Three PyTorch models",
        ("torchvision/squeezenet1_1", "torchvision/resnet18", "torchvision/alexnet"),
    ),
    "keras": Task("13 Keras models of three sizes", tuple(f"keras/{one}" for one in OF_KERAS), FEW),
    "benchmark": Task("make benchmark: six models, 20 pictures"),
}


def check_checkout(folder: Path) -> None:
    """Check that a process with this path uses the package of this checkout."""
    code = "import benchmarking; print(benchmarking.__file__)"
    command = [sys.executable, "-P", "-c", code]
    found = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(folder)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    used = Path(found.stdout.strip()).resolve()
    if folder not in used.parents:
        raise SystemExit(f"{folder} is no checkout: Python imports {used} with it")


def measured(
    task: Task, checkouts: Mapping[str, Path], pictures: Path, work: Path, repeats: int
) -> dict[str, list[Cost]]:
    """Costs of a task by each checkout, in turn; the stored predictions must be equal."""

    def way(name: str, checkout: Path) -> Callable[[], Cost]:
        python = [sys.executable, "-P", "-m", "benchmarking"]
        command = [*python, *task.arguments(pictures, work / name)]
        environment = {"PYTHONPATH": str(checkout), "XDG_CACHE_HOME": str(work / "cache")}
        return lambda: cost(command, environment)

    found = in_turn({name: way(name, path) for name, path in checkouts.items()}, repeats)
    ending = "-random" if task.models else ""
    before, after = (Store(work / f"{name}{ending}") for name in checkouts)
    (images,) = before.image_sets()
    runs = before.runs(images)
    must_hold(list(runs) == list(after.runs(images)), f"{task.title}: other runs are stored")
    for run in runs:
        one, other = before.read(run), after.read(run)
        same = (one.classes == other.classes).all() and (
            one.probabilities == other.probabilities
        ).all()
        must_hold(bool(same), f"{task.title}: {run} is not the same")
    return found


def row(task: Task, found: dict[str, list[Cost]], n: int) -> list[str]:
    """A line of the table."""
    before, after = ([one.seconds for one in costs] for costs in found.values())
    used = [middle([one.processor for one in costs], 1) for costs in found.values()]
    title = f"{task.title}, {min(n, task.most)} pictures" if task.models else task.title
    return [title, middle(before, 1), middle(after, 1), f"{ratio(after, before):.2f}", *used]


def told(args: argparse.Namespace, checkouts: Mapping[str, Path]) -> list[str]:
    """Measure every task; the lines of the report."""
    repeats, rows = 1 if args.small else args.repeats, list[list[str]]()
    with tempfile.TemporaryDirectory() as folder:
        chosen = chosen_pictures(args)
        linked(chosen, Path(folder) / "pictures", len(chosen))
        for name in args.tasks:
            task, work = TASKS[name], Path(folder) / name
            found = measured(task, checkouts, Path(folder) / "pictures", work, repeats)
            rows.append(row(task, found, len(chosen)))
            print(rows[-1], file=sys.stderr)  # in case it is stopped
    columns = ["Command", "Before, s", "After, s", "After / before"]
    return [
        f"Whole processes; median of {repeats} interleaved repeats (least-most), made by "
        "benchmarks/before_after.py. Equal predictions.",
        "",
        *table([*columns, "Before, CPU s", "After, CPU s"], rows),
    ]


def main() -> None:
    """Measure, and publish the results."""
    parser = options(__doc__)
    add = parser.add_argument
    add("--against", type=Path, required=True, metavar="CHECKOUT", help="the state before")
    add("--tasks", nargs="+", choices=TASKS, default=list(TASKS), help="what to measure (all)")
    add("--repeats", type=int, default=REPEATS, metavar="N", help=f"repeats ({REPEATS})")
    args = parser.parse_args()
    checkouts = {"before": args.against.resolve(), "after": HERE}
    for folder in checkouts.values():
        check_checkout(folder)
    heading = machine("torch", "tensorflow", "keras", "pillow")
    publish([heading, "", *told(args, checkouts)], args.out)


if __name__ == "__main__":
    main()
