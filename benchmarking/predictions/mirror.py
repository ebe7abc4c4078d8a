"""The copy on this machine of a store on object storage.

It is a folder in the user's data. An index in it has the version of each file that was copied, as
the listing of the object storage named it, so that only new and changed files are copied again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from benchmarking.errors import StoreError
from benchmarking.io import files, user_folders
from benchmarking.io.addresses import Address, Changed, Entry, RemoteFolder, Unreachable
from benchmarking.io.bounded import bounded
from benchmarking.io.files import in_bytes
from benchmarking.io.locks import claimed
from benchmarking.io.prefetch import prefetched
from benchmarking.io.printable import printable
from benchmarking.io.progress import bar, notice
from benchmarking.predictions.digests import file_sha256, sha256
from benchmarking.predictions.run_file import opened
from benchmarking.predictions.run_index import (
    SUFFIX,
    RunIndex,
    belongs_to_store,
    may_have_files,
)

_INDEX, _LOCK = ".copied.json", ".copied.lock"
_AT_ONCE = 8
"""Number of listings and files that are under way at the same time."""
_TRIES = 3
"""How often files are listed again that were replaced while they were copied."""
_LONGEST = 60


@dataclass(frozen=True)
class Copied:
    """A file that was copied.

    Attributes:
        version: its version in the listing; empty if that had none.
        size: its size in bytes.
        changed: when the copy was written, in nanoseconds, as the file system has it.
    """

    version: str
    size: int
    changed: int


@dataclass(frozen=True)
class _Index:
    address: str
    files: dict[str, Copied] = field(default_factory=dict)


def folder_of_copy(address: Address) -> Path:
    """The folder in the user's data for the copy of a store; it has the store's name.

    Raises:
        BenchmarkError: the user's home folder is unknown.
    """
    words = re.sub(r"[^A-Za-z0-9]+", "-", address.text)[:_LONGEST].strip("-")
    digest = sha256(address.text.encode())[:12]
    return user_folders.data() / "copies" / f"{words}-{digest}" / address.name


@dataclass(frozen=True)
class Mirror:
    """The copy of a store on object storage.

    Attributes:
        address: the address of the store.
        folder: the folder of the copy.
    """

    address: Address
    folder: Path
    _stop: Event = field(default_factory=Event, repr=False, compare=False)

    def refresh(self, images: str | None = None) -> None:
        """Copy new and changed files, and remove the copies of those that are gone.

        Args:
            images: the image set whose files are wanted; None for all.

        Raises:
            BenchmarkError: the store cannot be listed or read, or the copy cannot be written.
        """
        with self._locked():
            for tries_left in reversed(range(_TRIES)):
                try:
                    self._refresh(images)
                    return
                except Changed:
                    if not tries_left:
                        raise
                except Unreachable as error:
                    raise StoreError(f"{error}{self._advice()}") from error

    def put(self, path: str, data: bytes) -> None:
        """Put up a whole file, then copy it back.

        Raises:
            BenchmarkError: it cannot be written, or another process has replaced it at once.
        """
        self._remote.put(path, data)
        self.refresh(path.partition("/")[0])
        found = ""
        with suppress(OSError):  # the file is gone
            found = file_sha256(self.folder / path)
        if found != sha256(data):
            raise StoreError(
                f"{self.address}/{path} was stored, but another process has replaced or removed "
                "it at the same time. Run the command again: it compares what is there now."
            )

    @property
    def _remote(self) -> RemoteFolder:
        return RemoteFolder(self.address, self._stop)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Wait until no other process writes this copy."""
        told = f"another process is copying from {self.address}; waiting for it"
        with claimed(self.folder / _LOCK, lambda: notice(told)):
            yield

    def _refresh(self, images: str | None) -> None:
        self._stop.clear()
        listed, copied = self._listed(images), self._copied()
        gone = [path for path in copied if path not in listed and _is_of(path, images)]
        self._refuse_foreign(listed.keys() | copied.keys(), images)
        wanted = {
            path: entry
            for path, entry in listed.items()
            if not self._is_current(path, entry, copied.get(path))
        }
        self._check_room(wanted)
        try:
            for path in gone:
                (self.folder / path).unlink(missing_ok=True)
                del copied[path]
            for path, one in self._copies(wanted):
                copied[path] = one
        finally:
            self._write_index(copied)

    def _listed(self, images: str | None) -> dict[str, Entry]:
        """The files of the store, or of an image set, by their paths."""
        start, found = images or "", dict[str, Entry]()
        waiting = [start]
        while waiting:
            with prefetched(
                lambda folder: self._entries(folder, start),
                waiting,
                _AT_ONCE,
                stop=self._stop.set,
            ) as listings:
                below = [
                    (f"{folder}/{entry.name}".lstrip("/"), entry)
                    for folder, entries in zip(waiting, listings, strict=True)
                    for entry in entries
                ]
            waiting = [path for path, entry in below if entry.is_folder and may_have_files(path)]
            for path, entry in below:
                if not entry.is_folder and belongs_to_store(path):
                    found[path] = self._with_size(path, entry)
                elif path.endswith(SUFFIX) and not entry.name.startswith("."):
                    notice(f"note: left out, not named like a run: {self._where(path)}")
        return found

    def _entries(self, folder: str, start: str) -> list[Entry]:
        """What is in a folder; a new store does not have the folder `start` yet."""
        try:
            return self._remote.entries(folder)
        except Changed:
            if folder != start:
                raise
            return []

    def _with_size(self, path: str, entry: Entry) -> Entry:
        if entry.size < 0:
            raise StoreError(f"the size of {self._where(path)} is not known; is this a store?")
        return entry

    def _is_current(self, path: str, entry: Entry, copied: Copied | None) -> bool:
        """Whether the copy of a file is the listed one, as it was copied."""
        if copied is None or not entry.version:
            return False
        try:
            status = (self.folder / path).stat()
        except OSError:
            return False
        return copied == Copied(entry.version, entry.size, status.st_mtime_ns) and (
            status.st_size == entry.size
        )

    def _copies(self, wanted: Mapping[str, Entry]) -> Iterator[tuple[str, Copied]]:
        """Copy files, several at once, and yield each with its path."""
        if not wanted:
            return
        total, title = sum(one.size for one in wanted.values()), f"copy {self.address.name}"
        with (
            bar(title=title, total=total, unit="B", is_bytes=True) as progress,
            prefetched(
                lambda item: self._copy(*item, progress),
                wanted.items(),
                _AT_ONCE,
                stop=self._stop.set,
            ) as copies,
        ):
            yield from zip(wanted, copies, strict=True)

    def _copy(self, path: str, entry: Entry, progress: Any) -> Copied:
        """Copy a file; a run that does not match its digests is read twice, then kept as it is.

        Its readers will name it as damaged, as they do in any store.
        """
        target = self.folder / path
        for _ in range(2):
            self._copy_once(path, entry, progress)
            if not path.endswith(SUFFIX) or _is_undamaged(target):
                break
        return Copied(entry.version, entry.size, target.stat().st_mtime_ns)

    def _copy_once(self, path: str, entry: Entry, progress: Any) -> None:
        changed = Changed(f"{self._where(path)} is replaced again and again; try again later.")
        with files.replacing(self.folder / path) as file:
            into = bounded(file, entry.size, progress, lambda: changed)
            for block in self._remote.blocks(path):
                into.write(block)
            if file.tell() != entry.size:
                raise changed

    def _check_room(self, wanted: Mapping[str, Entry]) -> None:
        needed = sum(entry.size for entry in wanted.values())
        if wanted and files.free(self.folder) < needed:
            raise StoreError(
                f"the disk of {self.folder} has {in_bytes(files.free(self.folder))} free; the copy "
                f"of {self.address} needs {in_bytes(needed)} more. Make room."
            )

    def _refuse_foreign(self, known: set[str], images: str | None) -> None:
        """Refuse files in the copy that were not copied: somebody may have stored them there."""
        for path in RunIndex(self.folder).kept_files():
            place = path.relative_to(self.folder).as_posix()
            if place not in known and belongs_to_store(place) and _is_of(place, images):
                raise StoreError(
                    f"{path} is in the copy of {self.address}, but not in the store itself. Move "
                    f"it away; '--store {self.address}' writes to the store."
                )

    def _copied(self) -> dict[str, Copied]:
        """The index; empty if it cannot be read, so that everything is copied again."""
        import msgspec

        try:
            data = files.read_regular(self.folder / _INDEX)
            found = msgspec.json.decode(data, type=_Index)
        except (OSError, ValueError):  # msgspec's errors are ValueErrors
            return {}
        if found.address != self.address.text:
            return {}
        return {path: one for path, one in found.files.items() if belongs_to_store(path)}

    def _write_index(self, copied: Mapping[str, Copied]) -> None:
        import msgspec

        index = _Index(self.address.text, dict(copied))
        files.write(self.folder / _INDEX, msgspec.json.encode(index))

    def _advice(self) -> str:
        """What else can be read if the store cannot; empty if nothing was copied."""
        try:
            seconds = (self.folder / _INDEX).stat().st_mtime
        except OSError:
            return ""
        day = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
        return f" '--store {self.folder}' reads what was copied before, last on {day}."

    def _where(self, path: str) -> str:
        return f"{self.address}/{printable(path)}"


def _is_of(path: str, images: str | None) -> bool:
    """Whether a path within a store is of an image set; None for all."""
    return images is None or path.startswith(f"{images}/")


def _is_undamaged(path: Path) -> bool:
    """Whether the file of a run matches its digests, as far as it has any."""
    try:
        with opened(path) as stored:
            stored.check()
    except StoreError:
        return False
    return True
