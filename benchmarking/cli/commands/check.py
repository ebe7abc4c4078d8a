"""Check every stored run against the digests that were stored with it.

The output names each damaged file and gives the remedy. It also names files that belong to no run,
such as those that a killed process left. The exit status is 1 if anything is damaged.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarking.cli.options import add_selection, add_store, add_weights, chosen_store, runs_meant

if TYPE_CHECKING:
    from benchmarking.predictions.integrity import Checked
    from benchmarking.predictions.store import Store

NAME = "check"
HELP = "check stored runs against their digests"

_SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_selection(parser)
    add_weights(parser, "'random' checks the runs of 'predict --weights random' instead")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Print the damaged files, then the number of undamaged runs; 1 if any is damaged."""
    from benchmarking.io.progress import bar
    from benchmarking.predictions.integrity import check_runs
    from benchmarking.predictions.selection import problems

    store = chosen_store(args)
    runs = runs_meant(args, store)
    sets = sorted({run.images for run in runs})
    seen = list(bar(check_runs(store, runs), title="check", total=len(runs) + len(sets)))
    everything = not (args.models or args.recipe)
    damaged = [one.problem for one in seen if one.problem]
    damaged += problems(store, args.images) if everything else []
    lines = [f"damaged: {problem}" for problem in damaged]
    lines += _strays(store) if everything and not args.images else []
    print("\n".join([*lines, *_without_digests(seen), _summary(seen, len(sets))]))
    return 1 if damaged else 0


def _strays(store: Store) -> list[str]:
    from benchmarking.io.printable import printable

    return [
        f"left over: {printable(str(path))}; no run is kept in it, remove it if nobody needs it"
        for path in store.strays()
    ]


def _without_digests(seen: Sequence[Checked]) -> Iterator[str]:
    older = [str(one.what) for one in seen if not one.has_digests]
    if older:
        more = f" and {len(older) - _SHOWN} more" if len(older) > _SHOWN else ""
        yield (
            f"no digests: {', '.join(older[:_SHOWN])}{more}; stored by an earlier version, so that "
            "no more than their form could be checked"
        )


def _summary(seen: Sequence[Checked], sets: int) -> str:
    n = len(seen) - sets
    wrong = sum(bool(one.problem) for one in seen if not isinstance(one.what, str))
    fine = "all as they were written" if not wrong else f"{wrong} damaged"
    return f"{n} runs on {sets} image set{'s' * (sets != 1)}: {fine}"
