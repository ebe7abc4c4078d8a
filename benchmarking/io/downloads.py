"""Collections of public files: their addresses and digests, and how to fetch them.

Addresses, sizes and digests are facts and ship with the package; the files themselves do not.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from benchmarking.errors import BenchmarkError
from benchmarking.io import files, user_folders
from benchmarking.io.addresses import is_address
from benchmarking.io.allowance import Allowance, Exceeded, TooSlow, session
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from requests import Response

# Seconds to connect, and to wait for the next piece of a response.
_TIMEOUT = (10, 30)
# Bytes; small, so that even a slow download yields several blocks per minute.
_BLOCK = 2**14
_PARTIAL = 206
# After this many files in a row without a response, the server counts as unreachable.
_UNANSWERED = 4
# Seconds to wait for a thread to end after it was told to stop.
_GRACE = 0.5
_SHOWN = 3


class DownloadError(BenchmarkError):
    """An address or folder gave no usable file; `why` says in a few words what happened."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where, self.why = where, why


class Unanswered(DownloadError):
    """No response: no network, unknown host, or a server that stopped sending or is too slow."""


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch: its path relative to a folder or address, its size and its digest."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Collection:
    """Files that are published together below one address; `about` describes them in one line."""

    name: str
    files: tuple[RemoteFile, ...]
    url: str
    about: str


@dataclass(frozen=True)
class Fetched:
    """A file that is present and verified; `was_there` if it was present before the call."""

    file: RemoteFile
    was_there: bool


@cache
def collections() -> dict[str, Collection]:
    """All collections, by name."""
    held: dict[str, list[RemoteFile]] = {}
    for row in files.shipped_rows("downloads.csv"):
        file = RemoteFile(row["file"], int(row["bytes"]), row["sha256"])
        held.setdefault(row["collection"], []).append(file)
    return {
        row["name"]: Collection(row["name"], tuple(held[row["name"]]), row["url"], row["about"])
        for row in files.shipped_rows("collections.csv")
    }


def cache_folder(name: str) -> Path:
    """The folder in the user's cache that a collection is fetched into."""
    return user_folders.cache() / name


def complete(collection: Collection, folder: Path) -> bool:
    """Whether a folder has every file, by name and size; only `fetch` compares digests."""
    paths = ((folder / file.path, file.bytes) for file in collection.files)
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def origin_of(text: str) -> str | Path:
    """Return the text if it is an address, or a Path if it is a folder.

    Raises:
        BenchmarkError: it is neither.
    """
    if text.lower().startswith(("http://", "https://")):
        return text
    if text and not is_address(text) and expanded(text).is_dir():
        return expanded(text)
    raise BenchmarkError(
        f"{text!r} is neither a folder nor an address; give a folder that exists, or https://…"
    )


def fetch(
    collection: Collection, origin: str | Path, folder: Path, *, workers: int = 4
) -> Generator[Fetched, None, None]:
    """Fetch a collection's files into a folder, several at once, from an address or a folder.

    Data is written to disk only after it has been verified, so a file that has its final name is
    complete, even if the process was killed. Correct files in the folder are not fetched again. A
    wrong file stays until the correct one has arrived. A folder as the origin may have the
    collection's sub-folders, or all files side by side. Closing the iterator stops the download.

    Raises:
        BenchmarkError: some files could not be fetched (all others were), or the server does not
            respond, or the folder cannot be written.
    """
    here = [file for file in collection.files if _is_right(folder / file.path, file)]
    missing = [file for file in collection.files if file not in here]
    for file in here:
        files.sweep_up(folder / file.path)
        yield Fetched(file, was_there=True)

    def bring(file: RemoteFile, stop: Event) -> DownloadError | None:
        try:
            data = _copied(file, origin) if isinstance(origin, Path) else _got(file, origin, stop)
        except DownloadError as error:  # a new one: a traceback keeps the bytes
            return type(error)(error.where, error.why)
        files.write(folder / file.path, data)
        return None

    left, unanswered, failures = len(missing), 0, []
    with closing(_at_once(bring, missing, workers)) as outcomes:
        for file, failure in outcomes:
            unanswered = unanswered + 1 if isinstance(failure, Unanswered) else 0
            if failure is None:
                left -= 1
                yield Fetched(file, was_there=False)
            else:
                failures.append(str(failure))
            if unanswered == _UNANSWERED:
                break
    if failures:
        raise _not_fetched(collection, origin, left, sorted(failures)[:_SHOWN])


@dataclass(frozen=True, eq=False)
class Remote:
    """A file on a server that has begun to send it.

    Attributes:
        url: its address.
        version: the server's tag for exactly these bytes; empty if it gives none, or only one that
            means similar bytes.
    """

    url: str
    version: str
    _answer: Response
    _ask: Callable[[Mapping[str, str]], Response]
    _allowance: Allowance

    def copy(self, into: BinaryIO) -> None:
        """Copy the file into an open file; see `download` for the errors."""
        with _named_errors(self.url):
            self._write(self._answer, into)

    def resume(self, into: BinaryIO, start: int) -> None:
        """Copy the rest into an open file that has the first bytes of this version.

        If the server cannot send the rest alone, the open file is emptied and gets all of it.

        Args:
            into: the open file, which `seek` and `truncate` can change.
            start: number of bytes that it has.
        """
        with _named_errors(self.url):
            answer, begin = self._rest(start) if start else (self._answer, 0)
            into.seek(begin)
            into.truncate()
            self._write(answer, into)

    def _rest(self, start: int) -> tuple[Response, int]:
        """A response with the rest, or else with the whole file, and its first byte."""
        self._answer.close()
        rest = self._ask({"Range": f"bytes={start}-", "If-Range": self.version})
        begins = rest.headers.get("content-range", "").startswith(f"bytes {start}-")
        if rest.status_code == _PARTIAL and begins:
            return rest, start
        rest.close()
        return self._ask({}), 0

    def _write(self, answer: Response, into: BinaryIO) -> None:
        answer.raise_for_status()
        for block in answer.iter_content(_BLOCK):
            self._allowance.kept(len(block))
            into.write(block)


@contextmanager
def opened(url: str) -> Iterator[Remote]:
    """Ask a server for a file; it is copied by `Remote.copy` or `Remote.resume`.

    The server may send only little besides the file, however large the file is, and must send some
    of the file every minute.

    Raises:
        DownloadError: the server has no such file.
        Unanswered: the server does not respond, or responds too slowly.
    """
    answers: list[Response] = []
    allowance = Allowance()
    hooks = {"response": lambda answer, **_: answers.append(answer)}
    with ExitStack() as stack:
        stack.callback(lambda: [answer.close() for answer in answers])  # redirects too
        with _named_errors(url):
            asking = stack.enter_context(session(allowance))

            def ask(headers: Mapping[str, str]) -> Response:
                # As it is stored: the bytes of a compressed response have other positions.
                wanted = {"Accept-Encoding": "identity", **headers}
                return asking.get(url, headers=wanted, timeout=_TIMEOUT, stream=True, hooks=hooks)

            answer = ask({})
            answer.raise_for_status()
            int(answer.headers.get("content-length", 0))  # requests would ignore a non-number
        yield Remote(url, _version(answer), answer, ask, allowance)


def _version(answer: Response) -> str:
    tag = str(answer.headers.get("etag", ""))
    is_exact = tag.startswith('"') and "content-encoding" not in answer.headers
    return tag if is_exact else ""


def download(url: str, into: BinaryIO) -> None:
    """Download from an address into an open file; the caller verifies the content.

    An exception from `into.write` ends the download and is passed on, so that callers can stop it.

    Raises:
        DownloadError: the server has no such file, or sends only a part of it, or too much else.
        Unanswered: the server does not respond, or responds too slowly.
    """
    with opened(url) as remote:
        remote.copy(into)


def save(
    url: str, path: Path, into: Callable[[BinaryIO], BinaryIO], check: Callable[[BinaryIO], object]
) -> None:
    """Download from an address to a path; an interrupted download of the same bytes is resumed.

    It can be resumed if the server gives a tag for exactly these bytes; else the next call starts
    from the beginning.

    Args:
        url: the address.
        path: the file's final name, which it gets only when it is complete and checked.
        into: returns what to write into, for example with a limit and a bar; see `bounded`.
        check: called with the complete file, of which all bytes are written; an error removes it.

    Raises:
        DownloadError: as for `download`.
        BenchmarkError: the folder or the file cannot be written; or an error of `check`.
    """
    with opened(url) as remote:
        version = f"{url} {remote.version}"
        held = files.resuming(path, version) if remote.version else files.replacing(path)
        try:
            with held as file:
                try:
                    remote.resume(into(file), file.tell())
                except DownloadError as error:
                    raise files.Interrupted(error) from error
                file.flush()
                check(file)
        except files.Interrupted as interrupted:
            raise interrupted.cause from interrupted


@contextmanager
def _named_errors(url: str) -> Iterator[None]:
    """Raise errors of the connection as errors that name the address."""
    import requests

    try:
        yield
    except TooSlow as error:
        raise Unanswered(url, str(error)) from error
    except Exceeded as error:
        raise DownloadError(url, str(error)) from error
    except requests.HTTPError as error:
        answer = error.response
        raise DownloadError(url, f"answered {answer.status_code} {answer.reason}") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise Unanswered(url, f"no answer ({_cause(error)})") from error
    except (requests.RequestException, ValueError) as error:  # the length is not a number
        raise DownloadError(url, f"cut off ({_cause(error)})") from error


class _Enough(Exception):
    """No more bytes are wanted."""


class _Bounded(io.BytesIO):
    """A buffer that raises _Enough when it exceeds a limit in bytes, or when `stop` is set."""

    def __init__(self, limit: int, stop: Event) -> None:
        super().__init__()
        self._limit, self._stop = limit, stop

    def write(self, block: Any, /) -> int:
        written = super().write(block)
        if self.tell() > self._limit or self._stop.is_set():
            raise _Enough
        return written


def _got(file: RemoteFile, origin: str, stop: Event) -> bytes:
    url, memory = f"{origin.rstrip('/')}/{quote(file.path)}", _Bounded(file.bytes, stop)
    with suppress(_Enough):
        download(url, memory)
    return _checked(memory.getvalue(), file, url)


def _copied(file: RemoteFile, origin: Path) -> bytes:
    nested, flat = origin / file.path, origin / Path(file.path).name
    tests = (Path.is_file, Path.exists)  # what exists and is no file is refused by its name
    found = (place for test in tests for place in (nested, flat) if test(place))
    return _read(next(found, nested), file)


def _is_right(path: Path, file: RemoteFile) -> bool:
    with suppress(DownloadError):
        _read(path, file)
        return True
    return False


def _read(path: Path, file: RemoteFile) -> bytes:
    try:
        with files.open_regular(path) as opened:
            return _checked(opened.read(file.bytes + 1), file, str(path))
    except OSError as error:
        raise DownloadError(str(path), error.strerror or str(error)) from error


def _checked(data: bytes, file: RemoteFile, where: str) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    if len(data) > file.bytes:
        raise DownloadError(
            where, f"more than the {file.bytes} bytes that were published; not kept"
        )
    if found != file.sha256:
        why = f"{len(data)} bytes with sha256 {found}, but {file.bytes} with {file.sha256}"
        raise DownloadError(where, f"{why} were published; not kept")
    return data


def _at_once(
    bring: Callable[[RemoteFile, Event], DownloadError | None],
    wanted: Sequence[RemoteFile],
    workers: int,
) -> Generator[tuple[RemoteFile, DownloadError | None], None, None]:
    """Yield each finished file and its error, if any; no file is started once the reader stops.

    The threads are daemons and no pool, because Python waits at exit for the threads of a pool.
    Nothing can interrupt a thread that waits for a silent server, and Ctrl-C should not wait for
    it.
    """
    todo: SimpleQueue[RemoteFile] = SimpleQueue()
    done: SimpleQueue[tuple[RemoteFile, Exception | None]] = SimpleQueue()
    stop = Event()

    def work() -> None:
        with suppress(Empty):
            while not stop.is_set():
                file = todo.get_nowait()
                try:
                    done.put((file, bring(file, stop)))
                except Exception as error:
                    done.put((file, error))

    threads = [Thread(target=work, daemon=True) for _ in range(min(workers, len(wanted)))]
    try:
        for file in wanted:
            todo.put(file)
        for thread in threads:
            thread.start()
        for _ in wanted:
            file, problem = done.get()
            if problem is not None and not isinstance(problem, DownloadError):
                raise problem
            yield file, problem
    finally:
        stop.set()
        for thread in threads:
            thread.join(_GRACE)


def _cause(error: BaseException) -> str:
    """The message of an exception's innermost cause, such as "Connection refused"."""
    while deeper := error.__cause__ or error.__context__:
        error = deeper
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _not_fetched(
    collection: Collection, origin: str | Path, count: int, listed: Sequence[str]
) -> BenchmarkError:
    first, command = collection.files[0].path, f"imagenet-benchmark fetch {collection.name}"
    if isinstance(origin, Path):
        advice = f"{origin} must hold {first}, or {Path(first).name}, and so on, as published."
    else:
        advice = (
            f"Without network, run '{command} --to DIR' where there is one, bring DIR here and "
            f"run '{command} --from DIR'; or name a mirror with --from URL: it serves URL/{first}."
        )
    more = [f"and {count - len(listed)} more"] if count > len(listed) else []
    head = f"{count} of {len(collection.files)} files could not be fetched; the others are kept:"
    problems = "\n  ".join([head, *listed, *more])
    return BenchmarkError(f"{problems}\nThe same command tries again. {advice}")
