"""Measure how fast models are: the same work in several frameworks and modes.

Each round is a fresh process. It calls the model until its times are steady, then for --seconds.
The first call, which may compile, is shown apart. The output of a call is fetched before the clock
stops. Sides with the same weights take turns, A/B/B/A, and the first of them is measured twice:
the A/A ratio tells how noisy the machine is. End other programs before you measure; a second
measurement of yours waits until the first one has ended.

'Times as fast' is the time of the reference divided by that of a side, with its 95 % interval over
rounds; six rounds or more are needed. It is shown only if both sides give the same top-5 and the
same probabilities on real pictures. Raw times are stored beside the predictions of --store, and
rounds that are stored are not measured again: after Ctrl-C, the same command resumes.

For instance, the same weights in both frameworks: speed --models 'efficientnet-lite?' --rounds 8
--scenario single offline --batch-size 32 --seconds 5 --store mine -o speed.md
"""

from __future__ import annotations

import argparse
import sys
from textwrap import indent
from typing import TYPE_CHECKING

from benchmarking.cli.arguments import above_zero, gpu_number, place, positive
from benchmarking.cli.options import add_store, add_weights, chosen_store
from benchmarking.cli.output import add_output, check_output, deliver
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from benchmarking.experiments.speed.verbs import Plan

NAME = "speed"
HELP = "measure how fast models are, side by side in several frameworks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from benchmarking.experiments.speed import MODES
    from benchmarking.experiments.speed.scenarios import scenarios

    add = parser.add_argument
    add(
        "--models",
        nargs="+",
        default=["efficientnet-lite0"],
        metavar="MODEL",
        help="as in 'predict'; models with the same weights are compared (default: "
        "efficientnet-lite0, in both frameworks)",
    )
    known = "; ".join(f"{name}: {one.HELP}" for name, one in scenarios().items())
    add(
        "--scenario",
        nargs="+",
        default=["single"],
        metavar="NAME",
        help=f"what is timed (default: single). {known}",
    )
    add(
        "--mode",
        nargs="+",
        default=["eager", "compiled"],
        metavar="NAME",
        help="how models run (default: eager compiled), as far as their framework can. "
        + "; ".join(f"{name}: {what}" for name, what in MODES.items()),
    )
    add(
        "--backend",
        nargs="+",
        default=["tensorflow"],
        metavar="NAME",
        help="backends on which models of Keras run: tensorflow, jax, torch (default: tensorflow)",
    )
    add(
        "--batch-size",
        nargs="+",
        type=positive,
        default=[32],
        metavar="N",
        help="pictures per call, for scenarios with batches (default: 32)",
    )
    add(
        "--rounds",
        type=positive,
        default=8,
        metavar="N",
        help="fresh processes for each side; fewer than 6 give no 95 %% interval (default: 8)",
    )
    add(
        "--seconds",
        type=above_zero,
        default=10.0,
        metavar="S",
        help="time of the calls that count in each round; the warm-up takes at most as long, but "
        "there are at least 3 calls of each (default: 10)",
    )
    add(
        "--threads",
        type=positive,
        metavar="N",
        help="processor cores, and threads of each framework (default: all cores)",
    )
    add("--precision", metavar="NAME", help="as in 'predict' (default: full float32)")
    add(
        "--gpu",
        type=gpu_number,
        metavar="ID",
        help="index of the GPU, or 'cpu' (default: as in 'predict')",
    )
    add(
        "--pictures",
        type=place,
        default="demo",
        metavar="PICTURES",
        help="real pictures, of which 20 are used (default: demo)",
    )
    add("--weights-dir", type=expanded, metavar="DIR", help="folder with the files of weights")
    add_weights(parser, "'random' needs no files of weights; all backends of Keras get the same")
    add_output(parser, ".csv", ".md", ".json")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, and print what is known; 1 if a side could not be measured."""
    check_output(args)
    todo = _plan(args)
    try:
        failures = _measure(todo)
    except KeyboardInterrupt:
        print("\nstopped; the same command resumes after the last complete round", file=sys.stderr)
        _deliver(args, todo)
        return 130
    _deliver(args, todo)
    return 1 if failures else 0


def _plan(args: argparse.Namespace) -> Plan:
    from benchmarking.experiments.speed.verbs import Request, plan

    request = Request(
        scenarios=args.scenario,
        modes=args.mode,
        backends=args.backend,
        batch_sizes=args.batch_size,
        rounds=args.rounds,
        seconds=args.seconds,
        threads=args.threads,
        precision=args.precision,
        gpu=args.gpu,
        weights=args.weights,
        weights_folder=args.weights_dir,
        pictures=args.pictures,
    )
    return plan(args.models, chosen_store(args), request)


def _measure(todo: Plan) -> int:
    from benchmarking.experiments.speed.conditions import busy
    from benchmarking.experiments.speed.verbs import watched
    from benchmarking.io.progress import notice
    from benchmarking.models.available import explained

    if todo.missing() and (warning := busy()):
        notice(f"warning: {warning}")
    failures = len(todo.obstacles)
    for line in explained(todo.obstacles):
        notice(f"failed: {line}")
    for failed in watched(todo):
        failures += 1
        trial = failed.trial
        notice(f"failed: {trial.scenario} {trial.series.full_name}: {failed.reason}")
        if failed.details:
            notice(indent(failed.details.rstrip(), "  "))
    return failures


def _deliver(args: argparse.Namespace, todo: Plan) -> None:
    from benchmarking.experiments.speed import tables

    found = todo.summaries()
    if not found:
        print("nothing was measured", file=sys.stderr)
        return
    deliver(
        args,
        tables.text(found).rstrip(),
        {
            ".csv": lambda: tables.as_csv(found),
            ".md": lambda: tables.markdown(found),
            ".json": lambda: tables.as_json(found),
        },
    )
