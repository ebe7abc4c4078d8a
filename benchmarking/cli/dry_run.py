"""The option --plan of 'predict': what it would do, without doing it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarking.cli.output import add_output, check_output, deliver

if TYPE_CHECKING:
    from benchmarking.inference.plan import Options
    from benchmarking.models.spec import ModelSpec
    from benchmarking.predictions.store import Store


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Add --plan, and -o for its table."""
    parser.add_argument(
        "--plan",
        action="store_true",
        help="only show what would be done: the models and image sets that are left, what they add "
        "to the store, what would be downloaded, and hours, from the seconds of stored runs and "
        "the rounds of 'speed'. Nothing is started, downloaded or written",
    )
    add_output(parser, ".csv", ".md", what="; only with --plan")


def check_plan(args: argparse.Namespace) -> None:
    """Refuse options that contradict --plan, or need it.

    Raises:
        BenchmarkError: there are such options.
    """
    from benchmarking.errors import BenchmarkError

    if args.output is not None and not args.plan:
        raise BenchmarkError(
            f"-o {args.output} is for the table of --plan; 'imagenet-benchmark table -o' writes "
            "results."
        )
    check_output(args)
    if args.plan and args.until is not None:
        raise BenchmarkError(
            "--until finds the number of pictures while it runs, so that it cannot be planned; "
            "give --estimate N."
        )


def show_plan(
    args: argparse.Namespace,
    images: Sequence[tuple[str, int]],
    options: Options,
    store: Store,
    own: Sequence[ModelSpec],
) -> int:
    """Print the plan; 1 if a model that the user has named cannot run.

    Args:
        args: the arguments of 'predict'.
        images: name and number of pictures of each image set.
        options: how models would be run.
        store: the store for the runs.
        own: specs of the user's own checkpoints and model files.
    """
    from benchmarking.experiments.planning import shown
    from benchmarking.experiments.planning.verbs import planned_on
    from benchmarking.io.progress import notice

    found = planned_on(args.models or (), images, store, options, own=own)
    deliver(
        args,
        shown.text(found).rstrip("\n"),
        {".csv": lambda: shown.as_csv(found), ".md": lambda: shown.markdown(found)},
    )
    sys.stdout.flush()
    for note in shown.notes(found):
        notice(f"note: {note}")
    return 1 if found.total.count("cannot run", "weights missing") else 0
