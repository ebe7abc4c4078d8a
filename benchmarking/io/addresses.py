"""Folders on object storage by their addresses, such as s3://bucket/folder, read by fsspec."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Any, TypeVar

from benchmarking.errors import BenchmarkError, MissingDependency, pip_install, requires
from benchmarking.io.printable import printable

T = TypeVar("T")

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LOST_SLASH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_NOT_PLAIN = re.compile(r"[\x00-\x20\x7f?*#\[\]]|::")
_LOCAL = ("file", "local")
_WHOLE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss", "memory")
"""Protocols that show a file only when all of it has arrived; other readers see the old one."""

_VERSIONS = (
    *("ETag", "etag", "md5Hash", "content_md5", "generation", "version_id", "VersionId"),
    *("blob_id", "sha", "LastModified", "last_modified", "updated", "mtime", "modified"),
    *("modify", "last_write_time", "modificationTime", "created"),
)
"""Facts of a listing that change with the content, as the libraries behind fsspec name them."""

_SECONDS = 300.0
"""Seconds in which a listing, a part of a file or an answer has to come."""

_SLOWEST = 2**13
"""Bytes of a file that have to be sent in each further second."""

_TICK = 0.1
"""Seconds between two looks whether it has come, or is not wanted any more."""

_BLOCK = 2**20
_LONGEST = 300
"""Longest text of another library's error that is shown."""


class Unreachable(BenchmarkError):
    """A folder on object storage could not be listed, read or written."""


class Changed(BenchmarkError):
    """A file or folder is not there, or was replaced, since it was listed."""


def is_address(text: object) -> bool:
    """Whether a text begins like an address.

    >>> is_address("s3://bucket/store"), is_address("store"), is_address("imagenet-v2:/pictures")
    (True, False, False)
    """
    return _SCHEME.match(str(text)) is not None


def has_lost_slash(path: Path) -> bool:
    """Whether a path was probably made of an address: Path("s3://b") is s3:/b."""
    first = path.parts[0] if path.parts else ""
    return _LOST_SLASH.fullmatch(first) is not None and not Path(first).exists()


@dataclass(frozen=True)
class Address:
    """The address of a folder on object storage.

    Attributes:
        text: the address, such as "s3://bucket/folder", without a slash at its end.

    Raises:
        BenchmarkError: it is not a plain address, or has a password in it.
    """

    text: str

    def __post_init__(self) -> None:
        scheme, _, place = self.text.rstrip("/").partition("://")
        if ":" in place.partition("/")[0].rpartition("@")[0]:
            raise BenchmarkError(
                f"this address of {printable(scheme)} has a password in it, which would be shown "
                "and recorded. Give it as the library of the protocol reads it, for example in "
                "environment variables."
            )
        if scheme.lower() in _LOCAL:
            raise BenchmarkError(
                f"{printable(self.text)} is a folder of this machine; write its path alone."
            )
        if {"", ".", ".."} & set(place.split("/")) or _NOT_PLAIN.search(place):
            raise BenchmarkError(
                f"{printable(self.text)!r} is no plain address; expected one such as "
                "s3://bucket/folder."
            )
        object.__setattr__(self, "text", f"{scheme.lower()}://{place}")

    @property
    def scheme(self) -> str:
        """The protocol, such as "s3"."""
        return self.text.partition("://")[0]

    @property
    def name(self) -> str:
        """The last part."""
        return self.text.rpartition("/")[2]

    def beside(self, apart: str) -> Address:
        """The address whose name has a suffix.

        Raises:
            BenchmarkError: it would be another bucket.
        """
        if apart and "/" not in self.text.partition("://")[2]:
            raise BenchmarkError(
                f"these runs need a separate store beside {self}, which would be another bucket; "
                "choose a folder within it with --store."
            )
        return Address(self.text + apart)

    def __str__(self) -> str:
        return printable(self.text)


@dataclass(frozen=True)
class Entry:
    """A file or a folder in a listing.

    Attributes:
        name: its name, which nobody has checked.
        is_folder: whether it is a folder.
        size: bytes of a file; -1 if the listing does not tell.
        version: text that changes with the content; empty if the listing has none.
    """

    name: str
    is_folder: bool
    size: int
    version: str


@dataclass(frozen=True)
class RemoteFolder:
    """A folder on object storage; paths are relative to it, with slashes.

    Attributes:
        address: its address.
        stop: when this is set, calls end soon with `Unreachable`, though the server says nothing.
    """

    address: Address
    stop: Event = field(default_factory=Event, repr=False, compare=False)

    def entries(self, path: str = "") -> list[Entry]:
        """Everything directly in a folder.

        Raises:
            Changed: there is no such folder.
            Unreachable: it cannot be listed, which is never the same as an empty folder.
            MissingDependency: the library of the protocol is not installed.
        """
        files, place = self._opened(path)

        def listed() -> list[Entry]:
            files.invalidate_cache()
            found = files.ls(place, detail=True)
            return [_entry(one) for one in found if _is_directly_in(place, one)]

        with _named_errors(f"{self._where(path)} cannot be listed"):
            try:
                return self._answered(listed)
            except FileNotFoundError as error:
                raise Changed(f"{self._where(path)} was removed meanwhile; try again.") from error

    def blocks(self, path: str) -> Iterator[bytes]:
        """Yield a file in parts.

        Raises:
            Changed: there is no such file.
            Unreachable: it cannot be read.
            MissingDependency: the library of the protocol is not installed.
        """
        files, place = self._opened(path)
        what = f"{self._where(path)} cannot be read"
        with _named_errors(what):
            try:
                opened = self._answered(lambda: files.open(place, "rb"))
            except FileNotFoundError as error:
                raise Changed(f"{self._where(path)} was removed meanwhile; try again.") from error
        with opened:
            while True:
                with _named_errors(what):
                    block = self._answered(lambda: opened.read(_BLOCK))
                if not block:
                    return
                yield block

    def check_takes_whole_files(self) -> None:
        """Check that readers of this protocol never see a file that is partly written.

        Raises:
            BenchmarkError: they could.
        """
        if self.address.scheme not in _WHOLE:
            raise BenchmarkError(
                f"{self.address} can be read, but not written: with {self.address.scheme}, others "
                f"could see files that are partly written. Those of {', '.join(_WHOLE[:-1])} can "
                "be written; or name a folder with --store, and copy it there."
            )

    def put(self, path: str, data: bytes) -> None:
        """Put up a whole file, which replaces an earlier one.

        Raises:
            BenchmarkError: others could see a part of it; see `check_takes_whole_files`.
            Unreachable: it cannot be written.
            MissingDependency: the library of the protocol is not installed.
        """
        self.check_takes_whole_files()
        files, place = self._opened(path)
        with _named_errors(f"{self._where(path)} cannot be written"):
            self._answered(lambda: files.pipe_file(place, data), _SECONDS + len(data) / _SLOWEST)

    def _answered(self, call: Callable[[], T], seconds: float | None = None) -> T:
        """The result of a call of another library, which may wait for a server for ever.

        It is called in a thread, because nothing else could interrupt it.

        Raises:
            TimeoutError: it has not ended in time, or `stop` was set.
            BaseException: what the call raises.
        """
        limit = _SECONDS if seconds is None else seconds
        done: SimpleQueue[tuple[T, None] | tuple[None, BaseException]] = SimpleQueue()

        def work() -> None:
            try:
                done.put((call(), None))
            except BaseException as error:
                done.put((None, error))

        Thread(target=work, daemon=True).start()
        end = monotonic() + limit
        while True:
            try:
                value, problem = done.get(timeout=_TICK)
            except Empty:
                if self.stop.is_set():
                    raise TimeoutError("it was stopped") from None
                if monotonic() > end:
                    raise TimeoutError(f"no answer within {limit:.0f} s") from None
                continue
            if problem is not None:
                raise problem
            return value  # type: ignore[return-value]

    def _where(self, path: str) -> str:
        return f"{self.address}/{printable(path)}" if path else str(self.address)

    def _opened(self, path: str) -> tuple[Any, str]:
        """The file system, and what it names a path."""
        with requires("object-storage"):
            from fsspec.core import url_to_fs
        try:
            files, root = url_to_fs(self.address.text)
        except ImportError as error:
            name = str(getattr(error.__cause__, "name", None) or self.address.scheme)
            raise MissingDependency(
                f"{self.address} needs {name}, which is not installed; run: {pip_install(name, '')}"
            ) from error
        except Exception as error:  # each library has errors of its own
            raise Unreachable(f"{self.address} cannot be opened: {_in_words(error)}.") from error
        return files, f"{root}/{path}" if path else root


def _entry(info: Mapping[str, Any]) -> Entry:
    size = info.get("size")
    facts = (f"{name}={info[name]}" for name in _VERSIONS if info.get(name) is not None)
    return Entry(
        str(info["name"]).rstrip("/").rpartition("/")[2],
        info.get("type") == "directory",
        size if isinstance(size, int) else -1,
        " ".join(facts),
    )


def _is_directly_in(folder: str, info: Mapping[str, Any]) -> bool:
    """Whether an entry is in a folder; some listings have the folder itself as well."""
    above = str(info["name"]).rstrip("/").rpartition("/")[0]
    is_known = info.get("type") in ("file", "directory")
    return is_known and above.strip("/") == folder.strip("/")


@contextmanager
def _named_errors(what: str) -> Iterator[None]:
    """Raise errors of any library as `Unreachable`, with what could not be done."""
    try:
        yield
    except BenchmarkError:
        raise
    except Exception as error:  # each library has errors of its own
        raise Unreachable(f"{what}: {_in_words(error)}.") from error


def _in_words(error: Exception) -> str:
    text = printable(" ".join(str(error).split())).rstrip(".")
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__
