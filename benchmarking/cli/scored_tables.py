"""Tables of the stored runs that the arguments of a command select."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from benchmarking.cli.options import label_sets, print_notes, subset

if TYPE_CHECKING:
    from benchmarking.labels.label_set import LabelSet
    from benchmarking.predictions.run import Run
    from benchmarking.predictions.stores import Stores
    from benchmarking.reports.figures import Subject
    from benchmarking.scoring.table import AccuracyTable


@dataclass(frozen=True)
class Scored:
    """A table, and what it was made from.

    Attributes:
        stores: the stores of its runs; all have the same list of pictures.
        table: the table.
        labels: its label sets, by the prefix of their columns' names.
    """

    stores: Stores
    table: AccuracyTable
    labels: Mapping[str, LabelSet]


def scored_tables(
    args: argparse.Namespace,
    stores: Stores,
    known: Sequence[str],
    runs: Mapping[str, list[Run]] | None = None,
) -> tuple[list[AccuracyTable], list[str]]:
    """The tables of `scored`, and why some runs or sets are in no table."""
    found, broken = scored(args, stores, known, runs)
    return [one.table for one in found], broken


def scored_runs(args: argparse.Namespace, stores: Stores) -> tuple[list[Scored], list[str]]:
    """A table per image set of the runs that `patterns` and a list of `images` select.

    Raises:
        BenchmarkError: a pattern matches no run, or none of the runs can be scored.
    """
    from benchmarking.predictions.selection import runs_by_images

    runs = {
        images: chosen
        for name in args.images or [None]
        for images, chosen in runs_by_images(stores, args.patterns, images=name).items()
    }
    return scored(args, stores, [*runs], runs)


def scored_subjects(args: argparse.Namespace, stores: Stores) -> tuple[list[Subject], list[str]]:
    """What figures and pages show of `scored_runs`, and why other runs are in no table."""
    from benchmarking.reports.figures import Subject

    found, broken = scored_runs(args, stores)
    return [Subject(one.stores, one.table, one.labels) for one in found], broken


def scored(
    args: argparse.Namespace,
    stores: Stores,
    known: Sequence[str],
    runs: Mapping[str, list[Run]] | None = None,
) -> tuple[list[Scored], list[str]]:
    """A table per image set, and why some runs or sets are in no table.

    Stores with different lists of pictures under one name get a table each. Notes name the sets
    that are left out because the labels do not apply to them.

    Args:
        args: arguments with the options of `add_labels`; `labels`, `calibration` and `mix_pictures`
            as in 'table'.
        stores: the stores.
        known: names of the image sets.
        runs: the selected runs, by image set; None for all.

    Raises:
        BenchmarkError: there is no table.
    """
    from benchmarking.errors import BenchmarkError, StoreError
    from benchmarking.labels.label_set import every_image

    tables: list[Scored] = []
    broken: list[str] = []
    others: dict[str, str] = {}
    for images in known:
        if runs is not None and images not in runs:
            others[images] = "it has no run that was selected."
    parts = _parts(stores, known, runs)
    for images, store, chosen in ((i, *each) for i, found in parts.items() for each in found):
        try:
            labels = _labels(args, store, images)
            table = _table(args, store, images, labels, chosen)
            tables.append(
                Scored(store, table, labels or {"": every_image(store.right_classes(images))})
            )
        except StoreError as error:
            broken += [str(error), *store.problems(images)]
        except BenchmarkError as error:
            others[images] = str(error)
    if not tables:
        raise BenchmarkError("\n".join([*dict.fromkeys(others.values()), *broken]))
    print_notes(
        f"note: {images} has {len(found)} tables, because its pictures or their classes differ "
        "between the stores"
        for images, found in parts.items()
        if len(found) > 1
    )
    print_notes(f"note: {images} is left out: {reason}" for images, reason in others.items())
    return tables, broken


def _parts(
    stores: Stores, known: Sequence[str], runs: Mapping[str, list[Run]] | None
) -> dict[str, list[tuple[Stores, list[Run] | None]]]:
    """Stores with equal lists of pictures, and their selected runs, by image set."""
    if runs is None:
        return {images: [(part, None) for part in stores.parts(images)] for images in known}
    return {images: [*stores.split(chosen)] for images, chosen in runs.items()}


def _labels(args: argparse.Namespace, store: Stores, images: str) -> dict[str, LabelSet] | None:
    """What counts in an image set; BenchmarkError if the labels are not about it."""
    plain = not (args.labels or args.only or args.without)
    return None if plain else label_sets(args, args.labels or ["original"], store.rows(images))


def _table(
    args: argparse.Namespace,
    store: Stores,
    images: str,
    labels: dict[str, LabelSet] | None,
    runs: list[Run] | None,
) -> AccuracyTable:
    from benchmarking.scoring.aggregate import aggregate, calibration
    from benchmarking.scoring.measured_speed import with_speed

    options = vars(args)
    table = aggregate(
        store,
        images,
        labels=labels,
        runs=runs,
        measure=partial(calibration, store) if options.get("calibration") else None,
        pictures="any" if options.get("mix_pictures") else "same",
    )
    left_out = (*table.left_out, *store.problems(images))
    notes = (*table.notes, *store.notes(images, runs))
    table = replace(table, subset=subset(args), left_out=left_out, notes=notes)
    return with_speed(table, store)
