"""Several stores that are read as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.io.addresses import Address
from benchmarking.models.spec import Probabilities
from benchmarking.predictions.image_rows import ImageRows
from benchmarking.predictions.lone_file import LoneFile
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.remote_store import open_store
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_file import has_same_predictions
from benchmarking.predictions.run_index import SHIPPED, beside, named_place
from benchmarking.predictions.store import Store
from benchmarking.predictions.stored_run import (
    StoredRun,
    identity,
    in_store,
    is_lone,
    place_of,
)
from benchmarking.predictions.top_k import Classes, TopK

DEFAULT_NAMES = ("own", "shipped")
"""Names of the stores that are read if none is given."""

_SHOWN = 3


@dataclass(frozen=True, init=False)
class Stores:
    """Several stores that are read as one.

    A run with the same predictions in several stores is listed once, as that of the first store. A
    run with different predictions is listed once for each.

    Attributes:
        members: the stores, by names that tell them apart.
        is_told: whether a run is listed with the name of its store.
    """

    members: Mapping[str, Store]
    is_told: bool

    def __init__(self, *stores: Store | Address | Path | str) -> None:
        """Read these stores; without any, those that commands read by default.

        Raises:
            BenchmarkError: no default store is known, or an address cannot be reached.
        """
        given = map(open_store, stores)
        self._set({store.place: store for store in given} or default_stores())

    def _set(self, members: Mapping[str, Store], *, is_told: bool | None = None) -> None:
        distinct: dict[Path, str] = {}
        for name, store in members.items():
            distinct.setdefault(_location(store), name)
        told = len(distinct) > 1 if is_told is None else is_told
        object.__setattr__(self, "members", {name: members[name] for name in distinct.values()})
        object.__setattr__(self, "is_told", told)

    @classmethod
    def named(cls, members: Mapping[str, Store], *, is_told: bool | None = None) -> Stores:
        """Stores with names of their own."""
        stores = cls.__new__(cls)
        stores._set(members, is_told=is_told)
        return stores

    @property
    def folders(self) -> str:
        """Their folders and addresses, in words."""
        return " and ".join(store.place for store in self.members.values())

    @property
    def as_options(self) -> str:
        """The options of a command that reads them."""
        return " ".join(f"--store {store.place}" for store in self.members.values())

    @property
    def legend(self) -> list[str]:
        """A line for each store whose name is not its folder or address."""
        return [
            f"note: store {name} is {store.place}"
            for name, store in self.members.items()
            if self.is_told and name != store.place and not isinstance(store, LoneFile)
        ]

    def image_sets(self) -> list[str]:
        """Names of their image sets, sorted; see `Store.image_sets`."""
        return sorted({name for store in self.members.values() for name in store.image_sets()})

    def problems(self, images: str) -> list[str]:
        """Why an image set may have other runs; see `Store.problems`."""
        return [each for store in self.members.values() for each in store.problems(images)]

    def runs(self, images: str) -> list[Run]:
        """Runs on an image set, sorted; those that several stores share are listed once."""
        return sorted(same[0] for same in self._versions(images))

    def notes(self, images: str, runs: Sequence[Run] | None = None) -> list[str]:
        """Lines about the stores of an image set, to show with a table of these runs, or of all."""
        if not self.is_told:
            return []
        shared: dict[str, list[str]] = defaultdict(list)
        for first, *others in self._versions(images):
            if others and (runs is None or first in runs):
                places = " and ".join(place_of(run) for run in (first, *others))
                shared[places].append(f"{first.source}/{first.model}")
        return [*self.legend, *(_shown_once(images, *item) for item in shared.items())]

    def parts(self, images: str) -> list[Stores]:
        """The stores that have an image set, in groups that have the same list of its pictures."""
        groups: dict[str, dict[str, Store]] = defaultdict(dict)
        for name, store in self.members.items():
            if images in store.image_sets():
                groups[store.digest_of_rows(images)][name] = store
        return [self.named(group, is_told=self.is_told) for group in groups.values()]

    def split(self, runs: Sequence[Run]) -> Iterator[tuple[Stores, list[Run]]]:
        """Yield groups of runs with the same list of pictures, each with the stores of the list."""
        left = [self.resolved(run) for run in runs]
        for images in dict.fromkeys(run.images for run in left):
            for part in self.parts(images):
                of_part = set(part.runs(images))
                chosen = [run for run in left if run in of_part]
                left = [run for run in left if run not in of_part]
                if chosen:
                    yield part, chosen
        for run in left:  # in a file outside of a store, or not stored
            place = place_of(run)
            yield self.named({place: self.store_of(run)}, is_told=bool(place)), [run]

    def each(self, run: Run) -> list[Run]:
        """A run as it is in each of the stores that have it."""
        if is_lone(run):
            return [run]
        plain = identity(run)
        return [
            in_store(name, store, plain)
            for name, store in self.members.items()
            if store.has_file(plain)
        ]

    def by_store(self, runs: Sequence[Run]) -> dict[str, tuple[Store, list[Run]]]:
        """Each store by name, with those of the runs that it has, as runs of one store."""
        found: dict[str, tuple[Store, dict[Run, None]]] = {}
        for run in runs:
            for one in self.each(run):
                known = found.setdefault(place_of(one), (self.store_of(one), {}))[1]
                known[identity(one)] = None
        return {name: (store, list(known)) for name, (store, known) in found.items()}

    def file(self, path: Path) -> Run:
        """The run of a file, which need not be in a store.

        Raises:
            StoreError: it cannot be read, or the list of its pictures is not found.
        """
        lone = LoneFile(path, tuple(self.members.values()))
        return in_store(str(path), lone, lone.run)

    def resolved(self, run: Run) -> Run:
        """A run with the name of its store, if runs are listed with it.

        Raises:
            StoreError: several stores have it, with different predictions.
        """
        if isinstance(run, StoredRun) or not self.is_told:
            return run
        first, *others = self.each(run) or [in_store(*next(iter(self.members.items())), run)]
        paths = self.path(first), *map(self.path, others)
        if any(not has_same_predictions(paths[0], path, exactly=False) for path in paths[1:]):
            names = " and ".join(map(place_of, (first, *others)))
            raise StoreError(
                f"{run} is in the stores {names}, with different predictions; choose one of them "
                "with --store."
            )
        return first

    def store_of(self, run: Run) -> Store:
        """The store of a run.

        Raises:
            StoreError: several stores have it, with different predictions.
        """
        found = self.resolved(run)
        return found.store if isinstance(found, StoredRun) else next(iter(self.members.values()))

    def rows(self, images: str) -> ImageRows:
        """The pictures of an image set and their classes.

        Raises:
            StoreError: as `Store.rows`, or the stores have different lists.
        """
        first, *others = self.parts(images) or [self]
        if others:
            names = " and ".join(name for part in (first, *others) for name in part.members)
            raise StoreError(
                f"the pictures of image set {images!r} are not the same in the stores {names}; "
                "choose one of them with --store."
            )
        return next(iter(first.members.values())).rows(images)

    def rows_by_run(self, runs: Sequence[Run]) -> dict[Run, ImageRows]:
        """The pictures of each run; each list is read once. Raises errors as `Store.rows` does."""
        return {
            run: rows
            for part, chosen in self.split(runs)
            for rows in [part.rows(chosen[0].images)]
            for run in chosen
        }

    def labels(self, images: str) -> NDArray[np.int64]:
        """True class of each picture of an image set, (n,); raises errors as `rows` does."""
        return self.rows(images).labels

    def right_classes(self, images: str) -> NDArray[np.int64]:
        """See `Store.right_classes`."""
        return self.rows(images).right_classes

    def rows_of(self, run: Run) -> ImageRows:
        """The pictures of a run and their classes; raises errors as `Store.rows` does."""
        return self.store_of(run).rows(run.images)

    def path(self, run: Run) -> Path:
        """Path of a run's file, which need not exist."""
        return self.store_of(run).path(identity(run))

    def classes(self, run: Run) -> Classes:
        """See `Store.classes`."""
        return self.store_of(run).classes(identity(run))

    def classes_and_provenance(self, run: Run) -> tuple[Classes, Provenance]:
        """See `Store.classes_and_provenance`."""
        return self.store_of(run).classes_and_provenance(identity(run))

    def read(self, run: Run) -> TopK:
        """See `Store.read`."""
        return self.store_of(run).read(identity(run))

    def read_probabilities(self, run: Run) -> Probabilities:
        """See `Store.read_probabilities`."""
        return self.store_of(run).read_probabilities(identity(run))

    def read_restricted(self, run: Run) -> TopK:
        """See `Store.read_restricted`."""
        return self.store_of(run).read_restricted(identity(run))

    def restricted_classes(self, run: Run) -> Classes | None:
        """See `Store.restricted_classes`."""
        return self.store_of(run).restricted_classes(identity(run))

    def keeps_all_probabilities(self, run: Run) -> bool:
        """See `Store.keeps_all_probabilities`."""
        return self.store_of(run).keeps_all_probabilities(identity(run))

    def provenance(self, run: Run) -> Provenance:
        """See `Store.provenance`."""
        return self.store_of(run).provenance(identity(run))

    def check(self, run: Run) -> bool:
        """See `Store.check`."""
        return self.store_of(run).check(identity(run))

    def _versions(self, images: str) -> list[list[Run]]:
        """For each different set of predictions of a run, the run in each store that has it."""
        found: dict[Run, list[list[Run]]] = defaultdict(list)
        for name, store in self.members.items():
            for run in store.runs(images):
                here = in_store(name, store, run) if self.is_told else run
                for version in found[run]:
                    if has_same_predictions(self.path(version[0]), store.path(run), exactly=False):
                        version.append(here)
                        break
                else:
                    found[run].append([here])
        return [version for versions in found.values() for version in versions]


def as_stores(store: Stores | Store | Path | str) -> Stores:
    """What a caller gives as a store or as several stores."""
    return store if isinstance(store, Stores) else Stores(store)


def default_stores(apart: str = "") -> dict[str, Store]:
    """The stores that are read if none is given, by name.

    They are that of $IMAGENET_BENCHMARK_STORE; if it is not set, the user's own store, and the
    predictions that are part of a clone in the current folder. Stores without runs are left out if
    another has runs.

    Args:
        apart: suffix of the names of their folders; see `kept_apart`.

    Raises:
        BenchmarkError: the variable names several folders, or the user's home is unknown.
    """
    named = named_place()
    if named is not None:
        store = open_store(beside(named, apart))
        return {store.place: store}
    shipped = Store(beside(SHIPPED, apart))
    try:
        own = Store(beside(Store().folder, apart))
        found = dict(zip(DEFAULT_NAMES, (own, shipped), strict=True))
    except BenchmarkError:
        if not shipped.image_sets():
            raise
        found = {DEFAULT_NAMES[1]: shipped}
    filled = {name: store for name, store in found.items() if store.image_sets()}
    return filled or dict(list(found.items())[:1])


def _shown_once(images: str, places: str, models: Sequence[str]) -> str:
    more = f" and {len(models) - _SHOWN} more" if len(models) > _SHOWN else ""
    return (
        f"note: shown once, because the stores {places} have the same predictions on {images}: "
        f"{', '.join(models[:_SHOWN])}{more}"
    )


def _location(store: Store) -> Path:
    """Path that is equal for two names of one folder, or of one file."""
    return (store.file if isinstance(store, LoneFile) else store.folder).resolve()
