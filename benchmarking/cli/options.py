"""Options that several commands share."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarking.labels import LabelSet
    from benchmarking.specs import Run
    from benchmarking.store import ImageRows, PredictionStore
    from benchmarking.table import Table

BAR: dict[str, Any] = {"leave": False, "disable": None, "dynamic_ncols": True}
"""A bar on a terminal's standard error; none where it is a file or a pipe."""

STORE_VARIABLE = "IMAGENET_BENCHMARK_STORE"


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add --store."""
    parser.add_argument(
        "--store",
        type=Path,
        metavar="DIR",
        help=f"folder of stored predictions (default: ${STORE_VARIABLE}, else ./precomputed if "
        "it exists, else a folder in your user data)",
    )


def chosen_runs(args: argparse.Namespace, store: PredictionStore) -> list[Run]:
    """Stored runs that --images, --recipe and --models mean; all by default.

    Raises:
        StoreError: there are none.
    """
    from benchmarking.errors import StoreError

    runs = [
        run
        for images in store.image_sets()
        for run in store.runs(images)
        if args.images in (None, images)
        and args.recipe in (None, run.recipe)
        and (not args.models or any(_matches(run, pattern) for pattern in args.models))
    ]
    if not runs:
        raise StoreError(f"{store.folder} has no such run; 'imagenet-benchmark table' lists all.")
    return runs


def whole_runs(store: PredictionStore, runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """Those of the runs that are as they were written, and what is wrong with each other.

    Raises:
        StoreError: none is.
    """
    from benchmarking.errors import StoreError

    whole, wrong = [], []
    for run in runs:
        try:
            store.check(run)
            whole.append(run)
        except StoreError as error:
            wrong.append(str(error))
    if not whole:
        raise StoreError("\n".join(wrong))
    return whole, wrong


def the_run(args: argparse.Namespace, store: PredictionStore, pattern: str) -> Run:
    """The only stored run, on --images if that is given, that a pattern means.

    Raises:
        StoreError: there is none, or more than one.
    """
    from benchmarking.errors import StoreError

    found = chosen_runs(
        argparse.Namespace(images=args.images, recipe=None, models=[pattern]), store
    )
    if len(found) > 1:
        names = ", ".join(f"{run.source}/{run.model}:{run.recipe}" for run in found[:4])
        sets = sorted({run.images for run in found})
        raise StoreError(
            f"{pattern!r} means {len(found)} runs on {', '.join(sets)} ({names}); name one as "
            "SOURCE/MODEL:RECIPE, and its set with --images."
        )
    return found[0]


def _matches(run: Run, pattern: str) -> bool:
    """Whether a pattern such as vgg16, keras/vgg*, vgg16:published means a run."""
    full = f"{run.source}/{run.model}"
    names = (run.source, run.model, full, f"{run.images}/{full}")
    also = [f"{name}:{run.recipe}" for name in names]
    return any(fnmatchcase(name.lower(), pattern.lower()) for name in (*names, *also))


def add_labels(parser: argparse.ArgumentParser) -> None:
    """Add --consensus, --only and --without, which say what counts."""
    add = parser.add_argument
    add(
        "--consensus",
        type=int,
        choices=(3, 4, 5),
        default=3,
        help="votes, of five, that decide a corrected label (default: %(default)s)",
    )
    for name, what in (("only", "count only"), ("without", "leave out")):
        add(
            f"--{name}",
            nargs="+",
            metavar="WNID|FILE",
            help=f"{what} pictures of these classes, or those that a file names",
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
    from benchmarking.label_files import label_set, rows_of

    kept = np.arange(len(rows))
    if args.only:
        kept = rows_of(args.only, rows.keys, rows.labels)
    if args.without:
        kept = np.setdiff1d(kept, rows_of(args.without, rows.keys, rows.labels))
    whole = not (args.only or args.without)
    found = {}
    for name in names:
        labels = label_set(name, rows.keys, rows.labels, args.consensus)
        prefix = {"original": "", "real": "ReaL "}.get(name, f"{Path(name).stem} ")
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


def store_folder(option: Path | None, environment: Mapping[str, str], here: Path) -> Path:
    """The folder of stored predictions that an option, the environment or the place mean."""
    if option is not None:
        return option
    if environment.get(STORE_VARIABLE):
        return Path(environment[STORE_VARIABLE])
    if (here / "precomputed").is_dir():
        return Path("precomputed")
    import platformdirs

    return platformdirs.user_data_path("imagenet-benchmarking", appauthor=False) / "precomputed"


def chosen_store(args: argparse.Namespace) -> Path:
    """The store of this call; runs of random weights or in fewer bits are kept in folders apart."""
    folder = store_folder(args.store, os.environ, Path.cwd())
    random = "random" if getattr(args, "weights", "published") == "random" else None
    apart = [part for part in (random, getattr(args, "precision", None)) if part]
    return folder.with_name("-".join([folder.name, *apart]))


def warn_of_left_out(tables: Sequence[Table], others: Sequence[str] = ()) -> int:
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
