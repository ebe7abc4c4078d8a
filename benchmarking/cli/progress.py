"""What a user sees of a sweep: a bar for the job at hand, and a line for each that has ended."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from textwrap import indent
from typing import TYPE_CHECKING

from benchmarking.cli._options import BAR

if TYPE_CHECKING:
    from tqdm import tqdm

    from benchmarking.jobs import Job
    from benchmarking.sweep import Event, Stored

IMAGES = BAR | {"unit": " images", "mininterval": 0.5}
"""A bar that counts images."""


def notice(text: str) -> None:
    """Say something beside the bar."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


def show(events: Iterable[Event]) -> int:
    """Follow a sweep with a bar per model, then a line for each; how many failed."""
    from tqdm import tqdm

    from benchmarking import sweep
    from benchmarking.retries import PutAside

    failures = 0
    bar = tqdm(disable=True)
    for event in events:
        if isinstance(event, sweep.Started):
            bar = tqdm(desc=title(event.job), total=len(event.job.pictures), **IMAGES)
            bar.set_postfix_str("loading")
        elif isinstance(event, sweep.Progress):
            _advance(bar, event.pictures)
        else:
            bar.close()
            if isinstance(event, sweep.Stored):
                print(_result(event), flush=True)
            elif isinstance(event, PutAside):
                notice(f"{title(event.job)}: {event.reason}")
            else:
                failures += 1
                run = event.job.run
                print(f"failed: {run.source}/{run.model}: {event.reason}", file=sys.stderr)
                print(indent(event.details, "  "), file=sys.stderr, end="")
    return failures


def title(job: Job) -> str:
    """What a job is called."""
    from benchmarking.sources import framework_of, spec_of

    framework = framework_of(spec_of(job.run.source, job.run.model)).TITLE
    random = ", random weights" if job.seed is not None else ""
    return f"{job.run.model} ({framework}{random})"


def _advance(bar: tqdm[None], pictures: int) -> None:
    """Move the bar, or at least its clock."""
    if pictures:
        bar.set_postfix_str("", refresh=False)
        bar.update(pictures)
    else:
        bar.refresh()


def _result(stored: Stored) -> str:
    from benchmarking.labels import every_image
    from benchmarking.metrics import accuracy

    pictures = stored.job.pictures
    right = every_image([picture.label for picture in pictures])
    at1, at5 = (100 * accuracy(stored.top.classes, right, k) for k in (1, 5))
    return (
        f"{title(stored.job)}: acc@1 {at1:.2f} %, acc@5 {at5:.2f} %, {len(pictures)} images, "
        f"{stored.seconds:.0f} s"
    )
