"""Verdicts as JUnit XML, which CI services show as tests."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from benchmarking.io.printable import printable, printable_lines
from benchmarking.predictions.stored_run import place_of
from benchmarking.scoring.verify import Verdict, Verification


def junit(
    findings: Sequence[Verification],
    left_out: Sequence[str],
    *,
    failing: frozenset[Verdict],
    seconds: float,
) -> str:
    """A document with one test suite: a test case per run, and one per run that is left out.

    A run whose verdict is failing is a failure, and a run without a reference that is not is
    skipped. A run that is left out is an error.

    Args:
        findings: the verdicts.
        left_out: why runs are left out.
        failing: verdicts that change the exit status.
        seconds: duration of the command.
    """
    root = ElementTree.Element("testsuites")
    failures = sum(found.verdict in failing for found in findings)
    skipped = sum(_is_skipped(found, failing) for found in findings)
    counts = {
        "tests": len(findings) + len(left_out),
        "failures": failures,
        "errors": len(left_out),
        "skipped": skipped,
    }
    texts = {name: str(count) for name, count in counts.items()} | {"time": f"{seconds:.3f}"}
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": "imagenet-benchmark verify", **texts}
    )
    for found in findings:
        _case(suite, found, failing)
    for reason in left_out:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "left out", "name": printable(reason)}
        )
        _add(case, "error", "damaged or not found", reason)
    ElementTree.indent(root, " ")
    data: bytes = ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True)
    return data.decode("ascii") + "\n"


def _case(suite: ElementTree.Element, found: Verification, failing: frozenset[Verdict]) -> None:
    run, place = found.run, place_of(found.run)
    name = f"{run.model} ({run.recipe})" + (f" in {place}" if place else "")
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": f"{run.images}.{run.source}", "name": printable(name)}
    )
    if found.verdict in failing:
        _add(case, "failure", found.verdict.value, str(found))
    elif _is_skipped(found, failing):
        _add(case, "skipped", "", found.reason)


def _add(case: ElementTree.Element, tag: str, kind: str, text: str) -> None:
    """Add the result of a test case: its first line as the message, then all of it."""
    message = printable(text.partition("\n")[0])
    part = ElementTree.SubElement(
        case, tag, {"message": message, **({"type": kind} if kind else {})}
    )
    if text != message:
        part.text = printable_lines(text)


def _is_skipped(found: Verification, failing: frozenset[Verdict]) -> bool:
    return found.verdict == Verdict.NO_REFERENCE and found.verdict not in failing
