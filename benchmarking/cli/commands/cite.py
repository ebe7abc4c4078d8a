"""Print what a paper should cite, and sentences for its methods section.

The output has BibTeX entries of this package, of ImageNet, of the labels, and of the papers that
describe the architectures of the models. A comment before them describes how the accuracies were
computed: recipes, pictures with their fingerprint, versions, device, batch size and statistics.
Everything comes from the stored runs; what was not recorded is said to be so. Without a stored run,
only the package and ImageNet are cited.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from benchmarking.cli.options import (
    add_labels,
    add_runs,
    add_stores,
    chosen_stores,
    print_notes,
    warn_of_left_out,
)
from benchmarking.cli.scored_tables import scored_tables
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from benchmarking.predictions.stores import Stores
    from benchmarking.reports.citation import Form
    from benchmarking.scoring.table import AccuracyTable

NAME = "cite"
HELP = "print BibTeX and a description of the methods for stored runs"

_FORMS: dict[str, Form] = {".bib": "bibtex", ".txt": "text", ".md": "text"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add_runs(parser)
    add("--images", metavar="NAME", help="only runs on this image set (default: all)")
    add(
        "--labels",
        action="append",
        metavar="NAME|FILE",
        help="labels that the accuracies are computed with, as in 'table'; ReaL and corrected "
        "labels have a paper of their own",
    )
    add_labels(parser)
    add(
        "--format",
        choices=("bibtex", "text"),
        help="bibtex: entries, after a comment with the methods; text: the methods, then a list of "
        "references (default: bibtex, or the format of the suffix of -o)",
    )
    add(
        "-o",
        "--output",
        type=expanded,
        metavar="FILE",
        help="write to a file instead; .bib is BibTeX, .txt and .md are text",
    )
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Print or write the citation; 1 if runs had to be left out."""
    from benchmarking.io import files
    from benchmarking.reports.citation import cite

    form = _form(args)
    tables, broken = _tables(args, chosen_stores(args))
    text = cite(tables, form)
    if args.output is None:
        print(text, end="")
    else:
        files.write_output(args.output, text.encode())
        print(f"wrote {args.output}", file=sys.stderr)
    return warn_of_left_out(tables, broken)


def _form(args: argparse.Namespace) -> Form:
    """The format that --format or the suffix of the output selects."""
    from benchmarking.errors import BenchmarkError

    if args.format:
        form: Form = args.format
        return form
    if args.output is None:
        return "bibtex"
    found = _FORMS.get(args.output.suffix.lower())
    if found is None:
        raise BenchmarkError(
            f"{args.output} has no known suffix; use one of {', '.join(_FORMS)}, or --format."
        )
    return found


def _tables(args: argparse.Namespace, stores: Stores) -> tuple[list[AccuracyTable], list[str]]:
    """A table per image set of the chosen runs, and why runs are missing.

    Raises:
        BenchmarkError: a pattern matches no run, or none of the runs can be scored.
    """
    from benchmarking.predictions.selection import runs_by_images

    if not stores.image_sets() and not args.patterns and not args.images:
        print_notes([f"note: there are no stored runs in {stores.folders}"])
        return [], []
    runs = runs_by_images(stores, args.patterns, images=args.images)
    return scored_tables(args, stores, [*runs], runs)
