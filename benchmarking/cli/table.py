"""Print the accuracy table of stored predictions.

One table per image set, best model first, each accuracy with its 95 % Wilson interval. Needs no
pictures, no network and no framework.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarking.cli._options import add_store, add_weights, chosen_store, warn_of_left_out

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
        help="write to a file instead; its suffix says how: .csv, .md, .tex, .json or .txt",
    )
    add_weights(parser, "'random' shows the runs of 'predict --weights random' instead")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Print or write the table; 1 if runs had to be left out."""
    from benchmarking import files
    from benchmarking.aggregate import aggregate
    from benchmarking.errors import StoreError
    from benchmarking.reports import render_as
    from benchmarking.store import PredictionStore

    store = PredictionStore(chosen_store(args))
    known = store.image_sets()
    if not known:
        raise StoreError(
            f"there are no stored predictions in {store.folder}. Make some with "
            "'imagenet-benchmark predict demo', or name another folder with --store."
        )
    if args.images not in (None, *known):
        raise StoreError(
            f"{store.folder} has no image set {args.images!r}; it has {', '.join(known)}."
        )
    tables = [aggregate(store, images) for images in known if args.images in (None, images)]
    if args.output is None:
        print(render_as(Path("table.txt"), tables), end="")
    else:
        files.write(args.output, render_as(args.output, tables).encode())
        print(f"wrote {args.output}", file=sys.stderr)
    return warn_of_left_out(tables)
