"""Options that several commands share."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.cli.arguments import positive
from benchmarking.io.printable import printable
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarking.io.addresses import Address
    from benchmarking.labels.label_set import LabelSet
    from benchmarking.predictions.image_rows import ImageRows
    from benchmarking.predictions.run import Run
    from benchmarking.predictions.store import Store
    from benchmarking.predictions.stores import Stores
    from benchmarking.scoring.table import AccuracyTable


def store_argument(text: str) -> Path | Address:
    """Parse an argument as a folder or an address of a store."""
    from benchmarking.predictions.run_index import store_place

    return store_place(text)


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add --store for a command that writes; see `chosen_store`."""
    parser.add_argument(
        "--store",
        type=store_argument,
        action="append",
        metavar="DIR",
        help="folder for the predictions, or the address of one on object storage, such as "
        "s3://bucket/store (default: $IMAGENET_BENCHMARK_STORE, else a folder in your user data)",
    )


def add_stores(parser: argparse.ArgumentParser) -> None:
    """Add --store for a command that reads; see `chosen_stores`."""
    parser.add_argument(
        "--store",
        type=store_argument,
        action="append",
        metavar="DIR",
        help="folder of stored predictions, or the address of one on object storage, such as "
        "s3://bucket/store; may be given several times (default: "
        "$IMAGENET_BENCHMARK_STORE, else 'own', a folder in your user data, and 'shipped', "
        "which is ./precomputed: in a clone, the predictions that are part of it)",
    )


def add_class_folders(parser: argparse._ActionsContainer) -> None:
    """Add --class-folders, which says how class folders are named."""
    parser.add_argument(
        "--class-folders",
        choices=("wnid", "index"),
        default="wnid",
        help="how the folders of classes are named: by WordNet id, n01440764 to n15075141 (the "
        "default), or by index, 0 to 999 in the order of the sorted WordNet ids",
    )


def add_labels(parser: argparse.ArgumentParser) -> None:
    """Add --consensus, --only and --without, which select labels and pictures."""
    add = parser.add_argument
    add(
        "--consensus",
        type=positive,
        choices=(3, 4, 5),
        default=3,
        help="how many of the five votes decide a corrected label (default: %(default)s)",
    )
    for name, what in (("only", "score only"), ("without", "leave out")):
        add(
            f"--{name}",
            nargs="+",
            metavar="WNID|NAME|FILE",
            help=f"{what} the pictures of these classes or names, or those that a file names",
        )


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """Add the selection of image sets and labels, several of each, and that of pictures."""
    add = parser.add_argument
    add(
        "--images",
        action="append",
        metavar="NAME",
        help="only runs on this image set; may be given several times (default: all)",
    )
    add(
        "--labels",
        action="append",
        metavar="NAME|FILE",
        help="labels to score with, as in 'table'; may be given several times",
    )
    add_labels(parser)


def label_sets(
    args: argparse.Namespace, names: Sequence[str], rows: ImageRows
) -> dict[str, LabelSet]:
    """Label sets by the prefix of their column names, reduced to the selected pictures.

    Raises:
        BenchmarkError: labels are missing or do not match, or no picture remains.
    """
    import numpy as np

    from benchmarking.errors import BenchmarkError
    from benchmarking.labels.label_files import label_set, prefix_of, rows_of

    kept = np.arange(len(rows))
    if args.only:
        kept = rows_of(args.only, rows.keys, rows.right_classes)
    if args.without:
        kept = np.setdiff1d(kept, rows_of(args.without, rows.keys, rows.right_classes))
    whole = not (args.only or args.without)
    found = {}
    for name in names:
        labels = label_set(name, rows.keys, rows.right_classes, args.consensus)
        prefix = prefix_of(name)
        if prefix in found:
            raise BenchmarkError(
                f"--labels {name} would have the same column names as other labels; rename one of "
                "the files, or give it only once."
            )
        found[prefix] = labels if whole else _within(labels, kept, subset(args))
    return found


def _within(labels: LabelSet, kept: NDArray[np.int64], what: str) -> LabelSet:
    """The labels of some rows; BenchmarkError if none of the rows has a label."""
    from benchmarking.errors import BenchmarkError

    if not len(set(labels.rows.tolist()).intersection(kept.tolist())):
        raise BenchmarkError(f"no labelled picture is left with {what}.")
    return labels.within(kept)


def print_notes(notes: Iterable[str]) -> None:
    """Print the notes about labels to standard error, each once."""
    for note in dict.fromkeys(notes):
        print(printable(note), file=sys.stderr)


def subset(args: argparse.Namespace) -> str:
    """Describe the selection by --only and --without in words.

    Files are named without their folders, pictures with the folder that tells them from others.
    """

    def short(name: str) -> str:
        if expanded(name).is_file():
            return Path(name).name
        return "/".join(Path(name.replace("\\", "/")).parts[-2:])

    parts = [
        f"{word} {', '.join(map(short, names))}"
        for word, names in (("only", args.only), ("without", args.without))
        if names
    ]
    return " ".join(parts)


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add the names of stored runs, as `patterns`."""
    parser.add_argument(
        "patterns",
        nargs="*",
        metavar="RUN",
        help="MODEL, SOURCE/MODEL or SOURCE/MODEL:RECIPE, with wildcards (default: all runs)",
    )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add --images, --models and --recipe, which select stored runs; see `runs_meant`."""
    add = parser.add_argument
    add("--images", metavar="NAME", help="only runs on this image set (default: all)")
    add(
        "--models",
        nargs="+",
        metavar="MODEL",
        help="names, wildcards, sources or SOURCE/NAME (default: all)",
    )
    add("--recipe", metavar="NAME", help="only runs with this recipe (default: all)")


def add_weights(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --weights, which selects runs with published or with random weights."""
    parser.add_argument(
        "--weights", choices=("published", "random"), default="published", help=what
    )


def chosen_store(args: argparse.Namespace) -> Store:
    """The store that a call writes to.

    Runs with random weights, or of another precision, have a store of their own.

    Raises:
        BenchmarkError: several stores are given, or none is known.
    """
    from benchmarking.errors import BenchmarkError
    from benchmarking.predictions.remote_store import store_at
    from benchmarking.predictions.run_index import beside, own_place

    first, *others = dict.fromkeys(args.store or [None])
    if others:
        raise BenchmarkError(
            f"predictions are written to one store only, but --store names {first} and {others[0]}."
        )
    return store_at(beside(own_place() if first is None else first, _apart(args)))


def chosen_stores(args: argparse.Namespace) -> Stores:
    """The stores that a call reads; for special runs, the stores that they have of their own.

    Raises:
        BenchmarkError: one of several stores has no runs or cannot be reached, or none is known.
    """
    from benchmarking.errors import StoreError
    from benchmarking.io.files import is_missing
    from benchmarking.predictions.run_index import beside
    from benchmarking.predictions.stores import DEFAULT_NAMES, Stores, default_stores

    apart = _apart(args)
    if not args.store:
        return Stores.named(default_stores(apart))
    names = [str(one) for one in args.store if isinstance(one, Path) and is_missing(one)]
    known = default_stores(apart) if any(name in DEFAULT_NAMES for name in names) else {}
    stores = Stores(*(known.get(str(one)) or beside(one, apart) for one in args.store))
    empty = [store for store in stores.members.values() if not store.image_sets()]
    if stores.is_told and empty:
        raise StoreError(f"there are no stored predictions in {empty[0].place}.")
    return stores


def _apart(args: argparse.Namespace) -> str:
    from benchmarking.predictions.run_index import kept_apart

    options = vars(args)
    return kept_apart(options.get("weights", "published"), options.get("precision"))


def runs_meant(args: argparse.Namespace, store: Stores) -> list[Run]:
    """Stored runs that --images, --recipe and the names of models select; all by default.

    Raises:
        StoreError: no stored run matches.
    """
    from benchmarking.predictions.selection import chosen_runs

    return chosen_runs(store, args.models or (), images=args.images, recipe=args.recipe)


def warn_of_left_out(tables: Sequence[AccuracyTable], others: Sequence[str] = ()) -> int:
    """Warn about runs that were left out of tables; return 1 if there are any, else 0.

    Args:
        tables: the tables, with the reasons why runs were left out.
        others: more reasons, for image sets that have no table.
    """
    reasons = [*others, *(reason for table in tables for reason in table.left_out)]
    for reason in reasons:
        print(f"left out: {indented(reason)}", file=sys.stderr)
    return 1 if reasons else 0


def indented(text: object) -> str:
    """Indent all lines of a text but the first, so that they cannot look like other messages."""
    return re.sub(r"\n(?! )", "\n  ", str(text))
