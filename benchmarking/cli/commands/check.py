"""Check every stored run against the digests that were stored with it.

The output names each damaged file and gives the remedy. It also names files that belong to no run,
such as those that a killed process left. The exit status is 1 if anything is damaged.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarking.cli import terminal
from benchmarking.cli.options import (
    add_selection,
    add_stores,
    add_weights,
    chosen_stores,
    runs_meant,
)
from benchmarking.cli.output import add_output, check_output, deliver

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
    add_output(parser, ".json")
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Print the damaged files, then the number of undamaged runs; 1 if any is damaged."""
    from benchmarking.io.progress import bar
    from benchmarking.predictions.integrity import check_runs
    from benchmarking.predictions.selection import problems

    check_output(args)
    stores = chosen_stores(args)
    by_store = stores.by_store(runs_meant(args, stores))
    checks = ((name, one) for name, item in by_store.items() for one in check_runs(*item))
    total = sum(len({run.images for run in runs}) + len(runs) for _, runs in by_store.values())
    seen: dict[str, list[Checked]] = {name: [] for name in by_store}
    for name, one in bar(checks, title="check", total=total):
        seen[name].append(one)
    everything = not (args.models or args.recipe)
    damaged = [one.problem for found in seen.values() for one in found if one.problem]
    others = problems(stores, args.images) if everything else []
    damaged += others
    left_over = _strays(stores) if everything and not args.images else []
    lines = [f"damaged: {problem}" for problem in damaged]
    lines += [f"left over: {path}{advice}" for path, advice in left_over]
    lines += _without_digests([one for found in seen.values() for one in found])
    for name, found in seen.items():
        lines.append(f"{name}: {_summary(found)}" if len(seen) > 1 else _summary(found))

    def as_json() -> str:
        from benchmarking.reports.documents import as_json
        from benchmarking.reports.documents.check import CheckDocument, LeftOver, checked_store

        checked = (
            checked_store(name, by_store[name][0], found, is_alone=len(seen) == 1)
            for name, found in seen.items()
        )
        files = (LeftOver(path, advice.lstrip("; ")) for path, advice in left_over)
        return as_json(CheckDocument(not damaged, tuple(checked), tuple(others), tuple(files)))

    styles: terminal.Rules = {"^damaged:": "red", "^left over:": "yellow"}
    deliver(args, "\n".join(lines), {".json": as_json}, styles)
    return 1 if damaged else 0


def _strays(stores: Stores) -> list[tuple[str, str]]:
    """Files that belong to no run, and what to do with each."""
    from benchmarking.io.printable import printable

    found = []
    for store in stores.members.values():
        for path in store.strays():
            run = store.misplaced(path)
            advice = f" {run}" if run else "; no run is kept in it, remove it if nobody needs it"
            found.append((printable(str(path)), advice))
    return found


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
    return f"{n} run{'s' * (n != 1)} on {sets} image set{'s' * (sets != 1)}: {fine}"
