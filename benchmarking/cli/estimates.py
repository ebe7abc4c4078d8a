"""Options of 'predict' that draw a sample of the pictures, to estimate accuracies on all."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarking.cli.arguments import natural, points, positive
from benchmarking.cli.options import store_argument

if TYPE_CHECKING:
    from benchmarking.pictures.difficulty import Difficulty
    from benchmarking.pictures.growth import Goal
    from benchmarking.pictures.sampling import Sample


def add_estimate(parser: argparse.ArgumentParser) -> None:
    """Add --estimate, --estimate-seed and --strata."""
    add = parser.add_argument
    add(
        "--estimate",
        type=positive,
        metavar="N",
        help="predict only N pictures, drawn at random, and estimate the accuracies on all "
        "pictures, with 95 %% intervals. Difficult pictures are drawn more often and weighted for "
        "it: on ImageNet, 2000 are as good as 6400 drawn evenly. They are stored as a separate "
        "image set",
    )
    add(
        "--until",
        type=points,
        metavar="POINTS",
        help="as --estimate, but with as many pictures as are needed until acc@1 of every model is "
        "known to this many percentage points, such as 0.5: half of its 95 %% interval",
    )
    add(
        "--estimate-seed",
        type=natural,
        default=0,
        metavar="SEED",
        help="another seed draws other pictures (default: %(default)s)",
    )
    add(
        "--strata",
        type=store_argument,
        metavar="STORE",
        help="store whose runs on these pictures show how difficult each of them is (default: for "
        "ImageNet's validation pictures the 34 runs of 2019, else nothing is known)",
    )


def check_estimate(args: argparse.Namespace) -> None:
    """Refuse options that contradict each other.

    Raises:
        BenchmarkError: an option needs --estimate, or excludes it.
    """
    from benchmarking.errors import BenchmarkError

    if args.estimate is not None and args.until is not None:
        raise BenchmarkError(
            f"--estimate {args.estimate} is a number of pictures, and --until {args.until:g} finds "
            "one; give one of them."
        )
    if args.estimate is None and args.until is None:
        for option in ("estimate_seed", "strata"):
            if getattr(args, option):
                raise BenchmarkError(
                    f"--{option.replace('_', '-')} is about an estimate; give --estimate N or "
                    "--until POINTS."
                )
        return
    if args.limit:
        raise BenchmarkError(
            f"--limit {args.limit} takes pictures at even distances, and an estimate draws them at "
            "random; give one of them."
        )
    if args.on_bad_image == "skip":
        raise BenchmarkError(
            "--on-bad-image skip would leave drawn pictures out, and so make an estimate wrong; "
            "replace broken pictures with intact copies."
        )


def sample_of(args: argparse.Namespace, keys: Sequence[str]) -> Sample | None:
    """The sample that the options ask for; None for all pictures.

    Raises:
        BenchmarkError: no run of the store of --strata is on these pictures.
    """
    from benchmarking.pictures.sampling import Sample

    if args.estimate is None or args.estimate >= len(keys):
        return None
    difficulty = _difficulty(args, keys) if args.strata else None
    return Sample(args.estimate, args.estimate_seed, difficulty)


def goal_of(args: argparse.Namespace, keys: Sequence[str]) -> Goal:
    """How well --until wants accuracies to be known.

    Raises:
        BenchmarkError: no run of the store of --strata is on these pictures.
    """
    from benchmarking.pictures.growth import Goal

    difficulty = _difficulty(args, keys) if args.strata else None
    return Goal(args.until, args.estimate_seed, difficulty)


def _difficulty(args: argparse.Namespace, keys: Sequence[str]) -> Difficulty:
    """How many runs of the store of --strata get each of these pictures right."""
    from benchmarking.errors import StoreError
    from benchmarking.pictures.image_set import identity
    from benchmarking.predictions.difficulty import difficulty_of
    from benchmarking.predictions.stores import Stores

    stores = Stores(args.strata)
    wanted = set(map(identity, keys))
    fitting = [
        stores.runs(images)
        for images in stores.image_sets()
        if wanted <= set(map(identity, stores.rows(images).keys))
    ]
    runs = max(fitting, key=len, default=[])
    if not runs:
        sets = ", ".join(stores.image_sets()) or "none"
        raise StoreError(
            f"{stores.folders} has no runs on these {len(keys):,} pictures; its image sets: {sets}."
        )
    return difficulty_of(stores, runs, f"{len(runs)} runs on {runs[0].images}")
