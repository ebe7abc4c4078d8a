"""What a server may send: limits in bytes and in time on all of it, not only on the body of a file.

`requests` limits the wait for each piece of an answer, and nothing else. It reads redirects to
their end, and `http.client` reads interim answers (100 Continue) and trailers for as long as they
come. So everything is counted where it arrives, at the connection.
"""

from __future__ import annotations

import io
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from http.client import HTTPResponse

    import requests

# Bytes that may come before the next of the file's own: headers, redirects, the framing of chunks,
# which are a few thousand as a rule, and what a decoder holds back.
_MOST_BESIDE = 2**20
# In so many seconds, so many bytes of the file have to come: 1 KiB a second, of which a modem
# has four times as many.
_SECONDS = 60.0
_FEWEST = 60 * 2**10


class Exceeded(Exception):
    """A server sent too much; no error of a library's, so that none takes it for its own."""


class TooSlow(Exceeded):
    """A server sent too little in the time that it had."""


class Allowance:
    """What one download may still take; renewed by the bytes of the file that arrive.

    Only the waiting for a server counts as time: a busy machine or a slow disk is not its fault.
    """

    def __init__(self) -> None:
        self._left = _MOST_BESIDE
        self._renew()

    def sent(self, size: int, waited: float) -> None:
        """Count bytes that a server sent, whatever they are, and the seconds of waiting for them.

        Raises:
            Exceeded: they are too many for the part of the file that has come.
            TooSlow: too small a part of the file has come in the last minute.
        """
        self._left -= size
        if self._left < 0:
            raise Exceeded(
                f"sends over {_MOST_BESIDE // 2**20} MiB that is no part of a file, where a few "
                "KiB are usual; use another address"
            )
        self._waited += min(waited, _SECONDS / 2)  # longer if Ctrl-Z has stopped this process
        if self._waited > _SECONDS:
            raise TooSlow(
                f"sends less than {_FEWEST / 2**10:.0f} KiB of a file in {_SECONDS:.0f} s; try "
                "again later, or use another address"
            )

    def kept(self, size: int) -> None:
        """Count bytes of the file itself."""
        self._left = min(self._left + 2 * size, _MOST_BESIDE)  # twice: chunks may be tiny
        self._missing -= size
        if self._missing <= 0:
            self._renew()

    def _renew(self) -> None:
        self._missing, self._waited = _FEWEST, 0.0


def session(allowance: Allowance) -> requests.Session:
    """A session in which all that servers send is counted, through proxies and TLS too."""
    import requests
    from requests.adapters import HTTPAdapter

    class Counting(HTTPAdapter):  # type: ignore[misc]
        def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
            pool = super().get_connection_with_tls_context(*args, **options)
            pool.ConnectionCls = partial(_connection, type(pool).ConnectionCls, allowance)
            return pool

    made = requests.Session()
    for scheme in ("http://", "https://"):
        made.mount(scheme, Counting())
    return made


def _connection(kind: Any, allowance: Allowance, /, *args: Any, **options: Any) -> Any:
    """A connection of urllib3's; `response_class` is how http.client lets answers be replaced."""
    made = kind(*args, **options)
    made.response_class = partial(_answer, allowance)
    return made


def _answer(allowance: Allowance, sock: Any, /, *args: Any, **options: Any) -> HTTPResponse:
    from http.client import HTTPResponse

    return HTTPResponse(_CountedSocket(sock, allowance), *args, **options)  # type: ignore[arg-type]


class _CountedSocket:
    """The one method of a socket that an answer of http.client calls."""

    def __init__(self, sock: Any, allowance: Allowance) -> None:
        self._sock, self._allowance = sock, allowance

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Counted(self._sock.makefile(mode, buffering=0), self._allowance))


class _Counted(io.RawIOBase):
    """What arrives at a socket, counted."""

    def __init__(self, source: io.RawIOBase, allowance: Allowance) -> None:
        self._source, self._allowance = source, allowance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        before = monotonic()
        size: int | None = self._source.readinto(buffer)
        self._allowance.sent(size or 0, monotonic() - before)
        return size

    def close(self) -> None:
        self._source.close()
        super().close()
