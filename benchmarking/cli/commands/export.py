"""Write stored runs for other tools.

npy: the arrays of the 2019 benchmark, such as MODEL_PLATFORM_SET_top5preds.npy, which the scripts
of 2019 can read. csv: one line per picture with its name, its label, the five most probable classes
and their probabilities.

'export model-card RUN' prints the accuracies of a model on every image set, each with its 95 %
interval, as metadata for its model card on the Hugging Face Hub (model-index, YAML).
"""

from __future__ import annotations

import argparse
import sys

from benchmarking.cli.options import (
    add_selection,
    add_stores,
    add_weights,
    chosen_stores,
    runs_meant,
    warn_of_left_out,
)
from benchmarking.cli.scored_tables import scored_subjects
from benchmarking.io.user_folders import expanded

NAME = "export"
HELP = "write stored runs as .npy or .csv for other tools, or as a model card"

_CARD = "model-card"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add(
        "folder",
        metavar=f"DIR|{_CARD}",
        type=expanded,
        help=f"folder for the files of --to; or, without --to, the word {_CARD}",
    )
    add(
        "patterns",
        nargs="*",
        metavar="RUN",
        help=f"for {_CARD}: MODEL, SOURCE/MODEL or SOURCE/MODEL:RECIPE, of one model",
    )
    add("--to", choices=("npy", "csv"), help="format of the files")
    add(
        "-o",
        "--output",
        type=expanded,
        metavar="FILE",
        help=f"for {_CARD}: write to a .yaml file, without the dashes around a card's metadata",
    )
    add_selection(parser)
    add_weights(parser, "'random' exports the runs of 'predict --weights random' instead")
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Write the files and print their number; 1 if some runs are or may be missing.

    Raises:
        BenchmarkError: none of the runs can be exported.
    """
    from benchmarking.errors import BenchmarkError
    from benchmarking.io.progress import bar
    from benchmarking.predictions.import_export import export_arrays, export_tables
    from benchmarking.predictions.selection import problems

    if args.to is None and str(args.folder) == _CARD:
        return _model_card(args)
    if args.to is None:
        raise BenchmarkError(
            f"export needs --to npy or --to csv, the format of the files in {args.folder}; "
            f"'export {_CARD} RUN' prints metadata for a model card."
        )
    if args.patterns or args.output:
        raise BenchmarkError(
            f"a RUN and -o are for 'export {_CARD}' only; select the runs of --to {args.to} with "
            "--models."
        )
    store = chosen_stores(args)
    runs = runs_meant(args, store)
    write = export_arrays if args.to == "npy" else export_tables
    found = list(bar(write(store, runs, args.folder), title="export", total=len(runs)))
    errors = [str(one) for one in found if isinstance(one, BenchmarkError)]
    if len(errors) == len(found):
        raise BenchmarkError("\n".join(errors))
    print(f"{len(found) - len(errors)} runs in {args.folder}")
    return warn_of_left_out([], [*errors, *problems(store, args.images)])


def _model_card(args: argparse.Namespace) -> int:
    """Print the metadata, or write them; 1 if runs of the model had to be left out."""
    from benchmarking.errors import BenchmarkError
    from benchmarking.io import files
    from benchmarking.reports.model_card import model_card

    if args.output and args.output.suffix.lower() not in (".yaml", ".yml"):
        raise BenchmarkError(
            f"{args.output} has no known suffix; use .yaml. Without -o the metadata are printed, "
            "for the beginning of README.md."
        )
    if args.models or not args.patterns:
        raise BenchmarkError(f"name the model, such as 'export {_CARD} torchvision/resnet50'.")
    subjects, broken = scored_subjects(_selection(args), chosen_stores(args))
    text = model_card(subjects)
    if args.output:
        files.write_output(args.output, text.encode())
        print(f"wrote {args.output}", file=sys.stderr)
    else:
        print(f"---\n{text}---")
    return warn_of_left_out([subject.table for subject in subjects], broken)


def _selection(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments as commands with options of labels have them."""
    suffix = f":{args.recipe}" if args.recipe else ""
    return argparse.Namespace(
        patterns=[f"{pattern}{suffix}" for pattern in args.patterns],
        images=[args.images] if args.images else None,
        **{"labels": None, "only": None, "without": None},
    )
