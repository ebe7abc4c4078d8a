"""Measure what changes the predictions of a model. Each experiment varies one thing.

'batch' runs each model in batches of 1, 2, 8 and 32, in reverse order, in a fresh process and on
one thread, and compares the predictions with those of one picture at a time. 'recipe' changes each
part of a model's published recipe in turn, and measures what it costs in accuracy. 'frameworks'
runs the same weights in PyTorch and in Keras. 'transfer' trains a new head on a frozen model, and
changes one choice at a time. Plug-ins can add experiments.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from benchmarking.cli.arguments import gpu_number, place, positive
from benchmarking.cli.options import add_class_folders
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from benchmarking.experiments import Experiment, Setup
    from benchmarking.pictures.image_set import Picture

NAME = "audit"
HELP = "measure what changes the predictions of a model: batching, recipe, framework, transfer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from benchmarking.experiments import experiments

    audits = parser.add_subparsers(title="audits", metavar="AUDIT", required=True)
    for name, experiment in experiments().items():
        what = experiment.HELP
        audit = audits.add_parser(name, help=what, description=what[0].upper() + what[1:])
        audit.set_defaults(experiment=experiment)
        experiment.add_arguments(audit)
        _add_common(audit, experiment)


def run(args: argparse.Namespace) -> int:
    """Run an experiment; 1 if predictions change that should not change."""
    from benchmarking.io import files

    outcome = args.experiment.run(_setup(args))
    print(outcome)
    if args.output:
        files.write_output(args.output, outcome.as_csv().encode())
    return 1 if outcome.changed else 0


def _add_common(parser: argparse.ArgumentParser, experiment: Experiment) -> None:
    add = parser.add_argument
    if experiment.PICTURES:
        _add_pictures(parser, experiment.PICTURES)
    add(
        "--gpu",
        type=gpu_number,
        metavar="ID",
        help="index of the GPU, or 'cpu' (default: as in 'predict')",
    )
    add(
        "--workers",
        type=positive,
        default=2,
        metavar="N",
        help="threads that decode pictures (default: %(default)s)",
    )
    add("--weights-dir", type=expanded, metavar="DIR", help="folder with the files of weights")
    what = "also write the results to a .csv file"
    add("-o", "--output", type=expanded, metavar="FILE", help=what)


def _add_pictures(parser: argparse.ArgumentParser, n: int) -> None:
    add = parser.add_argument
    add(
        "pictures",
        type=place,
        metavar="PICTURES",
        help="a tar or folder of labelled pictures, or 'demo'",
    )
    add_class_folders(parser)
    add(
        "--limit",
        type=positive,
        default=n,
        metavar="N",
        help="number of pictures, spread evenly over the set (default: %(default)s)",
    )


def _setup(args: argparse.Namespace) -> Setup:
    from benchmarking.experiments import Model, Setup
    from benchmarking.inference.plan import RANDOM_SEED
    from benchmarking.models.available import available, explained

    options = vars(args)
    patterns = options.get("models") or ()
    seed = RANDOM_SEED if options.get("weights") == "random" else None
    found = available(
        patterns, "published", weights_folder=args.weights_dir, needs_weights=seed is None
    )
    for line in explained(found.obstacles) if patterns else ():
        print(f"left out: {line}", file=sys.stderr)
    models = (Model(spec, args.gpu, args.workers, args.weights_dir, seed) for spec in found.specs)
    return Setup(tuple(models), _pictures(args) if args.experiment.PICTURES else (), options)


def _pictures(args: argparse.Namespace) -> tuple[Picture, ...]:
    from benchmarking.io.progress import notice
    from benchmarking.pictures.image_set import spread
    from benchmarking.pictures.sets import open_pictures

    contents = open_pictures(args.pictures, args.class_folders)
    for remark in contents.remarks:
        notice(remark)
    return spread(contents.pictures, args.limit)
