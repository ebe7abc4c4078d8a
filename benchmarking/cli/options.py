"""Options that several commands share."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarking.labels.label_set import LabelSet
    from benchmarking.predictions.image_rows import ImageRows
    from benchmarking.predictions.run import Run
    from benchmarking.predictions.store import Store
    from benchmarking.scoring.table import AccuracyTable


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add --store."""
    parser.add_argument(
        "--store",
        type=Path,
        metavar="DIR",
        help="folder of stored predictions (default: $IMAGENET_BENCHMARK_STORE, else ./precomputed "
        "if it exists, else a folder in your user data)",
    )


def add_labels(parser: argparse.ArgumentParser) -> None:
    """Add --consensus, --only and --without, which say what counts."""
    add = parser.add_argument
    add(
        "--consensus",
        type=int,
        choices=(3, 4, 5),
        default=3,
        help="how many of the five votes decide a corrected label (default: %(default)s)",
    )
    for name, what in (("only", "score only"), ("without", "leave out")):
        add(
            f"--{name}",
            nargs="+",
            metavar="WNID|FILE",
            help=f"{what} the pictures of these classes, or the pictures that a file names",
        )


def label_sets(
    args: argparse.Namespace, names: Sequence[str], rows: ImageRows
) -> dict[str, LabelSet]:
    """Label sets by what goes before their columns' names, cut to what counts.

    Raises:
        BenchmarkError: labels are missing or do not fit, or no picture is left.
    """
    import numpy as np

    from benchmarking.errors import BenchmarkError
    from benchmarking.labels.label_files import label_set, prefix_of, rows_of

    kept = np.arange(len(rows))
    if args.only:
        kept = rows_of(args.only, rows.keys, rows.labels)
    if args.without:
        kept = np.setdiff1d(kept, rows_of(args.without, rows.keys, rows.labels))
    whole = not (args.only or args.without)
    found = {}
    for name in names:
        labels = label_set(name, rows.keys, rows.labels, args.consensus)
        prefix = prefix_of(name)
        if prefix in found:
            raise BenchmarkError(
                f"--labels {name} would share its columns with another; rename one of the files, "
                "or give it once."
            )
        found[prefix] = labels if whole else labels.within(kept)
    return found


def subset(args: argparse.Namespace) -> str:
    """What --only and --without leave, in words."""
    parts = [
        f"{word} {', '.join(Path(name).name for name in names)}"
        for word, names in (("only", args.only), ("without", args.without))
        if names
    ]
    return " ".join(parts)


def add_weights(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --weights, which parts runs of published weights from those of random ones."""
    parser.add_argument(
        "--weights", choices=("published", "random"), default="published", help=what
    )


def chosen_store(args: argparse.Namespace) -> Store:
    """The store of this call; runs of random weights or in fewer bits are kept in stores apart."""
    from benchmarking.errors import BenchmarkError
    from benchmarking.predictions.run_index import kept_apart
    from benchmarking.predictions.store import Store

    options = vars(args)
    apart = kept_apart(options.get("weights", "published"), options.get("precision"))
    store = Store(args.store)
    if not apart:
        return store
    folder = store.folder if store.folder.name.strip(".") else store.folder.resolve()
    if not folder.name:
        raise BenchmarkError(
            f"{folder} cannot be named otherwise; such runs are kept in a store apart, so name a "
            "folder within it with --store."
        )
    return Store(folder.with_name(folder.name + apart))


def runs_meant(args: argparse.Namespace, store: Store) -> list[Run]:
    """Stored runs that --images, --recipe and the names of models mean; all by default.

    Raises:
        StoreError: there are none.
    """
    from benchmarking.predictions.selection import chosen_runs

    return chosen_runs(store, args.models or (), images=args.images, recipe=args.recipe)


def warn_of_left_out(tables: Sequence[AccuracyTable], others: Sequence[str] = ()) -> int:
    """Name runs that are in no table; the exit status that tells whether there are any.

    Args:
        tables: with reasons why runs are not in them.
        others: more such reasons, of image sets that have no table at all.
    """
    reasons = [*others, *(reason for table in tables for reason in table.left_out)]
    for reason in reasons:
        print(f"left out: {indented(reason)}", file=sys.stderr)
    return 1 if reasons else 0


def indented(text: object) -> str:
    """Text whose further lines, if there are any, cannot be taken for something else."""
    return re.sub(r"\n(?! )", "\n  ", str(text))


def positive(text: str) -> int:
    """A whole number from 1 up, from an argument."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number
