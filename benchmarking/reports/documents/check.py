"""The document of `check`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from benchmarking.predictions.integrity import Checked
from benchmarking.predictions.store import Store
from benchmarking.reports.documents import RunName


@dataclass(frozen=True)
class CheckedFile:
    """One file that was checked: that of a run, or the list of pictures of an image set.

    Attributes:
        file: its path.
        images: name of the image set.
        run: the run; null for a list of pictures.
        status: whether it is as it was written. A file without digests was stored by an earlier
            version, so that only its form could be checked.
        problem: the problem and its remedy; null if there is none.
    """

    file: str
    images: str
    run: RunName | None
    status: Literal["undamaged", "damaged", "no digests"]
    problem: str | None


@dataclass(frozen=True)
class CheckedStore:
    """One store that was checked.

    Attributes:
        name: name of the store, or path of a single run's file.
        folder: its folder, or its address.
        runs: number of runs that were checked.
        image_sets: number of image sets that were checked.
        files: each file that was checked.
    """

    name: str
    folder: str
    runs: int
    image_sets: int
    files: tuple[CheckedFile, ...]


@dataclass(frozen=True)
class LeftOver:
    """A file that belongs to no run.

    Attributes:
        file: its path.
        advice: what it is, and what to do with it.
    """

    file: str
    advice: str


@dataclass(frozen=True)
class CheckDocument:
    """Results of `imagenet-benchmark check`.

    Attributes:
        passed: whether nothing is damaged, so that the exit status is 0.
        stores: each store that was checked.
        problems: folders that cannot be read, and files that are not named like their runs.
        left_over: files that belong to no run, which are no damage.
    """

    NAME: ClassVar[str] = "check"
    VERSION: ClassVar[int] = 1

    passed: bool
    stores: tuple[CheckedStore, ...]
    problems: tuple[str, ...]
    left_over: tuple[LeftOver, ...]


def checked_store(
    name: str, store: Store, seen: Sequence[Checked], *, is_alone: bool
) -> CheckedStore:
    """The results for a store; runs are given with its name unless it is the only one."""
    sets = sum(isinstance(one.what, str) for one in seen)
    files = tuple(_files(store, None if is_alone else name, seen))
    return CheckedStore(name, store.place, len(seen) - sets, sets, files)


def _files(store: Store, name: str | None, seen: Iterable[Checked]) -> Iterable[CheckedFile]:
    for one in seen:
        run = None if isinstance(one.what, str) else one.what
        images = one.what if isinstance(one.what, str) else one.what.images
        path = store.rows_path(images) if run is None else store.path(run)
        yield CheckedFile(
            str(path),
            images,
            None if run is None else RunName(run.images, run.source, run.model, run.recipe, name),
            "damaged" if one.problem else "undamaged" if one.has_digests else "no digests",
            one.problem or None,
        )
