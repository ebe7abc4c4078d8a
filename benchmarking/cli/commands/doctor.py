"""Look for faults in a copy of the pictures, before you spend hours on them.

PICTURES is a tar, a folder, or 'demo', as for 'predict'. All problems are reported together:
pictures that are missing, truncated, duplicated or in the wrong folder, files that are not
pictures, and signs that the pictures were resized or encoded again. If pictures were altered, an
accuracy on them cannot be compared with a published one. The exit status is 1 if there is a
problem.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmarking.cli.arguments import place
from benchmarking.cli.options import add_class_folders
from benchmarking.cli.output import add_output, check_output, deliver

if TYPE_CHECKING:
    from benchmarking.pictures.doctor import Finding, Report

NAME = "doctor"
HELP = "look for faults in a copy of the pictures"

_SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "pictures",
        type=place,
        metavar="PICTURES",
        help="a tar or folder of labelled pictures, or 'demo'",
    )
    add_class_folders(parser)
    parser.add_argument(
        "--quick", action="store_true", help="check only names and sizes; read no picture"
    )
    add_output(parser, ".json")


def run(args: argparse.Namespace) -> int:
    """Print facts and findings; 1 if there are findings."""
    import warnings

    from benchmarking.io.printable import printable
    from benchmarking.io.progress import bar, notice
    from benchmarking.pictures.doctor import checkups, look, report
    from benchmarking.pictures.layout import note

    check_output(args)
    layout = look(args.pictures, class_folders=args.class_folders)
    if layout.left_out:
        notice(f"note: {note(layout.left_out)}")
    checked = []
    if not args.quick:
        with warnings.catch_warnings():
            # Pillow's warnings of odd metadata and large pictures; findings report what matters.
            warnings.filterwarnings("ignore", module="PIL")
            files_read, n = checkups(layout.files), len(layout.files)
            checked = list(bar(files_read, title="doctor", total=n, unit=" images"))
    found = report(args.pictures, layout, checked)

    def as_json() -> str:
        from benchmarking.reports.documents import as_json
        from benchmarking.reports.documents.doctor import doctor_document

        return as_json(doctor_document(args.pictures, found))

    deliver(args, "\n".join(printable(line) for line in _lines(found)), {".json": as_json})
    return 1 if found.findings else 0


def _lines(found: Report) -> list[str]:
    fewest, most = found.per_class
    each = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    lines = [f"{found.name}: {found.n:,} pictures, {found.classes:,} classes, {each} of each class"]
    lines += [f"  {kind}: {_commonest(counts)}" for kind, counts in found.facts.items() if counts]
    for each_finding in found.findings:
        lines += ["", *_told(each_finding)]
    fingerprint = found.fingerprint or "none, since no picture was read"
    if found.facts and not found.fingerprint:
        fingerprint = "none, since predict cannot use the pictures as they are"
    return [*lines, "", found.verdict, f"fingerprint: {fingerprint}"]


def _commonest(counts: Mapping[str, int]) -> str:
    """The most common values with their counts, and the number of other values."""
    if list(counts) == ["yes"]:
        return f"{counts['yes']:,}"
    shown = ", ".join(f"{value} ({n:,})" for value, n in list(counts.items())[:_SHOWN])
    return f"{shown} and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else shown


def _told(finding: Finding) -> list[str]:
    more = len(finding.names) - len(finding.examples)
    examples = [f"    {name}" for name in finding.examples]
    return [
        f"{finding.kind}: {finding.what}",
        *examples,
        *([f"    and {more:,} more"] if more else []),
        f"  {finding.advice}",
    ]
