"""The runs in a store's folder, found by file names, which only this module knows.

{store}/{image set}/images.csv                              key,class of each row
{store}/{image set}/digests.txt                             of a shard, see `Store.digest_lines`
{store}/{image set}/{source}/{model}.{recipe}.safetensors   one run

Measured speed has a folder of its own, see `speed_runs`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.io import files, user_folders
from benchmarking.io.addresses import Address, is_address
from benchmarking.io.names import is_name
from benchmarking.io.printable import printable
from benchmarking.io.user_folders import expanded
from benchmarking.predictions.run import Run
from benchmarking.predictions.speed_runs import COUNTS
from benchmarking.predictions.speed_runs import FOLDER as SPEED
from benchmarking.predictions.speed_runs import SUFFIX as _SPEED_SUFFIX

ROWS = "images.csv"
DIGESTS = "digests.txt"
SUFFIX = ".safetensors"
_LISTS = (ROWS, DIGESTS)

STORE_VARIABLE = "IMAGENET_BENCHMARK_STORE"
"""Environment variable with the folder or the address of the store."""


SHIPPED = Path("precomputed")
"""Folder of a clone of this project with the predictions that are part of it."""


class Misnamed(StoreError):
    """A file among the runs whose name is not that of a run.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, message: str) -> None:
        """Name the file, and the problem in words."""
        super().__init__(message)
        self.path = path


def store_place(text: Address | Path | str) -> Path | Address:
    """What a user gives as a store: an address such as s3://bucket/folder, or a folder.

    Raises:
        BenchmarkError: it is no plain address, or the home folder is unknown.
    """
    if isinstance(text, Address):
        return text
    return Address(str(text)) if is_address(text) else expanded(text)


def named_place() -> Path | Address | None:
    """The folder or address that $IMAGENET_BENCHMARK_STORE names; None if it is not set.

    Raises:
        StoreError: it names several folders.
    """
    text = os.environ.get(STORE_VARIABLE)
    if not text:
        return None
    if is_address(text):
        return Address(text)
    if os.pathsep in text and not expanded(text).is_dir():
        raise StoreError(
            f"${STORE_VARIABLE} is {text!r}, but it can name only one folder. To read several "
            "stores, give --store several times."
        )
    return expanded(text)


def own_place() -> Path | Address:
    """The folder or address for a user's own runs if none is given.

    It is $IMAGENET_BENCHMARK_STORE, else a folder in the user's data folder.

    Raises:
        BenchmarkError: the variable names several folders, or the user's home is unknown.
    """
    named = named_place()
    return user_folders.data() / "precomputed" if named is None else named


def own_folder() -> Path:
    """The result of `own_place`, for a command that needs a folder.

    Raises:
        BenchmarkError: as `own_place`, or the variable names an address.
    """
    place = own_place()
    if isinstance(place, Address):
        raise StoreError(
            f"${STORE_VARIABLE} is the address {place}; expected a folder of this machine here. "
            "Name one with --store."
        )
    return place


def kept_apart(weights: str, precision: str | None) -> str:
    """Suffix of a store's name that keeps special runs in a store of their own; "" for most runs.

    Runs with random weights, or in fewer bits than float32, have the same names as ordinary runs
    but different predictions.

    >>> kept_apart("published", None), kept_apart("random", "tf32")
    ('', '-random-tf32')
    """
    parts = ["random"] if weights == "random" else []
    parts += [precision] if precision not in (None, "float32") else []
    return "".join(f"-{part}" for part in parts)


@overload
def beside(folder: Path, apart: str) -> Path: ...


@overload
def beside(folder: Address, apart: str) -> Address: ...


def beside(folder: Path | Address, apart: str) -> Path | Address:
    """The place for special runs beside that of other runs; `apart` is from `kept_apart`.

    Raises:
        BenchmarkError: the folder is the root, and so has no name; or the address is a bucket.
    """
    if isinstance(folder, Address):
        return folder.beside(apart)
    if not apart:
        return folder
    known = folder if folder.name.strip(".") else folder.resolve()
    if not known.name:
        raise BenchmarkError(
            f"these runs need a separate store beside {known}, which is not possible; choose a "
            "folder within it with --store."
        )
    return known.with_name(known.name + apart)


@dataclass(frozen=True, init=False)
class RunIndex:
    """The runs in a store's folder, found by file names.

    Attributes:
        folder: the folder of the store.
    """

    folder: Path

    def __init__(self, folder: Path | str | None = None) -> None:
        """Use a folder, which need not exist yet; by default that of `own_folder`."""
        object.__setattr__(self, "folder", own_folder() if folder is None else expanded(folder))

    @property
    def place(self) -> str:
        """How a user names the store: its folder, or its address."""
        return str(self.folder)

    def image_sets(self) -> list[str]:
        """Names of the image sets that have runs, or files that may be runs, sorted.

        Raises:
            StoreError: the store's folder cannot be read.
        """
        return sorted(path.name for path in folders_in(self.folder) if any(self.found(path.name)))

    def runs(self, images: str) -> list[Run]:
        """Every stored run on an image set, sorted by source, model and recipe."""
        return sorted(found for found in self.found(images) if isinstance(found, Run))

    def problems(self, images: str) -> list[str]:
        """Why an image set may have other runs: unreadable folders, and names that are invalid."""
        return sorted(str(found) for found in self.found(images) if isinstance(found, StoreError))

    def strays(self) -> list[Path]:
        """Files that are not part of the store, such as those of an interrupted write."""
        kept = {*self.kept_files(), self.folder / SPEED / COUNTS}
        found = (path for path in self.folder.rglob("*") if path.is_file() and path not in kept)
        return sorted(path for path in found if not self._is_hidden(path))

    def kept_files(self) -> Iterator[Path]:
        """The files of pictures, runs and rounds, as their places tell; in any order."""
        lists = (f"*/{name}" for name in _LISTS)
        for pattern in (*lists, f"*/*/[!.]*{SUFFIX}", f"{SPEED}/*/*/[!.]*{_SPEED_SUFFIX}"):
            yield from self.folder.glob(pattern)

    def path(self, run: Run) -> Path:
        """Path of a run's file, which need not exist."""
        return self.folder / run.images / run.source / f"{run.model}.{run.recipe}{SUFFIX}"

    def has_file(self, run: Run) -> bool:
        """Whether a run's file exists; True also if that cannot be told, as reading it says why."""
        return not files.is_missing(self.path(run))

    def has_begun(self, run: Run) -> bool:
        """Whether a run is stored, at least in part; see `has_file`."""
        return self.has_file(run) or not files.is_missing(self.unfinished(run))

    def rows_path(self, images: str) -> Path:
        """Path of an image set's list of pictures, which need not exist."""
        return self.folder / images / ROWS

    def digests_path(self, images: str) -> Path:
        """Path of the digests of a shard's pictures, which need not exist."""
        return self.folder / images / DIGESTS

    def unfinished(self, run: Run) -> Path:
        """Folder for the checkpoints of a partial run."""
        path = self.path(run)
        return path.with_name(f".{path.name}.unfinished")

    def found(self, images: str) -> Iterator[Run | StoreError]:
        """Yield the runs on an image set in any order, and an error for each other file."""
        try:
            sources = folders_in(self.folder / images)
        except StoreError as error:
            yield error
            return
        for source in sources:
            try:
                yield from (self._run(images, source / name) for name in names_in(source, SUFFIX))
            except StoreError as error:
                yield error

    def _run(self, images: str, path: Path) -> Run | StoreError:
        model, _, recipe = path.name.removesuffix(SUFFIX).rpartition(".")
        try:
            return Run(images, path.parent.name, model, recipe)
        except BenchmarkError as error:
            where = printable(str(path))
            return Misnamed(path, f"{where} is not named like a stored run: {error}")

    def _is_hidden(self, path: Path) -> bool:
        """Whether a part of the path is hidden; incomplete .part files do not count as hidden."""
        parts = path.relative_to(self.folder).parts
        return path.suffix != ".part" and any(part.startswith(".") for part in parts)


def folders_in(folder: Path) -> list[Path]:
    """Folders in a folder, sorted; none if it does not exist.

    Raises:
        StoreError: it cannot be read; a glob would return nothing instead.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"{printable(str(folder))} cannot be read: {error.strerror}.") from error


def names_in(folder: Path, suffix: str) -> list[str]:
    """Names in a folder that end so and are not hidden, sorted.

    Raises:
        StoreError: it cannot be read; a glob would return nothing instead.
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise StoreError(f"{printable(str(folder))} cannot be read: {error.strerror}.") from error
    return [name for name in names if name.endswith(suffix) and not name.startswith(".")]


def refuse_links(path: Path, folder: Path) -> None:
    """Refuse to write through a link within a store, which somebody else may have made.

    Args:
        path: what is to be written.
        folder: the folder of the store.

    Raises:
        StoreError: the path, or a folder above it within the store, is a link.
    """
    if link := files.link_within(path, folder):
        raise StoreError(
            f"{link} is a link; a store is written within its own folder only. Put what the link "
            "leads to in its place, or name another folder with --store."
        )


def belongs_to_store(path: str) -> bool:
    """Whether a path within a store, with slashes, is that of a file that a store has.

    >>> belongs_to_store("demo/images.csv"), belongs_to_store("demo/../images.csv")
    (True, False)
    >>> belongs_to_store("demo/images.csv/vgg16.published.safetensors")
    False
    """
    parts = path.split("/")
    if not all(map(is_name, parts)):
        return False
    kinds = {2: parts[-1] in _LISTS, 3: path.endswith(SUFFIX) and parts[1] not in _LISTS}
    kinds[4] = parts[0] == SPEED and path.endswith(_SPEED_SUFFIX)
    return kinds.get(len(parts), False)


def may_have_files(path: str) -> bool:
    """Whether a folder within a store, by its path with slashes, can have files of the store.

    >>> may_have_files("demo"), may_have_files("demo/images.csv"), may_have_files("demo/..")
    (True, False, False)
    """
    parts = path.split("/")
    deepest = 3 if parts[0] == SPEED else 2
    return len(parts) <= deepest and all(map(is_name, parts)) and parts[-1] not in _LISTS
