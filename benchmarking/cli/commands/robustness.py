"""Score stored runs on the published picture sets beside those on the validation set.

For ImageNet-V2, A, R and Sketch: the accuracy among the classes of the set, the accuracy on the
validation pictures of these classes, the gap between both with its 95 % interval, and effective
robustness: how far a model is above the line through all selected models. For ImageNet-C the mCE,
the error of each corruption, and the paired gap to the same validation pictures with its exact
McNemar test; for ImageNet-O the AUPR. Numbers are in percent, p-values are not.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarking.cli.options import (
    add_selection,
    add_stores,
    add_weights,
    chosen_stores,
    print_notes,
    runs_meant,
)

if TYPE_CHECKING:
    from benchmarking.scoring.robust_runs import Model, Robustness

NAME = "robustness"
HELP = "score stored runs on ImageNet-V2, A, R, O, Sketch and C"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_selection(parser)
    add_weights(parser, "'random' scores the runs of 'predict --weights random' instead")
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Print the scores of every model with a run on such a set."""
    from benchmarking.errors import StoreError
    from benchmarking.reports.grid import aligned
    from benchmarking.scoring.robust_runs import robustness

    stores = chosen_stores(args)
    found = robustness(stores, runs_meant(args, stores))
    if not found:
        raise StoreError(
            f"{stores.folders} has no runs on ImageNet-V2, A, R, O, Sketch or C; make some with "
            "'imagenet-benchmark predict'. 'imagenet-benchmark sets' lists the sets."
        )
    parts = []
    on_sets = [line for model, one in found.items() for line in _on_sets(model, one)]
    others = [line for model, one in found.items() for line in _others(model, one)]
    on_c = [line for model, one in found.items() for line in _on_corrupted(model, one)]
    by_corruption = [line for model, one in found.items() for line in _by_corruption(model, one)]
    if on_sets:
        head = ["Model", "Set", "Acc@1", "Val", "Gap [95 % interval]", "Effective"]
        parts.append(aligned([head, *sorted(on_sets, key=lambda line: line[1])], left=2))
    if on_c:
        head = ["Model", "Set", "n", "Acc@1", "Val", "Paired gap [95 % interval]", "p"]
        parts.append(aligned([head, *sorted(on_c, key=lambda line: line[1])], left=2))
    if by_corruption:
        head = ["Model", "Corruption", "Mean error", "CE"]
        parts.append(aligned([head, *by_corruption], left=2))
    if others:
        head = ["Model", "mCE", "Mean error", "AUPR of O"]
        parts.append(aligned([head, *others], left=1))
    print("\n".join(parts), end="")
    print_notes(f"note: {note}" for one in found.values() for note in one.notes)
    return 0


def _on_sets(model: Model, one: Robustness) -> Iterator[list[str]]:
    for images, found in one.sets.items():
        gap = found.gap
        yield [
            f"{model.source}/{model.model}",
            images,
            _percent(found.right[0] / found.right[1]),
            _percent(found.usual[0] / found.usual[1]) if found.usual else "",
            f"{100 * gap.difference:.2f} [{100 * gap.low:.2f}, {100 * gap.high:.2f}]"
            if gap
            else "",
            "" if found.effective is None else f"{100 * found.effective:+.2f}",
        ]


def _on_corrupted(model: Model, one: Robustness) -> Iterator[list[str]]:
    for found in one.corrupted:
        gap = found.gap
        yield [
            f"{model.source}/{model.model}",
            found.images,
            f"{found.n:,}",
            _percent(found.right / found.n),
            _percent(found.usual / found.n),
            f"{100 * gap.difference:.2f} [{100 * gap.low:.2f}, {100 * gap.high:.2f}]",
            f"{found.p:.2g}",
        ]


def _by_corruption(model: Model, one: Robustness) -> Iterator[list[str]]:
    from benchmarking.scoring.robustness import corruption_errors

    for name, relative in corruption_errors(one.errors).items():
        errors = one.errors[name]
        yield [
            f"{model.source}/{model.model}",
            name,
            _percent(sum(errors) / len(errors)),
            _percent(relative),
        ]


def _others(model: Model, one: Robustness) -> Iterator[list[str]]:
    values = (one.mce, one.corruption_error, one.aupr)
    if any(value is not None for value in values):
        yield [f"{model.source}/{model.model}", *map(_percent, values)]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"
