"""Progress bars for the events of a sweep."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from benchmarking.inference.events import Event, Progress, Started
from benchmarking.inference.job import Job
from benchmarking.io.progress import bar
from benchmarking.models.sources import framework_of
from benchmarking.predictions.run import Run


def bars(events: Generator[Event, None, None]) -> Generator[Event, None, None]:
    """Pass on the events, with a bar for each running job; closing it closes `events`."""
    running: dict[Run, Any] = {}
    try:
        for event in events:
            run = event.job.run
            if isinstance(event, Started):
                n = len(event.job.pictures)
                running[run] = bar(title=title(event.job), total=n, unit=" images")
                running[run].set_postfix_str("loading")
            elif not isinstance(event, Progress):
                if run in running:
                    running.pop(run).close()
            elif run in running and event.pictures:
                running[run].set_postfix_str("", refresh=False)
                running[run].update(event.pictures)
            elif run in running:
                running[run].refresh()
            yield event
    finally:
        events.close()
        for each in running.values():
            each.close()


def title(job: Job) -> str:
    """Title of a job: its model and platform."""
    random = ", random weights" if job.seed is not None else ""
    return f"{job.run.model} ({framework_of(job.spec).TITLE}{random})"
