"""Selection of stored runs by patterns."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from benchmarking.errors import StoreError
from benchmarking.io.user_folders import expanded
from benchmarking.predictions.lone_file import names_file
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.stored_run import identity
from benchmarking.predictions.stores import Stores, as_stores

_SHOWN = 4
"""Number of runs that an error names."""


def chosen_runs(
    store: Stores | Store,
    patterns: Sequence[str] = (),
    *,
    images: str | None = None,
    recipe: str | None = None,
) -> list[Run]:
    """Stored runs that match; all by default.

    Args:
        store: the store, or several.
        patterns: such as vgg16, keras/vgg* or vgg16:published, or files of runs; empty for every
            model.
        images: name of the image set; None for all.
        recipe: name of the recipe; None for all.

    Raises:
        StoreError: no run matches.
    """
    stores = as_stores(store)
    in_files = [stores.file(expanded(pattern)) for pattern in patterns if names_file(pattern)]
    models = [pattern for pattern in patterns if not names_file(pattern)]
    runs = [
        run
        for each in stores.image_sets()
        if images in (None, each) and (models or not patterns)
        for run in stores.runs(each)
        if not models or any(_matches(run, pattern) for pattern in models)
    ]
    runs = [
        run
        for run in (*runs, *in_files)
        if images in (None, run.images) and recipe in (None, run.recipe)
    ]
    if not runs:
        asked = ", ".join(filter(None, [*patterns, recipe, images]))
        none = f"there are no stored runs in {stores.folders}; name another folder with --store."
        if asked:
            verb = "have" if len(stores.members) > 1 else "has"
            none = (
                f"{stores.folders} {verb} no run of {asked}; 'imagenet-benchmark table "
                f"{stores.as_options}' lists all."
            )
        raise StoreError("\n".join([none, *problems(stores, images)]))
    return runs


def runs_by_images(
    store: Stores | Store,
    patterns: Sequence[str] = (),
    *,
    images: str | None = None,
    recipe: str | None = None,
) -> dict[str, list[Run]]:
    """Stored runs that match one of several patterns, by image set; see `chosen_runs`.

    Raises:
        StoreError: no run matches, or one of the patterns matches none.
    """
    found: dict[str, dict[Run, None]] = {}
    for each in [[pattern] for pattern in patterns] or [[]]:
        for run in chosen_runs(store, each, images=images, recipe=recipe):
            found.setdefault(run.images, {})[run] = None
    return {name: list(runs) for name, runs in found.items()}


def problems(store: Stores | Store, images: str | None = None) -> list[str]:
    """Why some runs may be missing, on one image set or on all."""
    sets = store.image_sets() if images is None else [images]
    return [problem for each in sets for problem in store.problems(each)]


def whole_runs(store: Stores | Store, runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """The undamaged runs, and the errors of the damaged ones.

    Raises:
        StoreError: all runs are damaged.
    """
    whole, wrong = [], []
    for run in runs:
        try:
            store.check(run)
            whole.append(run)
        except StoreError as error:
            wrong.append(str(error))
    if not whole:
        raise StoreError("\n".join(wrong))
    return whole, wrong


def the_run(store: Stores | Store, pattern: str, images: str | None = None) -> Run:
    """The only stored run that a pattern matches, on one image set or on all.

    Raises:
        StoreError: it matches none, or more than one.
    """
    found = chosen_runs(store, [pattern], images=images)
    if len(found) > 1 and len(set(map(identity, found))) == 1:
        raise StoreError(
            f"{pattern!r} means {len(found)} runs with different predictions: "
            f"{', '.join(map(str, found))}; choose a store with --store."
        )
    if len(found) > 1:
        raise StoreError(f"{pattern!r} means {len(found)} runs; {_how_to_choose(found)}.")
    return found[0]


def two_runs(
    store: Stores | Store, patterns: tuple[str, str], images: str | None = None
) -> tuple[Run, Run]:
    """The runs that two patterns match, on the only image set that has both if none is named.

    Raises:
        StoreError: one matches none, or more than one.
    """
    if images is None:
        matched = [chosen_runs(store, [pattern]) for pattern in patterns]
        first, second = ({run.images for run in runs} for runs in matched)
        if len(first) + len(second) > 2 and len(first & second) == 1:
            (images,) = first & second
    first_run, second_run = (the_run(store, pattern, images) for pattern in patterns)
    return first_run, second_run


def _how_to_choose(runs: Sequence[Run]) -> str:
    """What tells runs apart: their image sets, or their sources, models and recipes."""
    sets = sorted({run.images for run in runs})
    names = dict.fromkeys(f"{run.source}/{run.model}:{run.recipe}" for run in runs)
    choices = []
    if len(names) > 1:
        some = [*names][:_SHOWN]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        choices.append(f"name one of {', '.join(some)}{more}")
    if len(sets) > 1:
        choices.append(f"choose one of the image sets {', '.join(sets)} with --images")
    return ", and ".join(choices)


def in_both(stores: Stores, pattern: str, images: str | None = None) -> tuple[Run, Run]:
    """The run that a pattern matches, as it is in each of two stores.

    Raises:
        StoreError: in one of them it matches none or more than one, or it matches two models.
    """
    first, second = (
        the_run(Stores.named({name: store}, is_told=True), pattern, images)
        for name, store in stores.members.items()
    )
    if identity(first) != identity(second):
        raise StoreError(
            f"{pattern!r} means {first} and {second}; name one as SOURCE/MODEL:RECIPE, and its set "
            "with --images."
        )
    return first, second


def _matches(run: Run, pattern: str) -> bool:
    """Whether a pattern such as vgg16, keras/vgg* or vgg16:published matches a run."""
    full = f"{run.source}/{run.model}"
    names = (run.source, run.model, full, f"{run.images}/{full}")
    also = [f"{name}:{run.recipe}" for name in names]
    return any(fnmatchcase(name.lower(), pattern.lower()) for name in (*names, *also))
