"""Write a page with the table, the figures and a panel for each model, as one HTML file.

The file needs no network and no other file. Its table can be sorted and filtered; without
JavaScript it is a plain table. Figures show the best 60 runs. The figure 'labels' is shown if
--labels is given twice, and 'sets' if there are two image sets. Heads that 'transfer' has trained
are shown in a section of their own, with their learning curves.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.cli.arguments import place
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

if TYPE_CHECKING:
    from benchmarking.predictions.stores import Stores
    from benchmarking.reports.html_page import Further

NAME = "report"
HELP = "write a page with table, figures and models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add_runs(parser)
    add(
        "-o",
        "--output",
        type=expanded,
        required=True,
        metavar="FILE",
        help="the page to write; its suffix is .html",
    )
    add_scoring(parser)
    add(
        "--pictures",
        type=place,
        metavar="PLACE",
        help="the pictures of the first image set, as in 'predict': up to 24 on which the models "
        "disagree are shown, small; needs Pillow",
    )
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Write the page; 1 if runs had to be left out."""
    from benchmarking.io import files
    from benchmarking.io.files import in_bytes
    from benchmarking.pictures.sets import open_pictures
    from benchmarking.reports.html_page import page

    _check_suffix(args.output)
    stores = chosen_stores(args)
    subjects, broken = scored_subjects(args, stores)
    tables = [subject.table for subject in subjects]
    left_out = [*broken, *(reason for table in tables for reason in table.left_out)]
    pictures = open_pictures(args.pictures).pictures if args.pictures else ()
    further, obstacles = _of_heads(stores)
    data = page(subjects, [*left_out, *obstacles], pictures, further).encode()
    files.write_output(args.output, data)
    print(f"wrote {args.output}, {in_bytes(len(data))}", file=sys.stderr)
    print_notes(note for table in tables for note in table.notes)
    return warn_of_left_out(tables, broken)


def _of_heads(stores: Stores) -> tuple[list[Further], list[str]]:
    """A section for the trained heads beside each store, and why others have none."""
    from benchmarking.errors import BenchmarkError
    from benchmarking.experiments.transfer.curves import curves_in, drawing, final_scores
    from benchmarking.predictions.run_index import beside
    from benchmarking.reports.html_page import Further

    found, obstacles = [], []
    for store in stores.members.values():
        folder = beside(store.folder, "-transfer")
        try:
            if any(curves_in(folder)):
                headings, *lines = final_scores(folder)
                found.append(Further("Heads on frozen models", headings, lines, drawing(folder)))
        except BenchmarkError as error:
            obstacles.append(str(error))
    return found, obstacles


def _check_suffix(path: Path) -> None:
    """BenchmarkError if the suffix is not that of a page."""
    from benchmarking.errors import BenchmarkError

    if path.suffix.lower() not in (".html", ".htm"):
        raise BenchmarkError(f"{path} has no known suffix; use .html.")
