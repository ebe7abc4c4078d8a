"""Figures of stored runs, one module each; `Figure` is the contract of a module.

    from benchmarking.reports import figures

    figure = figures.plot("ranks", "mine", images="imagenet-val")
    figure.save("ranks.pdf")

In a notebook, a figure shows itself. Its numbers come from the functions that make the tables.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarking.errors import BenchmarkError, StoreError, requires
from benchmarking.labels.label_files import label_set, prefix_of
from benchmarking.plugins import discover
from benchmarking.predictions.selection import runs_by_images
from benchmarking.predictions.store import Store
from benchmarking.predictions.stores import Stores, as_stores
from benchmarking.reports.cells import caption
from benchmarking.reports.figures._drawing import Drawing, suffix_of
from benchmarking.reports.figures._subject import Subject
from benchmarking.scoring.aggregate import aggregate


@dataclass(frozen=True)
class Content:
    """What a figure shows.

    Attributes:
        chart: an Altair chart without title and colours of its own; marks have the styles of
            `_theme`, and text from names is data or a literal, never an expression.
        notes: lines below the title, such as which runs are left out.
    """

    chart: Any
    notes: tuple[str, ...] = ()


class Figure(Protocol):
    """A figure of stored runs."""

    @property
    def NAME(self) -> str:
        """Name of the figure."""

    @property
    def TITLE(self) -> str:
        """What it shows, in one line."""

    def content(self, subjects: Sequence[Subject]) -> Content:
        """The chart of some runs; one subject for each image set.

        Raises:
            BenchmarkError: the figure cannot show these, such as one run where it compares two.
        """


def figures() -> dict[str, Figure]:
    """Every figure, by name."""
    return discover(sys.modules[__name__], Figure)


def figure_named(name: str) -> Figure:
    """The figure of this name.

    Raises:
        BenchmarkError: there is none.
    """
    known = figures()
    if name not in known:
        raise BenchmarkError(f"there is no figure {name!r}; there are {', '.join(known)}.")
    return known[name]


def draw(figure: Figure, subjects: Sequence[Subject]) -> Drawing:
    """Draw a figure, with a title and the caption of its tables.

    Raises:
        BenchmarkError: the figure cannot show these runs, or they are estimates.
        MissingDependency: Altair is not installed.
    """
    for subject in subjects:
        if subject.table.design:
            raise BenchmarkError(
                f"the runs on {subject.table.images} are {subject.table.design.in_words}; figures "
                "show complete runs only."
            )
    with requires("report"):
        import altair
    with altair.data_transformers.enable("default", max_rows=None):
        content = figure.content(subjects)
        spec: dict[str, Any] = content.chart.to_dict()
    captions = [
        line
        for subject in subjects
        for line in (caption(subject.table), subject.labels_in_words)
        if line
    ]
    return Drawing(figure.NAME, figure.TITLE, (*captions, *content.notes), spec)


def plot(
    name: str,
    store: Stores | Store | str | Path,
    *,
    images: str | Sequence[str] | None = None,
    labels: str | Sequence[str] = "original",
    runs: Sequence[str] = (),
) -> Drawing:
    """Draw a figure of stored runs; needs only their predictions.

    Args:
        name: name of the figure; see `figures`.
        store: the store, or several.
        images: name of the image set, or several; None for all that have the runs.
        labels: "original", "real", "corrected" or a file of labels; or several of these.
        runs: MODEL, SOURCE/MODEL or SOURCE/MODEL:RECIPE, with wildcards; empty for all.

    Raises:
        BenchmarkError: there is no such figure or run, or the figure cannot show these runs.
        MissingDependency: Altair or vl-convert is not installed.
    """
    figure = figure_named(name)
    stores = as_stores(store)
    sets = [images] if isinstance(images, str) else list(images or stores.image_sets())
    names = [labels] if isinstance(labels, str) else list(labels)
    subjects = []
    for each in sets:
        chosen = runs_by_images(stores, runs, images=each)[each]
        rows = stores.rows(each)
        found = {prefix_of(one): label_set(one, rows.keys, rows.right_classes) for one in names}
        table = aggregate(stores, each, labels=found, runs=chosen)
        subjects.append(Subject(stores, table, found))
    if not subjects:
        raise StoreError(f"there are no stored predictions in {stores.folders}.")
    return draw(figure, subjects)


__all__ = [
    "Content",
    "Drawing",
    "Figure",
    "Subject",
    "draw",
    "figure_named",
    "figures",
    "plot",
    "suffix_of",
]
