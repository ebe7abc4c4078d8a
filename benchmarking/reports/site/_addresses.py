"""Paths of the pages of models and image sets; they stay the same from one build to the next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarking.reports.figures import Subject
from benchmarking.reports.html_page._panels import Model


def model_pages(found: Sequence[Model]) -> dict[str, str]:
    """The path of each model's page, by the model's anchor: its source, name and recipe."""
    runs = [model.rows[0].row.run for model in found]
    paths = _distinct(f"models/{run.source}/{run.model}/{run.recipe}" for run in runs)
    return {model.anchor: f"{path}.html" for model, path in zip(found, paths, strict=True)}


def set_pages(subjects: Sequence[Subject]) -> list[str]:
    """The path of each image set's page, without a suffix: its name."""
    return _distinct(f"sets/{subject.table.images}" for subject in subjects)


def _distinct(paths: Iterable[str]) -> list[str]:
    """The paths, with a number at the end of those that others have already.

    Upper and lower case do not count, as some file systems ignore them. Names of runs are safe as
    names of files; see `benchmarking.io.names`.
    """
    taken: set[str] = set()
    found = []
    for path in paths:
        names = (f"{path}-{number}" if number > 1 else path for number in range(1, len(taken) + 2))
        name = next(name for name in names if name.casefold() not in taken)
        taken.add(name.casefold())
        found.append(name)
    return found
