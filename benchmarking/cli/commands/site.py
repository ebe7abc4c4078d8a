"""Write the pages of a leaderboard, for a web server or to look at: a folder of HTML files.

The first page has the image sets and the table of the largest one. There is a page for each image
set, with its table, figures and downloads, and one for each model. Other pages tell the methods,
how to submit a run, and what has changed, also as a feed (RSS). The pages need no server, no
network and no JavaScript. Writing to the same folder again replaces them, and removes those of runs
that are gone.
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

NAME = "site"
HELP = "write the pages of a leaderboard"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add_runs(parser)
    add(
        "-o",
        "--output",
        type=expanded,
        required=True,
        metavar="DIR",
        help="the folder to write: a new one, or one that this command wrote",
    )
    add(
        "--address",
        default="",
        metavar="URL",
        help="where the pages will be, such as https://example.org/leaderboard, for the links of "
        "the feed (default: its links are relative, which not every reader understands)",
    )
    add_scoring(parser)
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Write the pages; 1 if runs had to be left out."""
    from benchmarking.reports.site import site, write_pages

    subjects, broken = scored_subjects(args, chosen_stores(args))
    tables = [subject.table for subject in subjects]
    left_out = [*broken, *(reason for table in tables for reason in table.left_out)]
    pages = site(subjects, left_out, address=args.address)
    write_pages(pages, args.output)
    print(f"wrote {len(pages)} files; open {args.output / 'index.html'}", file=sys.stderr)
    print_notes(note for table in tables for note in table.notes)
    return warn_of_left_out(tables, broken)
