"""Draw a figure of stored runs, as SVG, PDF, PNG or an HTML page.

The numbers are those of 'table', 'compare' and 'verify'. Without a name, the figures are listed.
The suffix of -o selects the format. A page (.html) shows the values of the marks under the pointer,
and needs no network; .json is the specification of the figure, in Vega-Lite. The figure 'sets'
needs --images twice, and 'labels' needs --labels twice.

'learning-curves' is a figure of the heads that 'transfer' has trained; there, RUN is a model.
"""

from __future__ import annotations

import argparse
import sys

from benchmarking.cli.options import (
    add_runs,
    add_scoring,
    add_stores,
    chosen_stores,
    print_notes,
    warn_of_left_out,
)
from benchmarking.cli.scored_tables import scored_subjects
from benchmarking.io.user_folders import expanded

NAME = "plot"
HELP = "draw a figure of stored runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="name of the figure (default: list the figures)")
    add_runs(parser)
    add(
        "-o",
        "--output",
        type=expanded,
        metavar="FILE",
        help="the file to write: .svg, .pdf, .png, .html or .json",
    )
    add_scoring(parser)
    add(
        "--theme",
        choices=("light", "dark"),
        default="light",
        help="colours for a light page or for a dark one (default: %(default)s)",
    )
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Write the figure, or list all; 1 if runs had to be left out."""
    from benchmarking.errors import BenchmarkError
    from benchmarking.experiments.transfer import curves
    from benchmarking.reports.figures import draw, figure_named, figures, suffix_of

    if args.name is None:
        known = {name: one.TITLE for name, one in figures().items()} | {curves.NAME: curves.TITLE}
        width = max(map(len, known))
        print("\n".join(f"{name:{width}}  {known[name]}" for name in sorted(known)))
        return 0
    figure = None if args.name == curves.NAME else figure_named(args.name)
    if args.output is None:
        raise BenchmarkError("plot needs a file to write; name it with -o, such as -o figure.svg.")
    suffix_of(args.output)
    if figure is None:
        return _learning_curves(args)
    subjects, broken = scored_subjects(args, chosen_stores(args))
    tables = [subject.table for subject in subjects]
    draw(figure, subjects).save(args.output, args.theme)
    print(f"wrote {args.output}", file=sys.stderr)
    print_notes(note for table in tables for note in table.notes)
    return warn_of_left_out(tables, broken)


def _learning_curves(args: argparse.Namespace) -> int:
    """Write the curves of the heads of one store."""
    from benchmarking.errors import BenchmarkError
    from benchmarking.experiments.transfer.curves import drawing
    from benchmarking.experiments.transfer.verbs import Machine, folder_of

    if len(args.store or ()) > 1:
        raise BenchmarkError("the learning curves of one store are drawn at a time; give one.")
    folder = folder_of(args.store[0] if args.store else None, Machine())
    drawing(folder, args.patterns).save(args.output, args.theme)
    print(f"wrote {args.output}", file=sys.stderr)
    return 0
