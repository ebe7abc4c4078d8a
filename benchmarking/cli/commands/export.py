"""Write stored runs for other tools.

npy: the arrays of the 2019 benchmark, MODEL_PLATFORM_SET_top5preds.npy and so on, which its
scripts read. csv: a line per picture: its name, its label, five classes and their probabilities.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarking.cli.options import (
    add_store,
    add_weights,
    chosen_store,
    runs_meant,
    warn_of_left_out,
)

NAME = "export"
HELP = "write stored runs as .npy or .csv for other tools"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add = parser.add_argument
    add("folder", metavar="DIR", type=Path, help="folder for the files")
    add("--to", choices=("npy", "csv"), required=True, help="their format")
    add("--images", metavar="NAME", help="runs on this image set alone (default: all)")
    add("--models", nargs="+", metavar="MODEL", help="names, wildcards, sources or SOURCE/NAME")
    add("--recipe", metavar="NAME", help="runs with this recipe alone (default: all)")
    add_weights(parser, "'random' exports the runs of 'predict --weights random' instead")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Write the files and say how many; 1 if there may be runs that cannot be seen."""
    from benchmarking.io.progress import bar
    from benchmarking.predictions.import_export import export_arrays, export_tables
    from benchmarking.predictions.selection import problems

    store = chosen_store(args)
    runs = runs_meant(args, store)
    write = export_arrays if args.to == "npy" else export_tables
    written = list(bar(write(store, runs, args.folder), title="export", total=len(runs)))
    print(f"{len(written)} runs in {args.folder}")
    return warn_of_left_out([], problems(store, args.images))
