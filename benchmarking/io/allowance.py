"""Limits in bytes and time on everything that a server sends, not only on the body of a file.

`requests` limits the wait for each piece of a response, and nothing else. It reads the body of a
redirect to its end, and `http.client` reads interim responses (100 Continue) and trailers without
limit. So all bytes are counted where they arrive, at the connection.
"""

from __future__ import annotations

import io
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from http.client import HTTPResponse

    import requests

# Bytes that may arrive before the next byte of the file: headers, redirects and chunk framing,
# usually a few thousand, and data that a decoder buffers.
_MOST_BESIDE = 2**20
# At least _FEWEST bytes of the file must arrive in _SECONDS: 1 KiB per second. A modem is four
# times faster.
_SECONDS = 60.0
_FEWEST = 60 * 2**10


class Exceeded(Exception):
    """A server sent too much.

    The class is not derived from an error of a library, so no library catches it.
    """


class TooSlow(Exceeded):
    """A server sent too little within the time limit."""


class Allowance:
    """The number of bytes and seconds that a download may still use; renewed as the file arrives.

    Only the time spent waiting for the server counts. A busy machine or a slow disk does not.
    """

    def __init__(self) -> None:
        self._left = _MOST_BESIDE
        self._renew()

    def sent(self, size: int, waited: float) -> None:
        """Count received bytes of any kind, and the seconds spent waiting for them.

        Raises:
            Exceeded: too many bytes besides those of the file have arrived.
            TooSlow: too little of the file has arrived in a minute of waiting.
        """
        self._left -= size
        if self._left < 0:
            raise Exceeded(
                f"sends over {_MOST_BESIDE // 2**20} MiB besides the file, where a few KiB are "
                "usual; use another address"
            )
        self._waited += min(waited, _SECONDS / 2)  # Ctrl-Z may have paused this process
        if self._waited > _SECONDS:
            raise TooSlow(
                f"sends less than {_FEWEST / 2**10:.0f} KiB of a file in {_SECONDS:.0f} s; try "
                "again later, or use another address"
            )

    def kept(self, size: int) -> None:
        """Count bytes of the file itself."""
        # Twice the size, because tiny chunks have much framing.
        self._left = min(self._left + 2 * size, _MOST_BESIDE)
        self._missing -= size
        if self._missing <= 0:
            self._renew()

    def _renew(self) -> None:
        self._missing, self._waited = _FEWEST, 0.0


def session(allowance: Allowance) -> requests.Session:
    """A session that counts all bytes that servers send, also through proxies and TLS."""
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
    """A urllib3 connection whose responses are counted, by `response_class` of http.client."""
    made = kind(*args, **options)
    made.response_class = partial(_answer, allowance)
    return made


def _answer(allowance: Allowance, sock: Any, /, *args: Any, **options: Any) -> HTTPResponse:
    from http.client import HTTPResponse

    return HTTPResponse(_CountedSocket(sock, allowance), *args, **options)  # type: ignore[arg-type]


class _CountedSocket:
    """A socket with the only method that http.client's HTTPResponse calls."""

    def __init__(self, sock: Any, allowance: Allowance) -> None:
        self._sock, self._allowance = sock, allowance

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Counted(self._sock.makefile(mode, buffering=0), self._allowance))


class _Counted(io.RawIOBase):
    """A stream that counts the bytes that arrive at a socket."""

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
