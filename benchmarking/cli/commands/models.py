"""List the models that can run: published accuracy, recipes, and whether the weights are available.

Names and conditions choose among the models; a model has to meet all conditions:
  imagenet-benchmark models --min-acc1 80 --max-parameters 30M
  imagenet-benchmark models 'resnet*' --source torchvision --input 224 --weights available

With --files, list the files of weights instead: state, published digest, address and folder of
each. On a machine without network, put these files into their folders.
"""

from __future__ import annotations

import argparse

from benchmarking.cli.arguments import amount, percentage, positive
from benchmarking.cli.output import add_output, check_output, deliver
from benchmarking.io.user_folders import expanded

NAME = "models"
HELP = "list the models that can run, and their weights"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="names, wildcards, frameworks or sources, as in 'predict --models' (default: all)",
    )
    for kind, example in (("source", "torchvision"), ("framework", "pytorch or keras")):
        parser.add_argument(
            f"--{kind}",
            nargs="+",
            action="extend",
            default=[],
            metavar="NAME",
            help=f"only models of these {kind}s, such as {example}",
        )
    parser.add_argument(
        "--weights",
        choices=("available", "missing"),
        help="only models whose file of weights is on this machine, or is not",
    )
    parser.add_argument(
        "--min-acc1",
        type=percentage,
        metavar="PERCENT",
        help="only models with a published acc@1 of at least this",
    )
    parser.add_argument(
        "--max-parameters",
        type=amount,
        metavar="N",
        help="only models with at most this number of parameters, such as 30M",
    )
    parser.add_argument(
        "--input",
        type=positive,
        metavar="PIXELS",
        help="only models with a crop of this side, such as 224",
    )
    parser.add_argument(
        "--files", action="store_true", help="list the files of weights, and check each file"
    )
    parser.add_argument(
        "--weights-dir",
        type=expanded,
        metavar="DIR",
        help="folder with the files of weights, or a cache of the Hugging Face hub (default: where "
        "each framework keeps them)",
    )
    add_output(parser, ".json", ".md", ".csv")


def run(args: argparse.Namespace) -> int:
    """Print a line for each model, then details that do not fit the columns."""
    from benchmarking.models.listing import list_models
    from benchmarking.reports import model_list
    from benchmarking.reports.documents import as_json
    from benchmarking.reports.documents.models import models_document

    check_output(args)
    specs = list_models(
        args.models,
        source=args.source,
        framework=args.framework,
        weights=args.weights,
        min_acc1=args.min_acc1,
        max_parameters=args.max_parameters,
        input=args.input,
        weights_folder=args.weights_dir,
    )
    document = models_document(specs, args.weights_dir, check_weights=args.files)
    as_text = model_list.as_files if args.files else model_list.as_text
    writers = {
        ".json": lambda: as_json(document),
        ".md": lambda: model_list.as_markdown(specs),
        ".csv": lambda: model_list.as_csv(specs),
    }
    deliver(args, as_text(specs, document.models), writers)
    return 0
