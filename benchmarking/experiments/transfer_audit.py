"""What the difference between two trainings consists of: one factor at a time from one plan."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.errors import BenchmarkError
from benchmarking.experiments import Grid, Model, Outcome, Setup
from benchmarking.experiments._arguments import add_weights, whole_number
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from benchmarking.experiments.transfer.audited import Effect
    from benchmarking.experiments.transfer.factors import Setting, Variant
    from benchmarking.experiments.transfer.task import Task

NAME = "transfer"
HELP = "why does the same backbone transfer better elsewhere: which choice makes the difference?"
PICTURES = 0

_HEADINGS = (
    *("Factor", "Value", "Acc@1", "Difference [95 % interval]", "p", "Loss", "Loss difference"),
    *("Top-1 changed", "Max |Δp|", "Max |Δloss| of a step", "Moved"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the experiment."""
    add = parser.add_argument
    add("models", nargs=1, metavar="MODEL", help="as in 'predict --models'")
    for name, what in (("train", "training"), ("validation", "validation")):
        add(
            name,
            type=expanded,
            metavar=name.upper(),
            help=f"folder with a folder of {what} pictures for each class",
        )
    add(
        "--factors",
        nargs="+",
        default=["*"],
        metavar="FACTOR",
        help="only these, with wildcards, such as 'scaling*' (default: all)",
    )
    add(
        "--head-in",
        choices=("pytorch", "keras"),
        help="framework that trains the head (default: that of the model)",
    )
    _add_training(parser)
    add_weights(parser)
    add(
        "--store",
        type=expanded,
        metavar="DIR",
        help="features and heads go into DIR-transfer, as in 'transfer'",
    )


def run(setup: Setup) -> Outcome:
    """Train the reference and every variant of each model, and compare them."""
    from benchmarking.experiments.transfer.verbs import Machine, folder_of, open_task

    options = setup.options
    machine = Machine(
        options["weights"], options["weights_dir"], options["gpu"], options["workers"]
    )
    folder = folder_of(options["store"], machine)
    task = open_task(options["train"], options["validation"], machine)
    grids, written, notes, parted = [], [["Model", *_HEADINGS]], [], False
    for model in setup.models:
        found = _effects(model, task, folder, setup)
        lines = [_line(one) for one in found]
        name = model.spec.full_name
        grids.append(Grid(_about(name, task, found[0].n), [_HEADINGS, *lines], left=2))
        written += [[name, *line] for line in lines]
        for one in found:
            if one.factor == "framework of the head" and one.flips:
                parted = True
                notes.append(f"{name}: one plan gave {one.flips} other predictions in {one.value}")
    return Outcome(tuple(grids), written, tuple(notes), changed=parted)


def reference_of(model: Model, task: Task, setup: Setup) -> Setting:
    """The setting that variants are compared with: "same", squashed, with augmentation.

    Raises:
        BenchmarkError: the model has no published recipe, or an option is out of range.
    """
    from benchmarking.experiments.transfer.augmentation import Augmentation
    from benchmarking.experiments.transfer.factors import Setting
    from benchmarking.experiments.transfer.networks import network_of, recipe_of
    from benchmarking.experiments.transfer.plan import Training

    options = setup.options
    recipe = recipe_of(model.spec, "squash")
    return Setting(
        task,
        recipe,
        recipe,
        Augmentation(draws=options["augment"]),
        Training(options["head"], options["epochs"], options["batch_size"]),
        options["head_in"] or network_of(model.spec).NAME,
    )


def chosen(found: Sequence[Variant], patterns: Sequence[str]) -> list[Variant]:
    """The reference, and the variants whose factor fits one of the patterns.

    Raises:
        BenchmarkError: a pattern fits no factor.
    """
    reference, *others = found
    names = list(dict.fromkeys(one.factor for one in others))
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise BenchmarkError(f"no factor fits {pattern!r}; there are {', '.join(names)}.")
    fitting = [
        one for one in others if any(fnmatchcase(one.factor, pattern) for pattern in patterns)
    ]
    return [reference, *fitting]


def _effects(model: Model, task: Task, folder: Path, setup: Setup) -> list[Effect]:
    """The reference, then the other variants, the most harmful first."""
    from benchmarking.experiments.transfer.audited import effects, work_of_variant
    from benchmarking.experiments.transfer.factors import variants
    from benchmarking.experiments.transfer.networks import recipe_of
    from benchmarking.experiments.transfer.sweep import finished

    known = recipe_of(model.spec, "shorter-side").resize
    shorter = known if isinstance(known, int) else min(known)
    reference = reference_of(model, task, setup)
    every = variants(reference, shorter, model.spec.framework)
    some = chosen(every, setup.options["factors"])
    works = [work_of_variant(one, model, setup.options["seed"], folder) for one in some]
    first, *others = effects(some, finished(works, {}, folder).results)
    return [first, *sorted(others, key=lambda one: (one.difference, -one.probability))]


def _add_training(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--head", type=whole_number(0), default=128, metavar="WIDTH", help="default: %(default)s")
    add("--epochs", type=whole_number(1), default=3, metavar="N", help="default: %(default)s")
    add("--batch-size", type=whole_number(1), default=32, metavar="N", help="default: %(default)s")
    add("--seed", type=whole_number(0), default=0, metavar="N", help="default: %(default)s")
    add(
        "--augment",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="versions of each training picture, with shear, zoom and flip (default: %(default)s)",
    )


def _about(name: str, task: Task, n: int) -> str:
    return (
        f"{name} on {task.name}: {len(task.classes)} classes, {len(task.train)} training and {n} "
        "validation pictures; each line changes one factor of the first"
    )


def _line(effect: Effect) -> list[str]:
    low, high = (100 * end for end in effect.interval)
    changes = [
        f"{100 * effect.difference:+.2f} [{low:+.2f}, {high:+.2f}]",
        f"{effect.p_value:.2g}",
        f"{effect.loss:.4f}",
        f"{effect.loss_difference:+.4f}",
        f"{effect.flips}",
        f"{effect.probability:.1e}",
        "" if math.isnan(effect.step) else f"{effect.step:.1e}",
        f"{effect.changed}",
    ]
    if effect.factor == "reference":
        changes = ["", "", f"{effect.loss:.4f}", "", "", "", "", f"{effect.changed}"]
    return [effect.factor, effect.value, f"{100 * effect.accuracy:.2f}", *changes]
