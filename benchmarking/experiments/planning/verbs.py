"""The verb of a dry run: what `predict` would do with the same arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarking.experiments.planning.devices import on_one, processes_of
from benchmarking.experiments.planning.units import Planned, planned
from benchmarking.inference.devices import check_sharing
from benchmarking.inference.plan import Models, Options, check_executor, plan
from benchmarking.inference.requests import Images
from benchmarking.io.progress import notice
from benchmarking.models.available import without_downloads
from benchmarking.models.spec import ModelSpec
from benchmarking.pictures.image_set import ImageSet
from benchmarking.pictures.sampling import Sample
from benchmarking.pictures.sets import listed
from benchmarking.predictions.remote_store import store_at
from benchmarking.predictions.store import Store


def dry_run(
    models: Models,
    images: Images | Sequence[Images],
    store: Store | str | Path,
    options: Options | None = None,
    *,
    estimate: int | Sample | None = None,
    own: Sequence[ModelSpec] = (),
) -> Planned:
    """What `predict` would compute, store and download, and how long it would take.

    Nothing is started, downloaded or written, and no picture is read. So stored runs are recognised
    by their names, recipes and numbers of pictures alone.

    Args:
        models: as for `predict`.
        images: the pictures, or several image sets.
        store: the store, which need not exist.
        options: how the models would be run.
        estimate: as for `predict`.
        own: specs of the user's own checkpoints and model files.

    Raises:
        BenchmarkError: a name is unknown, no model can run, or pictures cannot be listed.

    >>> from benchmarking.experiments.planning.verbs import dry_run
    >>> found = dry_run("efficientnet-lite-pytorch", "demo", "a-store-that-does-not-exist")
    >>> [(unit.model, unit.state, unit.n) for unit in found.units][0]
    ('efficientnet-lite-pytorch/efficientnet-lite0', 'to do', 20)
    """
    how = Options() if options is None else options
    places: Sequence[Images] = [images] if isinstance(images, ImageSet | str | Path) else images
    named = [_listed(one, estimate) for one in places]
    return planned_on(models, named, store, how, own=own)


def planned_on(
    models: Models,
    images: Sequence[tuple[str, int]],
    store: Store | str | Path,
    options: Options,
    *,
    own: Sequence[ModelSpec] = (),
    tell: Callable[[str], None] = notice,
) -> Planned:
    """The same for image sets of which only names and numbers of pictures are given.

    Raises:
        BenchmarkError: a name is unknown, or no model can run.
    """
    target = store_at(store)
    check_executor(options)
    alone = on_one(options)
    plans = [
        plan(models, name, n, target, alone, tell, own=own, find=without_downloads)
        for name, n in images
    ]
    if alone is not options:  # `predict` would share the models
        check_sharing(plans[0].specs, options.executor)
    named = plans[0].obstacles if models or own else ()
    processes = processes_of(options)
    return planned(plans, processes=processes, tells_missing=named)


def _listed(images: Images, estimate: int | Sample | None) -> tuple[str, int]:
    """Name and number of pictures of an image set."""
    if isinstance(images, ImageSet):
        return images.name, len(images)
    contents, name = listed(images, estimate=estimate)
    return name, len(contents.pictures)
