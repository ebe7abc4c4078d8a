"""Tables for Python users, made by `score` and `evaluate`; they can be printed and saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.inference.own_model import Model, own_name
from benchmarking.inference.plan import Models
from benchmarking.inference.requests import AnyPlan, Images, plans, request_of
from benchmarking.inference.verbs import predicted
from benchmarking.io import files
from benchmarking.io.downloads import cache_folder
from benchmarking.io.names import UNKNOWN
from benchmarking.io.printable import printable
from benchmarking.labels.label_files import label_set, prefix_of
from benchmarking.labels.label_set import LabelSet
from benchmarking.pictures.image_set import ImageSet
from benchmarking.pictures.sampling import Sample
from benchmarking.predictions.remote_store import store_at
from benchmarking.predictions.run import Run
from benchmarking.predictions.shards import merge_hint
from benchmarking.predictions.store import Store
from benchmarking.predictions.stores import Stores, as_stores
from benchmarking.reports.cells import caption, cells
from benchmarking.reports.citation import Form, cite
from benchmarking.reports.columns import is_asymmetric, narrow, shown
from benchmarking.reports.data_frame import pandas_frame
from benchmarking.reports.formats import format_of, reports
from benchmarking.scoring.aggregate import aggregate
from benchmarking.scoring.table import AccuracyTable

if TYPE_CHECKING:
    import pandas as pd

Labels = str | Path | LabelSet | Sequence[str | Path]

_DIGITS = 16  # of the fingerprint, in the name of a store


@dataclass(frozen=True, repr=False)
class Table(AccuracyTable):
    """An accuracy table that can be shown as text or in a notebook, and converted or saved."""

    def __str__(self) -> str:
        left_out = [f"left out: {reason}" for reason in self.left_out]
        text = reports()["text"].render([self]).rstrip("\n")
        asymmetric = is_asymmetric(self, shown(self, narrow))
        note = "note: the intervals are not symmetric; to_pandas() has both ends"
        return "\n".join([text, *[note] * asymmetric, *left_out, *map(printable, self.notes)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """HTML for notebooks, with all columns."""
        headings, *lines = cells(self)
        head = "".join(f"<th>{escape(cell)}</th>" for cell in headings)
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines
        )
        return (
            f"<table><caption>{escape(caption(self))}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            + "".join(f"<p>left out: {escape(reason)}</p>" for reason in self.left_out)
            + "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        )

    def to_pandas(self) -> pd.DataFrame:
        """A data frame with a row per run and the columns of the .csv format, shares in [0, 1].

        Raises:
            MissingDependency: pandas is not installed.
        """
        return pandas_frame([self])

    def cite(self, form: Form = "bibtex") -> str:
        """What a paper should cite for this table, and how its accuracies were computed.

        Args:
            form: "bibtex" for entries of BibTeX after a comment with the methods, or "text" for
                the methods and a list of references.
        """
        return cite([self], form)

    def save(self, path: Path | str) -> None:
        """Write the table in the format of the path's suffix: .md, .csv, .tex, .json or .txt.

        Raises:
            BenchmarkError: no format has this suffix, or the file cannot be written.
        """
        target = Path(path)
        files.write_output(target, format_of(target).render([self]).encode())


def score(
    store: Stores | Store | str | Path,
    images: ImageSet | str | None = None,
    *,
    labels: Labels = "original",
    runs: Sequence[Run] | None = None,
) -> Table:
    """The accuracy table of stored runs; needs only their predictions.

    Args:
        store: the store, or several.
        images: the image set or its name; None if the store has only one.
        labels: "original", "real", "corrected" or a file of labels; several of these, for columns
            side by side; or a label set for the rows of the image set.
        runs: the runs to score; None for all on the set.

    Raises:
        BenchmarkError: there are no such runs, or labels are missing or do not match.
    """
    kept = as_stores(store)
    name = images.name if isinstance(images, ImageSet) else images or _only_set(kept)
    if name not in kept.image_sets():
        known = ", ".join(kept.image_sets()) or "none"
        raise StoreError(
            f"{kept.folders} has no runs on image set {name!r}; its sets: {known}."
            f"{merge_hint(kept, name)}"
        )
    found = aggregate(kept, name, labels=_label_sets(labels, kept, name), runs=runs)
    if isinstance(images, ImageSet) and not np.array_equal(
        images.right_classes, kept.right_classes(name)
    ):
        raise StoreError(
            f"the runs on {name!r} in {kept.folders} are stored with other classes than these "
            "pictures have; score with labels= to use others."
        )
    if isinstance(images, ImageSet) and found.fingerprint not in (images.fingerprint, UNKNOWN):
        raise StoreError(
            f"the runs on {name!r} in {kept.folders} are on other pictures: fingerprint "
            f"{found.fingerprint}, and these have {images.fingerprint}."
        )
    notes = (*found.notes, *kept.notes(name))
    found = replace(found, left_out=(*found.left_out, *kept.problems(name)), notes=notes)
    return Table(**{field.name: getattr(found, field.name) for field in fields(AccuracyTable)})


def evaluate(
    model: Models | Model | Path,
    pictures: Images,
    *,
    store: Store | str | Path | None = None,
    labels: Labels = "original",
    estimate: int | Sample | None = None,
    until: float | None = None,
    **options: Any,
) -> Table:
    """Measure the accuracy of a model on pictures: predict and score in one call.

    Args:
        model: a name as in `imagenet-benchmark models`, several names, or your own model or its
            file; see `predict`.
        pictures: a folder, a tar, the name of a picture set, or an image set; see `open_images`.
        store: the store for the run; None uses a folder for these pictures in your cache, so that
            an interrupted call is resumed and a repeated call returns at once.
        labels: see `score`.
        estimate: number of pictures to draw at random: the table has estimates of the accuracies on
            all pictures, with their intervals; see `predict`.
        until: percentage points, such as 0.5: larger samples are drawn until acc@1 is known to
            this; see `predict`.
        options: options of `predict`, such as name=, recipe=, batch_size= or gpu=.

    Raises:
        BenchmarkError: a name is unknown, the model cannot run, or the pictures cannot be used.

    >>> from benchmarking import evaluate
    >>> table = evaluate("efficientnet-lite-pytorch/efficientnet-lite0", "demo")
    >>> round(table.rows[0].scores["Acc@1"].share, 2)
    0.9
    """
    if store is None and callable(model):  # a later call cannot use its run
        options = {"name": own_name(model), **options}
    request = request_of(model, **options)
    if store is None:
        cached = _Cached(cache_folder("evaluated"), request.options.apart)
        made = plans(
            lambda name, n: cached.likely(request.plan(name, n, cached.new)),
            pictures,
            estimate,
            until,
            cached.settled,
        )
    else:
        kept = store_at(store)
        made = plans(lambda name, n: request.plan(name, n, kept), pictures, estimate, until)
    found = predicted(made)
    return score(found.store, found.images, labels=labels, runs=found.runs)


@dataclass(frozen=True)
class _Cached:
    """Stores of `evaluate` in a folder, one for each list of pictures, named by its fingerprint.

    The fingerprint is known only when the pictures have been read.

    Attributes:
        folder: the folder.
        apart: suffix of their names; see `Options.apart`.
    """

    folder: Path
    apart: str

    @property
    def new(self) -> Store:
        """A store without runs, for pictures that have not been read."""
        return Store(self.folder / f"{'0' * _DIGITS}{self.apart}")

    def likely(self, plan: AnyPlan) -> AnyPlan:
        """A plan with a store that has begun one of its runs, on these pictures or on others.

        The crops of runs that have begun are not kept while pictures are read.
        """
        for path in self.folder.glob(f"{'[0-9a-f]' * _DIGITS}{self.apart}"):
            store = Store(path)
            if any(map(store.has_begun, plan.runs)):
                return replace(plan, store=store)
        return plan

    def settled(self, plan: AnyPlan, images: ImageSet) -> AnyPlan:
        """A plan with the store of its pictures."""
        name = f"{images.fingerprint[:_DIGITS]}{self.apart}"
        return replace(plan, store=Store(self.folder / name))


def _only_set(store: Stores) -> str:
    known = store.image_sets()
    if len(known) != 1:
        sets = ", ".join(known)
        raise StoreError(
            f"{store.folders} has runs on {len(known)} image sets ({sets}); name one with images=."
            if known
            else f"there are no stored predictions in {store.folders}; make some with predict()."
        )
    return known[0]


def _label_sets(labels: Labels, store: Stores, images: str) -> dict[str, LabelSet] | None:
    """Label sets by the prefix of their columns' names; None for the stored labels."""
    if labels == "original":
        return None
    if isinstance(labels, LabelSet):
        return {"": labels}
    rows = store.rows(images)
    names = [str(labels)] if isinstance(labels, str | Path) else list(map(str, labels))
    if not names:
        raise BenchmarkError("there are no labels; give a name or a file, or several.")
    found = {prefix_of(name): label_set(name, rows.keys, rows.right_classes) for name in names}
    if len(found) < len(names):
        raise BenchmarkError(f"of labels {', '.join(names)} two would share their columns.")
    return found
