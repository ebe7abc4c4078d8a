"""Compare stored runs with the published accuracies, and look for the causes of differences.

A run on the whole validation set is 'reproduced' if its acc@1 is within 0.05 points of the
published one, and 'within backend noise' if it is within 0.15. A run on a part of the set is
'consistent' if its 95 % interval contains the published value. A run that cannot be compared has
'no reference', and the reason is shown. Accuracies, differences and ECE are in percent. The exit
status is 1 if a run is 'not reproduced', so a CI job can use it, if a damaged run was left out, or,
with --require-reference, if a run has no reference.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

from benchmarking.cli import terminal
from benchmarking.cli.options import (
    add_stores,
    chosen_stores,
    print_notes,
    runs_meant,
    warn_of_left_out,
)
from benchmarking.cli.output import add_output, check_output, deliver

if TYPE_CHECKING:
    from benchmarking.scoring.verify import Verification

NAME = "verify"
HELP = "compare stored runs with the published accuracies"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add(
        "models",
        nargs="*",
        metavar="RUN",
        help="models, sources, SOURCE/MODEL or SOURCE/MODEL:RECIPE, with wildcards, or runs' files "
        "(default: all)",
    )
    add("--images", metavar="NAME", help="only runs on this image set (default: all)")
    add("--recipe", metavar="NAME", help="only runs with this recipe (default: all)")
    add(
        "--labels",
        choices=("original", "real"),
        default="original",
        help="labels of the validation pictures: original (default), or ReaL labels, with which "
        "the accuracies of timm are published too",
    )
    add(
        "--require-reference",
        action="store_true",
        help="exit status 1 also if a run has no reference, so that every run is judged",
    )
    add_output(parser, ".json", ".xml", what=" (JUnit, for CI services)")
    add_stores(parser)


def run(args: argparse.Namespace) -> int:
    """Print verdicts and causes; 1 if a run is not reproduced, or damaged."""
    from benchmarking.predictions.selection import problems, whole_runs
    from benchmarking.scoring.verify import Verdict, verify

    check_output(args)
    begun = monotonic()
    store = chosen_stores(args)
    runs, damaged = whole_runs(store, runs_meant(args, store))
    findings = verify(store, runs, labels=args.labels)
    sets = sorted({run.images for run in runs})
    print_notes(note for images in sets for note in store.notes(images))
    left_out = [*damaged, *problems(store, args.images)]
    failing = frozenset({Verdict.NOT_REPRODUCED})
    if args.require_reference:
        failing |= {Verdict.NO_REFERENCE}
    status = 1 if left_out or any(found.verdict in failing for found in findings) else 0

    def as_json() -> str:
        from benchmarking.reports import documents
        from benchmarking.reports.documents.verify import verify_document

        document = verify_document(store, findings, left_out, passed=not status)
        return documents.as_json(document)

    def as_xml() -> str:
        from benchmarking.reports.junit import junit

        return junit(findings, left_out, failing=failing, seconds=monotonic() - begun)

    lines = [*_causes(findings), *_caveats(findings), _summary(findings)]
    text = "\n".join([_table(findings), *lines])
    deliver(args, text, {".json": as_json, ".xml": as_xml}, _STYLES)
    warn_of_left_out([], left_out)
    return status


_STYLES: terminal.Rules = {
    r"^[^\n]*  Verdict  [^\n]*$": "bold",
    r"(?<=  )not reproduced(?=  )": "red",
    r"(?<=  )(?:reproduced|within backend noise|consistent)(?=  )": "green",
    r"(?<=  )no reference(?=  )": "dim",
    r"^likely cause:": "yellow",
}


def _table(findings: Sequence[Verification]) -> str:
    from benchmarking.predictions.stored_run import place_of
    from benchmarking.reports.grid import aligned

    several = any(place_of(found.run) for found in findings)
    with_real = any(found.labels == "real" for found in findings)
    acc1 = "ReaL Acc@1" if with_real else "Acc@1"
    headings = ["Images", "Source", "Model", "Verdict", acc1, "Published", "Difference"]
    lines = [[*headings, "ECE [%]", *["Store"] * several, "Reason"]]
    for found in findings:
        published = f"{found.published.acc1:.2f}" if found.published else ""
        is_left_out = with_real and found.labels != "real"
        ece = "" if found.ece is None or is_left_out else f"{100 * found.ece:.1f}"
        difference = f"{100 * found.difference:+.2f}" if found.difference is not None else ""
        measured = "" if is_left_out else f"{100 * found.acc1:.2f}"
        lines.append(
            [
                *(found.run.images, found.run.source, found.run.model, found.verdict.value),
                *(measured, published, difference, ece),
                *[place_of(found.run)] * several,
                found.reason,
            ]
        )
    width = max(len(line[-1]) for line in lines)
    return aligned([[*line[:-1], line[-1].ljust(width)] for line in lines], left=4)


def _causes(findings: Sequence[Verification]) -> list[str]:
    """Each likely cause with its evidence and its runs."""
    about: dict[tuple[str, str], list[str]] = {}
    for found in findings:
        for cause in found.causes:
            about.setdefault((cause.what, cause.evidence), []).append(found.run.model)
    lines = []
    for (what, evidence), models in about.items():
        lines += [
            f"likely cause: {what}",
            f"  evidence: {evidence}",
            f"  runs: {', '.join(models)}",
        ]
    return [*lines, ""] if lines else []


def _caveats(findings: Sequence[Verification]) -> list[str]:
    """What is not known about the published accuracies, by source."""
    lines = {
        f"published accuracies of {found.run.source}: {found.published.caveat}": None
        for found in findings
        if found.published and found.published.caveat
    }
    return list(lines)


def _summary(findings: Sequence[Verification]) -> str:
    from collections import Counter

    verdicts = Counter(found.verdict.value for found in findings)
    total = f"{len(findings)} run{'s' if len(findings) > 1 else ''}: "
    return total + ", ".join(f"{n} {what}" for what, n in verdicts.items())
