"""Selection of stored runs by patterns."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from benchmarking.errors import StoreError
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store


def chosen_runs(
    store: Store,
    patterns: Sequence[str] = (),
    *,
    images: str | None = None,
    recipe: str | None = None,
) -> list[Run]:
    """Stored runs that match; all by default.

    Args:
        store: the store.
        patterns: such as vgg16, keras/vgg* or vgg16:published; empty for every model.
        images: name of the image set; None for all.
        recipe: name of the recipe; None for all.

    Raises:
        StoreError: no run matches.
    """
    runs = [
        run
        for each in store.image_sets()
        for run in store.runs(each)
        if images in (None, each)
        and recipe in (None, run.recipe)
        and (not patterns or any(_matches(run, pattern) for pattern in patterns))
    ]
    if not runs:
        asked = ", ".join(filter(None, [*patterns, recipe, images]))
        none = f"there are no stored runs in {store.folder}; name another folder with --store."
        if asked:
            none = (
                f"{store.folder} has no run of {asked}; 'imagenet-benchmark table --store "
                f"{store.folder}' lists all."
            )
        raise StoreError("\n".join([none, *problems(store, images)]))
    return runs


def problems(store: Store, images: str | None = None) -> list[str]:
    """Why some runs may be missing, on one image set or on all."""
    sets = store.image_sets() if images is None else [images]
    return [problem for each in sets for problem in store.problems(each)]


def whole_runs(store: Store, runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
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


def the_run(store: Store, pattern: str, images: str | None = None) -> Run:
    """The only stored run that a pattern matches, on one image set or on all.

    Raises:
        StoreError: it matches none, or more than one.
    """
    found = chosen_runs(store, [pattern], images=images)
    if len(found) > 1:
        names = ", ".join(f"{run.source}/{run.model}:{run.recipe}" for run in found[:4])
        sets = sorted({run.images for run in found})
        raise StoreError(
            f"{pattern!r} means {len(found)} runs on {', '.join(sets)} ({names}); name one as "
            "SOURCE/MODEL:RECIPE, and its set with --images."
        )
    return found[0]


def _matches(run: Run, pattern: str) -> bool:
    """Whether a pattern such as vgg16, keras/vgg* or vgg16:published matches a run."""
    full = f"{run.source}/{run.model}"
    names = (run.source, run.model, full, f"{run.images}/{full}")
    also = [f"{name}:{run.recipe}" for name in names]
    return any(fnmatchcase(name.lower(), pattern.lower()) for name in (*names, *also))
