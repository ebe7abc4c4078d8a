"""Train a new head on frozen pretrained models, in PyTorch and in Keras, and compare them.

TRAIN and VALIDATION are folders with a folder of pictures for each class. The classes can have any
names, and must be the same in both; they are numbered in the order of their names. Pictures that
are in both folders are found by their content, and reported. Further pairs of folders are further
tasks.

Each model loses its classifier. What is left, the backbone, is frozen: its outputs (features) are
computed once for each picture. A new head learns from them: one hidden layer with ReLU, then one
output for each class. Four protocols say how:

  same      one plan for both frameworks: the same initial head, order of pictures and formula of
            Adam (that of Keras). Both loss curves have to agree; the table shows where and by how
            much they part
  defaults  each framework as it comes: its own initial head, shuffling and Adam. With --seeds 20,
            the table shows the spread, and Welch's test between the frameworks
  probe     no hidden layer and no seed: logistic regression by L-BFGS in float64, with the penalty
            chosen on folds of the training pictures. Best for asking which backbone transfers best
  article   what two notebooks of 2018 do, each in its framework: other pixels, other augmentation,
            other initial heads, and in PyTorch a backbone in training mode

The table has a line for each model and framework: accuracy on the validation pictures with its 95 %
interval, balanced accuracy, cross-entropy, seconds, and how many tensors of the backbone have
changed. A second table compares two frameworks with the same features, or the same weights.

Features and heads are stored as soon as they are complete, and are not computed again. So after an
interruption the same command resumes.

Examples:
  imagenet-benchmark transfer train validation --models 'efficientnet-lite*'
  imagenet-benchmark transfer train validation --models resnet50 --protocol probe -o probe.md
  imagenet-benchmark transfer train validation --models resnet50 --protocol defaults --seeds 20
  imagenet-benchmark transfer train validation --optimizer sgd --dtype float64
  imagenet-benchmark transfer train validation --models torchvision/resnet50 \
      --predictions sheet.png --export model.onnx
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from benchmarking.cli.arguments import above_zero, gpu_number, natural, positive
from benchmarking.cli.options import add_weights
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from benchmarking.experiments.transfer.task import Task
    from benchmarking.experiments.transfer.verbs import Machine

NAME = "transfer"
HELP = "train new heads on frozen models in both frameworks, and compare them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add(
        "places",
        nargs="+",
        type=expanded,
        metavar="TRAIN VALIDATION",
        help="folders with class folders; further pairs are further tasks",
    )
    add(
        "--models",
        nargs="+",
        action="extend",
        default=[],
        metavar="MODEL",
        help="as in 'predict' (default: all whose weights are available)",
    )
    add(
        "--protocol",
        choices=("same", "defaults", "probe", "article"),
        default="same",
        help="how heads are trained, see above (default: %(default)s)",
    )
    _add_training(parser)
    _add_pictures(parser)
    _add_machine(parser)
    add(
        "--store",
        type=expanded,
        metavar="DIR",
        help="features and heads go into DIR-transfer (default: beside the store of predictions)",
    )
    add(
        "-o",
        "--output",
        type=expanded,
        action="append",
        default=[],
        metavar="FILE",
        help="also write the results to a .md, .csv, .json or .txt file; can be repeated",
    )
    add(
        "--predictions",
        type=expanded,
        action="append",
        default=[],
        metavar="FILE",
        help="write validation pictures with their predictions to a .png, .html, .svg or .pdf "
        "file; for one model",
    )
    add(
        "--export",
        type=expanded,
        action="append",
        default=[],
        metavar="FILE",
        help="write the trained model, backbone and head, to a .pt2, .onnx (PyTorch) or .keras "
        "file, or only the head to .safetensors or .pt; checked after loading; for one model",
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--heads",
        nargs="+",
        choices=("pytorch", "keras"),
        default=["pytorch", "keras"],
        help="frameworks that train heads, whatever the model's (default: both)",
    )
    add(
        "--head",
        type=natural,
        default=128,
        metavar="WIDTH",
        help="width of the hidden layer; 0 for none (default: %(default)s)",
    )
    add("--epochs", type=positive, default=3, metavar="N", help="default: %(default)s")
    add("--batch-size", type=positive, default=32, metavar="N", help="default: %(default)s")
    add("--optimizer", choices=("adam", "sgd"), default="adam", help="default: %(default)s")
    add(
        "--learning-rate",
        type=above_zero,
        metavar="RATE",
        help="default: that of the frameworks, 0.001 for Adam and 0.01 for SGD",
    )
    add(
        "--dtype",
        choices=("float32", "float64"),
        default="float32",
        help="in which the head is trained; features are always float32 (default: %(default)s)",
    )
    add(
        "--seeds",
        type=positive,
        default=1,
        metavar="N",
        help="train each head N times, with the seeds 0 to N - 1 (default: %(default)s)",
    )


def _add_pictures(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--name", nargs="+", default=[], metavar="NAME", help="names of the tasks, in order")
    add(
        "--per-class",
        type=positive,
        metavar="K",
        help="few-shot: learn from K different pictures of each class, drawn at random",
    )
    add(
        "--resize",
        choices=("squash", "shorter-side"),
        default="squash",
        help="to the model's square without keeping the aspect ratio, or as its published recipe "
        "does, with a crop of the centre (default: %(default)s)",
    )
    add(
        "--augment",
        type=natural,
        default=0,
        metavar="N",
        help="N versions of each training picture, with random shear, zoom and flip; the epochs "
        "take turns (default: %(default)s, the pictures as they are)",
    )


def _add_machine(parser: argparse.ArgumentParser) -> None:
    from benchmarking.io.prefetch import cores

    add = parser.add_argument
    add(
        "--gpu",
        type=gpu_number,
        metavar="ID",
        help="where features are computed, as in 'predict'; heads are trained on the CPU",
    )
    add(
        "--workers",
        type=positive,
        default=cores(),
        metavar="N",
        help=f"threads that decode pictures (default: one for each core, here {cores()})",
    )
    add("--weights-dir", type=expanded, metavar="DIR", help="folder with the files of weights")
    add(
        "--checkpoint",
        type=expanded,
        action="append",
        default=[],
        metavar="FILE",
        help="a file with your own weights, as in 'predict'; needs --arch. Both can be repeated",
    )
    add(
        "--arch",
        action="append",
        default=[],
        metavar="MODEL",
        help="the listed model whose architecture the checkpoint has",
    )
    add_weights(parser, "'random' tests the pipeline without any file of weights")


def run(args: argparse.Namespace) -> int:
    """Train, store and report; 1 if a named model failed, or a frozen backbone changed."""
    try:
        return _run(args)
    except KeyboardInterrupt:
        print(
            "\nstopped; complete features and heads are kept, and the same command resumes",
            file=sys.stderr,
        )
        return 130


def _run(args: argparse.Namespace) -> int:
    from benchmarking.experiments.transfer.result_files import (
        check_suffix,
        predictions_of,
        save_result,
        the_result,
    )
    from benchmarking.experiments.transfer.tables import writer_of
    from benchmarking.experiments.transfer.verbs import choices, folder_of, transferred
    from benchmarking.models.available import explained
    from benchmarking.reports.figures import suffix_of

    for path in args.output:
        writer_of(path)  # an unknown suffix is refused before hours of work
    for path in args.predictions:
        suffix_of(path)
    for path in args.export:
        check_suffix(path)
    options, machine = choices(_options(args))
    tasks = _tasks(args, machine)
    tables, done = transferred(tasks, args.models, folder_of(args.store, machine), options, machine)
    print(tables)
    for path in args.output:
        tables.write(path)
    if args.predictions or args.export:
        result = the_result(done.results)
        for path in args.predictions:
            predictions_of(result).save(path)
            print(f"wrote {path}", file=sys.stderr)
        for path in args.export:
            print(save_result(result, path), file=sys.stderr)
    for line in explained(done.obstacles):
        print(f"failed: {line}", file=sys.stderr)
    moved = options.protocol != "article" and any(row.changed for row in tables.rows)
    return 1 if done.obstacles or moved else 0


def _options(args: argparse.Namespace) -> dict[str, Any]:
    from benchmarking.errors import BenchmarkError

    if len(args.checkpoint) != len(args.arch):
        raise BenchmarkError(
            f"there are {len(args.checkpoint)} --checkpoint and {len(args.arch)} --arch; give one "
            "--arch for each --checkpoint."
        )
    return {
        "protocol": args.protocol,
        "heads": tuple(dict.fromkeys(args.heads)),
        "head": args.head,
        "epochs": args.epochs,
        "batch_size": args.batch_size,
        "optimizer": args.optimizer,
        "learning_rate": args.learning_rate,
        "precision": args.dtype,
        "seeds": args.seeds,
        "resize": args.resize,
        "augment": args.augment,
        "gpu": args.gpu,
        "workers": args.workers,
        "weights": args.weights,
        "weights_folder": args.weights_dir,
        "checkpoints": tuple(zip(args.checkpoint, args.arch, strict=True)),
    }


def _tasks(args: argparse.Namespace, machine: Machine) -> list[Task]:
    from benchmarking.errors import BenchmarkError
    from benchmarking.experiments.transfer.verbs import open_task, pairs_of

    pairs = list(pairs_of(args.places))
    if args.name and len(args.name) != len(pairs):
        raise BenchmarkError(
            f"--name has {len(args.name)} names for {len(pairs)} tasks; give one for each."
        )
    names = args.name or [None] * len(pairs)
    return [
        open_task(train, validation, machine, per_class=args.per_class, name=name)
        for (train, validation), name in zip(pairs, names, strict=True)
    ]
