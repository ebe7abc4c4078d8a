"""Write stored runs for other tools.

npy: the arrays of the 2019 benchmark, such as MODEL_PLATFORM_SET_top5preds.npy, which the scripts
of 2019 can read. csv: one line per picture with its name, its label, the five most probable classes
and their probabilities.
"""

from __future__ import annotations

import argparse

from benchmarking.cli.options import (
    add_selection,
    add_stores,
    add_weights,
    chosen_stores,
    runs_meant,
    warn_of_left_out,
)
from benchmarking.io.user_folders import expanded

NAME = "export"
HELP = "write stored runs as .npy or .csv for other tools"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("folder", metavar="DIR", type=expanded, help="folder for the files")
    add("--to", choices=("npy", "csv"), required=True, help="format of the files")
    add_selection(parser)
    add_weights(parser, "'random' exports the runs of 'predict --weights random' instead")
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Write the files and print their number; 1 if some runs may be missing."""
    from benchmarking.io.progress import bar
    from benchmarking.predictions.import_export import export_arrays, export_tables
    from benchmarking.predictions.selection import problems

    store = chosen_stores(args)
    runs = runs_meant(args, store)
    write = export_arrays if args.to == "npy" else export_tables
    written = list(bar(write(store, runs, args.folder), title="export", total=len(runs)))
    print(f"{len(written)} runs in {args.folder}")
    return warn_of_left_out([], problems(store, args.images))
