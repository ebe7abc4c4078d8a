"""A run in one of several stores."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarking.predictions.lone_file import LoneFile
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store


@dataclass(frozen=True, order=True)
class StoredRun(Run):
    """A run in one of several stores.

    Attributes:
        place: name of the store, or path of the run's file outside of a store.
        store: the store.
    """

    place: str
    store: Store = field(compare=False, repr=False)

    @property
    def full_name(self) -> str:
        """Its source, its model and its store."""
        return f"{super().full_name} in {self.place}"

    def __str__(self) -> str:
        return f"{super().__str__()} in {self.place}"


def place_of(run: Run) -> str:
    """Name of a run's store, if the run was read from several; else empty."""
    return run.place if isinstance(run, StoredRun) else ""


def identity(run: Run) -> Run:
    """A run without its store, as the store itself names it."""
    is_plain = not isinstance(run, StoredRun)
    return run if is_plain else Run(run.images, run.source, run.model, run.recipe)


def in_store(place: str, store: Store, run: Run) -> StoredRun:
    """A run, with its store and the name of the store."""
    return StoredRun(run.images, run.source, run.model, run.recipe, place, store)


def is_lone(run: Run) -> bool:
    """Whether a run was read from a file outside of a store."""
    return isinstance(run, StoredRun) and isinstance(run.store, LoneFile)
