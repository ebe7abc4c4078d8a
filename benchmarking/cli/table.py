"""Print the accuracy table of stored predictions.

One table per image set, best model first, each accuracy with its 95 % Wilson interval. Needs no
pictures, no network and no framework.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarking.cli._options import add_store, chosen_store

NAME = "table"
HELP = "print the accuracy table of stored predictions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("--images", metavar="NAME", help="this image set alone (default: all)")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write to a file instead; its suffix says how: .csv, .md or .txt",
    )
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Print or write the table."""
    from benchmarking import files
    from benchmarking.aggregate import tables
    from benchmarking.errors import StoreError
    from benchmarking.reports import render_as
    from benchmarking.store import PredictionStore

    store = PredictionStore(chosen_store(args))
    every_run = store.runs()
    if not every_run:
        raise StoreError(
            f"there are no stored predictions in {store.folder}. Make some with "
            "'imagenet-benchmark predict demo', or name another folder with --store."
        )
    runs = [run for run in every_run if args.images in (None, run.images)]
    if not runs:
        known = ", ".join(sorted({run.images for run in every_run}))
        raise StoreError(f"{store.folder} has no image set {args.images!r}; it has {known}.")
    found = tables(store, runs)
    if args.output is None:
        print(render_as(Path("table.txt"), found), end="")
    else:
        files.write(args.output, render_as(args.output, found).encode())
        print(f"wrote {args.output}", file=sys.stderr)
    return 0
