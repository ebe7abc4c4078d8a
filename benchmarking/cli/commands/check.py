"""Check every stored run against the digests that were stored with it.

The output names each damaged file and gives the remedy. It also names files that belong to no run,
such as those that a killed process left. The exit status is 1 if anything is damaged.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarking.cli.options import (
    add_selection,
    add_stores,
    add_weights,
    chosen_stores,
    runs_meant,
)

if TYPE_CHECKING:
    from benchmarking.predictions.integrity import Checked
    from benchmarking.predictions.stores import Stores

NAME = "check"
HELP = "check stored runs against their digests"

_SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_selection(parser)
    add_weights(parser, "'random' checks the runs of 'predict --weights random' instead")
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Print the damaged files, then the number of undamaged runs; 1 if any is damaged."""
    from benchmarking.io.progress import bar
    from benchmarking.predictions.integrity import check_runs
    from benchmarking.predictions.selection import problems

    stores = chosen_stores(args)
    by_store = stores.by_store(runs_meant(args, stores))
    checks = ((name, one) for name, item in by_store.items() for one in check_runs(*item))
    total = sum(len({run.images for run in runs}) + len(runs) for _, runs in by_store.values())
    seen: dict[str, list[Checked]] = {name: [] for name in by_store}
    for name, one in bar(checks, title="check", total=total):
        seen[name].append(one)
    everything = not (args.models or args.recipe)
    damaged = [one.problem for found in seen.values() for one in found if one.problem]
    damaged += problems(stores, args.images) if everything else []
    lines = [f"damaged: {problem}" for problem in damaged]
    lines += _strays(stores) if everything and not args.images else []
    lines += _without_digests([one for found in seen.values() for one in found])
    for name, found in seen.items():
        lines.append(f"{name}: {_summary(found)}" if len(seen) > 1 else _summary(found))
    print("\n".join(lines))
    return 1 if damaged else 0


def _strays(stores: Stores) -> list[str]:
    from benchmarking.io.printable import printable

    lines = []
    for store in stores.members.values():
        for path in store.strays():
            run = store.misplaced(path)
            advice = f" {run}" if run else "; no run is kept in it, remove it if nobody needs it"
            lines.append(f"left over: {printable(str(path))}{advice}")
    return lines


def _without_digests(seen: Sequence[Checked]) -> Iterator[str]:
    older = [str(one.what) for one in seen if not one.has_digests]
    if older:
        more = f" and {len(older) - _SHOWN} more" if len(older) > _SHOWN else ""
        yield (
            f"no digests: {', '.join(older[:_SHOWN])}{more}; stored by an earlier version, so that "
            "no more than their form could be checked"
        )


def _summary(seen: Sequence[Checked]) -> str:
    sets = sum(isinstance(one.what, str) for one in seen)
    n = len(seen) - sets
    wrong = sum(bool(one.problem) for one in seen if not isinstance(one.what, str))
    fine = "all as they were written" if not wrong else f"{wrong} damaged"
    return f"{n} runs on {sets} image set{'s' * (sets != 1)}: {fine}"
