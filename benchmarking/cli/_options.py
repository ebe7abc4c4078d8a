"""Options that several commands share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarking.specs import Run
    from benchmarking.store import PredictionStore
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
    from fnmatch import fnmatchcase

    from benchmarking.errors import StoreError

    def matches(run: Run, pattern: str) -> bool:
        names = (run.source, run.model, f"{run.source}/{run.model}")
        return any(fnmatchcase(name.lower(), pattern.lower()) for name in names)

    runs = [
        run
        for images in store.image_sets()
        for run in store.runs(images)
        if args.images in (None, images)
        and args.recipe in (None, run.recipe)
        and (not args.models or any(matches(run, pattern) for pattern in args.models))
    ]
    if not runs:
        raise StoreError(f"{store.folder} has no such run; 'imagenet-benchmark table' lists all.")
    return runs


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
    """The store of this call; runs with random weights are kept in a folder apart."""
    folder = store_folder(args.store, os.environ, Path.cwd())
    random = getattr(args, "weights", "published") == "random"
    return folder.with_name(f"{folder.name}-random") if random else folder


def warn_of_left_out(tables: Sequence[Table]) -> int:
    """Name runs that are in no table; the exit status that tells whether there are any."""
    reasons = [reason for table in tables for reason in table.left_out]
    for reason in reasons:
        print(f"left out: {reason}", file=sys.stderr)
    return 1 if reasons else 0
