"""Print the accuracy table of stored predictions.

There is one table per image set, with the best model first. After ± is half of the 95 % Wilson
interval. Rank is the order of the measured accuracies. A tier contains the models that are not
significantly worse than its best model (exact McNemar test, Holm, 5 %). Ranks and tiers are among
the selected runs.

The table fits 80 characters; --wide shows all columns, with both ends of each interval, the range
of plausible ranks, and the accuracies of each model on the other image sets, by which --sort can
sort: --wide --sort 'Acc@1 on v2'. A terminal with room for it shows a bar for each accuracy. The
command needs no pictures, no network and no framework.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarking.cli import terminal
from benchmarking.cli.options import (
    add_labels,
    add_stores,
    add_weights,
    chosen_stores,
    print_notes,
    warn_of_left_out,
)
from benchmarking.cli.scored_tables import scored_tables
from benchmarking.cli.table_view import add_view, as_asked, asymmetric_intervals, selected_runs
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from benchmarking.scoring.table import AccuracyTable

NAME = "table"
HELP = "print the accuracy table of stored predictions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_view(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=expanded,
        metavar="FILE",
        help="write to a file instead; its suffix selects the format: .csv, .md, .tex, .json, "
        ".txt, or the suffix of a plug-in",
    )
    parser.add_argument(
        "--labels",
        action="append",
        metavar="NAME|FILE",
        help="labels to score with: original (the default), real, corrected, or a .csv, .txt, "
        ".json or .npy file of pictures and their classes; give --labels several times "
        "for accuracies side by side. Image sets to which the labels do not apply are left out",
    )
    add_labels(parser)
    parser.add_argument(
        "--calibration",
        action="store_true",
        help="add the calibration error of the top-1 probability (ECE, 15 bins), in percent, or "
        "as a share in .csv and .json; also NLL and Brier score, if the probabilities of all "
        "classes were stored",
    )
    parser.add_argument(
        "--mix-pictures",
        action="store_true",
        help="show runs on pictures with different fingerprints in one table",
    )
    add_weights(parser, "'random' shows the runs of 'predict --weights random' instead")
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Print or write the table; 1 if runs had to be left out."""
    from benchmarking.errors import StoreError
    from benchmarking.io import files
    from benchmarking.predictions.shards import merge_hint
    from benchmarking.reports.formats import format_of
    from benchmarking.scoring.side_by_side import side_by_side

    stores = chosen_stores(args)
    known = stores.image_sets()
    if not known:
        raise StoreError(
            f"there are no stored predictions in {stores.folders}. Make some with "
            "'imagenet-benchmark predict demo', or name another folder with --store."
        )
    if args.images not in (None, *known):
        raise StoreError(
            f"there is no image set {args.images!r} in {stores.folders}, only {', '.join(known)}."
            f"{merge_hint(stores, args.images)}"
        )
    runs = selected_runs(args, stores)
    tables, broken = scored_tables(args, stores, known if not args.images else [args.images], runs)
    tables = as_asked(args, side_by_side(tables))
    print_notes(note for table in tables for note in table.notes)
    if args.output is None:
        _print(args, tables)
    else:
        files.write_output(args.output, format_of(args.output).render(tables).encode())
        print(f"wrote {args.output}", file=sys.stderr)
    status = warn_of_left_out(tables, broken)
    if args.output is None:
        print_notes(asymmetric_intervals(tables))
    return status


def _print(args: argparse.Namespace, tables: Sequence[AccuracyTable]) -> None:
    """Print the tables; on a terminal headings stand out, and --wide has bars."""
    from benchmarking.reports.formats import reports
    from benchmarking.reports.formats.text import with_bars

    columns = terminal.width()
    if args.wide and columns:
        text = with_bars(tables, columns, sys.stdout.encoding)
    else:
        text = reports()["text"].render(tables)
    terminal.print_styled(text.removesuffix("\n"), _STYLES)


_STYLES: terminal.Rules = {
    r"^[^\n]*, \d+ pictures[^\n]*, fingerprint [^\n]*(?:\n  \S[^\n]*)*$": "dim",
    r"^[^\n]*  Model  [^\n]*$": "bold",
}
"""Captions, and headings of columns."""
