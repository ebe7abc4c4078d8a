"""Display of a sweep: a bar for each running job, and a line for each that has ended."""

from __future__ import annotations

from collections.abc import Generator
from textwrap import indent

from benchmarking.inference.events import AlreadyStored, Event, Progress, Started, Stored
from benchmarking.inference.progress import bars, title
from benchmarking.inference.retries import PutAside
from benchmarking.io.progress import line, notice
from benchmarking.labels.class_values import padded
from benchmarking.labels.label_set import every_image
from benchmarking.pictures.design import Design
from benchmarking.scoring.estimates import Estimate, estimated_share
from benchmarking.scoring.metrics import accuracy, correct


def show(events: Generator[Event, None, None], design: Design | None = None) -> int:
    """Show a sweep with a bar per model, then a line for each; return how many failed.

    Several models may run at the same time, each with its bar.

    Args:
        events: events of the sweep.
        design: how the pictures were drawn, if they are a sample.
    """
    failures = 0
    for event in bars(events):
        if isinstance(event, Started | Progress):
            continue
        if isinstance(event, AlreadyStored):
            since = event.started.partition("T")[0]
            line(f"{title(event.job)}: complete since {since}; --again computes it again")
        elif isinstance(event, Stored):
            line(_result(event, design))
        elif isinstance(event, PutAside):
            notice(f"{title(event.job)}: {event.reason}")
        else:
            failures += 1
            run = event.job.run
            details = indent(event.details, "  ")
            notice(f"failed: {run.source}/{run.model}: {event.reason}\n{details}".rstrip("\n"))
    return failures


def _result(stored: Stored, design: Design | None) -> str:
    pictures = stored.job.pictures
    right = every_image(padded(picture.right for picture in pictures))
    if design:
        hits = (correct(stored.top.classes, right, k) for k in (1, 5))
        one, five = (_with_half(estimated_share(each, design)) for each in hits)
        return (
            f"{title(stored.job)}: acc@1 {one}, acc@5 {five}, {design.in_words}, "
            f"{stored.seconds:.0f} s"
        )
    at1, at5 = (100 * accuracy(stored.top.classes, right, k) for k in (1, 5))
    return (
        f"{title(stored.job)}: acc@1 {at1:.2f} %, acc@5 {at5:.2f} %, {len(pictures)} images, "
        f"{stored.seconds:.0f} s"
    )


def _with_half(found: Estimate) -> str:
    return f"{100 * found.value:.2f} ± {100 * found.half:.2f} %"
