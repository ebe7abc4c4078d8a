"""The store of merged runs: what it has already, and what may be written into it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack

from benchmarking.errors import StoreError
from benchmarking.models.frameworks import frameworks
from benchmarking.pictures.image_set import ImageSet
from benchmarking.predictions.conflicts import differences
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_file import opened
from benchmarking.predictions.run_index import kept_apart
from benchmarking.predictions.store import Store


class MergeTarget:
    """The store of merged runs.

    Attributes:
        store: the store.
        stack: holds the name of an image set, so that no other process stores other pictures under
            it, until the stack closes or another set follows.
    """

    def __init__(self, store: Store) -> None:
        """Use a store, which need not exist yet.

        Raises:
            BenchmarkError: it is at an address that cannot be reached.
        """
        store.refresh()
        self.store = store
        self.stack = ExitStack()
        self._images: ImageSet | None = None
        self._rows = ""
        self._tidied: set[str] = set()

    def rows(self, images: ImageSet) -> str:
        """Digest of the list of pictures, with which runs on this set are written.

        Raises:
            BenchmarkError: other pictures are stored under its name, or the folder cannot be
                written.
        """
        if images is not self._images:
            self.stack.close()
            self._images = None
            self._rows = self.stack.enter_context(self.store.admitted(images))
            self._images = images
        return self._rows

    def tidy(self, images: str) -> None:
        """Remove what killed processes have left of writing runs on an image set."""
        if images not in self._tidied:
            self._tidied.add(images)
            self.store.tidy(images)

    def complete_since(self, run: Run, made: Provenance, arrays: Collection[str]) -> str:
        """When the run was started that the store has; empty if it has none, or lacks arrays.

        Args:
            run: the run.
            made: how the merged run was made.
            arrays: names of its arrays.

        Raises:
            StoreError: the stored run is of other weights, pictures or another recipe, or another
                user's permissions hide it.
        """
        path = self.store.path(run)
        if not self.store.has_file(run):
            return ""
        self.store.refuse_hidden(run)
        try:
            self.store.check(run)
            stored = self.store.provenance(run)
            with opened(path, run) as file:
                lacks = set(arrays) - file.names
        except StoreError:  # damaged; it is replaced
            return ""
        before, now = (
            {"weights": one.weights, "recipe": one.preprocessing, "images": one.images}
            for one in (stored, made)
        )
        other = [name for name, _, _ in differences(before, now)]
        if other:
            raise StoreError(
                f"{self.store.place} has this run already, but it differs in {', '.join(other)}; "
                "merge into another store, or replace it with --again."
            )
        return "" if lacks else stored.started

    def refuse(self, run: Run, made: Provenance, arrays: Collection[str]) -> None:
        """Refuse a run that is not for this store, or has less than its own; see `complete_since`.

        Raises:
            StoreError: it is.
        """
        lower = {name for one in frameworks().values() for name in one.PRECISIONS[1:]}
        precision = made.precision if made.precision in lower else None
        apart = kept_apart("random" if made.is_random else "published", precision)
        if not self.store.folder.name.endswith(apart):
            raise StoreError(
                "runs with random weights or in fewer bits are kept apart from others; use a store "
                f"whose name says so, such as {self.store.folder.name}{apart}."
            )
        if "probabilities" not in arrays and self.store.keeps_all_probabilities(run):
            raise StoreError(
                f"{self.store.place} has this run with the probabilities of all classes, and its "
                "shards have only the top-5; merge into another store."
            )
