"""Stores on object storage: read from a copy on this machine, and written as whole files."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.io.addresses import Address, RemoteFolder
from benchmarking.pictures.image_set import ImageSet
from benchmarking.predictions import image_rows
from benchmarking.predictions.mirror import Mirror, folder_of_copy
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_index import ROWS, own_place, store_place
from benchmarking.predictions.store import Store


@dataclass(frozen=True, init=False)
class RemoteStore(Store):
    """A store on object storage; its folder is a copy on this machine, which `refresh` updates.

    Checkpoints and locks are in the copy only, so that no other machine sees them. A complete file
    is put up as a whole: the list of pictures before the first run. Between machines nothing is
    locked. Before and after a run is put up, the pictures of all runs on its image set are
    compared, so that other pictures under the same name are refused.

    Attributes:
        address: the address of the store.
    """

    address: Address

    def __init__(self, address: Address) -> None:
        """Name a store; nothing is copied yet."""
        super().__init__(folder_of_copy(address))
        object.__setattr__(self, "address", address)

    @property
    def place(self) -> str:
        """The address."""
        return str(self.address)

    def refresh(self, images: str | None = None) -> None:
        """Copy what is new in the store, of one image set or of all.

        Raises:
            BenchmarkError: it cannot be listed or read; whatever was copied before is not used.
        """
        self._mirror.refresh(images)

    def claim(self, run: Run, stack: ExitStack) -> bool:
        """Lock a run on this machine, and copy what other machines have stored meanwhile."""
        if not super().claim(run, stack):
            return False
        with suppress(BenchmarkError):  # the run can be computed, and is kept until it is stored
            self.refresh(run.images)
        return True

    def admit(self, images: ImageSet) -> None:
        """Check that runs on an image set may be stored; see `Store.admit`."""
        RemoteFolder(self.address).check_takes_whole_files()
        self.refresh(images.name)
        super().admit(images)

    def _confirm(self, run: Run, images: ImageSet) -> None:
        """Compare the pictures of all runs on the set, as there is no lock between machines."""
        ours = (images.fingerprint, images.design)
        if others := set(self._pictures(images.name)) - {ours}:
            fingerprint, _ = others.pop()
            other = "other pictures"
            if fingerprint == images.fingerprint:
                other = "the same pictures, drawn in another way,"
            raise StoreError(
                f"{run} is stored in {self.place}, but another process has stored runs on {other} "
                f"under the same name at the same time (fingerprint {fingerprint}). "
                f"Remove one of them, and name its pictures otherwise with --images."
            )

    @property
    def _mirror(self) -> Mirror:
        return Mirror(self.address, self.folder)

    def _admit(self, images: ImageSet, rows: bytes) -> None:
        self.refresh(images.name)
        there, ours = self.digest_of_rows(images.name), image_rows.digest(rows)
        if there not in ("", ours) and not any(self._pictures(images.name)):
            raise StoreError(
                f"{self.place}/{images.name}/{ROWS} lists other pictures than these, and may be in "
                "use by another machine. Name these otherwise with --images; or remove the list if "
                "nobody needs it."
            )
        super()._admit(images, rows)

    def _replace(self, path: Path, data: bytes) -> None:
        self._mirror.put(path.relative_to(self.folder).as_posix(), data)


def store_at(place: Store | Address | Path | str | None = None) -> Store:
    """The store at a folder or at an address, of which nothing is copied yet; see `open_store`.

    Args:
        place: the folder or address; None for that of $IMAGENET_BENCHMARK_STORE, else a folder in
            the user's data.

    Raises:
        BenchmarkError: it is no plain address, or the user's home folder is unknown.
    """
    if isinstance(place, Store):
        return place
    found = own_place() if place is None else store_place(place)
    return RemoteStore(found) if isinstance(found, Address) else Store(found)


def open_store(place: Store | Address | Path | str | None = None) -> Store:
    """Open a store to read it: a folder, or an address such as "s3://bucket/folder".

    Addresses are those of fsspec, and need the extra "object-storage" and the library of their
    protocol, such as s3fs or gcsfs. What is new there is copied to a folder in the user's data,
    from which the store is read; `refresh()` does so again.

    Args:
        place: the folder or address; None for that of $IMAGENET_BENCHMARK_STORE, else a folder in
            the user's data. An open store is returned as it is.

    Raises:
        BenchmarkError: the address cannot be reached or is no plain address.
        MissingDependency: the library of its protocol is not installed.
    """
    if isinstance(place, Store):
        return place
    store = store_at(place)
    store.refresh()
    return store
