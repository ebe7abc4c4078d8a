"""Store the arrays of the 2019 benchmark as runs, beside your own.

DIR contains pairs of files such as vgg16_pytorch_imagenet_top5preds.npy and
vgg16_pytorch_imagenet_top5probs.npy, or folders with such pairs. They become runs of the sources
2019-pytorch and 2019-keras, with the recipe northcutt2019, on the image set imagenet-val-2019.
Values that were not recorded stay unknown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarking.cli.options import add_store, chosen_store

NAME = "import"
HELP = "store the arrays of the 2019 benchmark as runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add(
        "folders",
        metavar="DIR",
        type=Path,
        nargs="*",
        help="a folder with arrays, or with folders of arrays (default: the files that "
        "'imagenet-benchmark fetch predictions-2019' downloaded)",
    )
    add(
        "-l",
        "--labels",
        type=Path,
        metavar="FILE",
        help=".npy file with the true class of each row, for a set other than ImageNet's",
    )
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Import every run on every image set; 1 if some cannot be imported."""
    from benchmarking.errors import BenchmarkError
    from benchmarking.io.downloads import cache_folder
    from benchmarking.io.npy_files import read_integers
    from benchmarking.io.progress import bar
    from benchmarking.predictions.arrays_2019 import IMAGES, ArrayFolders, folders_below
    from benchmarking.predictions.import_export import import_run, rows_of

    places = args.folders or [cache_folder("predictions-2019")]
    folders = [found for place in places for found in folders_below(place)]
    arrays, store = ArrayFolders(tuple(folders)), chosen_store(args)
    stored, failures = [], 0
    for images in arrays.image_sets():
        given = args.labels and images != IMAGES
        try:
            labels = read_integers(args.labels) if given else arrays.labels(images)
            rows = rows_of(images, labels)
        except BenchmarkError as error:
            failures += 1
            print(f"left out: {error}", file=sys.stderr)
            continue
        known = arrays.runs(images)
        for each in bar(known, title=images, total=len(known)):
            try:
                stored.append(import_run(arrays, each, rows, store))
            except BenchmarkError as error:
                failures += 1
                print(f"left out: {error}", file=sys.stderr)
    print(f"{sum(stored)} runs stored in {store.folder}, {len(stored) - sum(stored)} there before")
    return 1 if failures else 0
