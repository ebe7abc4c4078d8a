"""Score stored runs on validation pictures by what makes a picture unusual, after ImageNet-X.

People have said for each validation picture which of 16 factors, such as pose, background or
style, distinguishes it most from typical pictures of its class. For each factor there is the
accuracy on its pictures with its 95 % Wilson interval, and the error ratio: the error on these
pictures over the error on all. Above 1, the factor makes a model worse.

The annotations have a licence of their own, CC BY-NC 4.0. They are read from the package
imagenet-x, if you have installed it: pip install --no-deps imagenet-x
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.cli.options import (
    add_selection,
    add_stores,
    add_weights,
    chosen_stores,
    runs_meant,
)
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from benchmarking.predictions.run import Run
    from benchmarking.predictions.stores import Stores

NAME = "factors"
HELP = "score stored runs by what makes a picture unusual (ImageNet-X)"

_HEADINGS = ("Model", "Set", "Factor", "n", "Acc@1 [95 % interval]", "Error ratio")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_selection(parser)
    parser.add_argument(
        "--annotations",
        type=expanded,
        metavar="DIR",
        help="folder with the annotations (default: that of the installed package imagenet-x)",
    )
    parser.add_argument(
        "-o", "--output", type=expanded, metavar="FILE", help="also write the scores to a .csv file"
    )
    add_weights(parser, "'random' scores the runs of 'predict --weights random' instead")
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Print the scores of every run on validation pictures."""
    from benchmarking.errors import BenchmarkError, StoreError
    from benchmarking.io.progress import notice
    from benchmarking.labels.imagenet_x import LICENCE, annotations_folder, top_factors
    from benchmarking.reports.grid import aligned

    if args.output and args.output.suffix.lower() != ".csv":
        raise BenchmarkError(f"{args.output} is no .csv file; give a name that ends in .csv.")
    stores = chosen_stores(args)
    factors = top_factors(args.annotations or annotations_folder())
    lines = [line for each in runs_meant(args, stores) for line in _lines(stores, each, factors)]
    if not lines:
        raise StoreError(
            f"{stores.folders} has no such runs on validation pictures; make some with "
            "'imagenet-benchmark predict'."
        )
    notice(f"note: annotations of ImageNet-X, {LICENCE}; {len(factors):,} pictures count")
    print(aligned([_HEADINGS, *lines], left=3), end="")
    if args.output:
        _write(args.output, lines)
    return 0


def _lines(stores: Stores, run: Run, factors: Mapping[int, Set[str]]) -> Iterator[list[str]]:
    """The lines of a run; none if it is not on validation pictures, on altered ones or a sample."""
    from benchmarking.errors import BenchmarkError
    from benchmarking.labels.agreement import numbers_of
    from benchmarking.labels.imagenet_x import FACTORS
    from benchmarking.labels.label_set import every_image
    from benchmarking.scoring.factors import by_factor
    from benchmarking.scoring.metrics import correct

    rows, made = stores.rows_of(run), stores.provenance(run)
    numbers = numbers_of(rows.keys)
    if numbers is None or made.picture_set or made.design:
        return
    hits = correct(stores.classes(run), every_image(rows.right_classes), k=1)
    try:
        scores = by_factor(hits, numbers.tolist(), factors, FACTORS)
    except BenchmarkError as error:
        raise BenchmarkError(f"{run}: {error}") from error
    for one in scores:
        yield [
            f"{run.source}/{run.model}",
            run.images,
            one.factor,
            str(one.n),
            f"{100 * one.right / one.n:.2f} [{100 * one.low:.2f}, {100 * one.high:.2f}]",
            "" if one.ratio is None else f"{one.ratio:.2f}",
        ]


def _write(path: Path, lines: Sequence[Sequence[str]]) -> None:
    import csv
    import io

    from benchmarking.io import files

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_HEADINGS, *lines])
    files.write_output(path, text.getvalue().encode())
