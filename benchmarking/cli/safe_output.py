"""Standard output and error of a command, through which no name can steer a terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

from benchmarking.io.printable import printable_lines


class PrintableStream(io.TextIOBase):
    """A text stream that writes to another one, which shows all as it is spelt.

    Ends of lines are kept, and the return that a progress bar begins with.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the other stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write text with each character escaped that is no text, or cannot be encoded."""
        rest = text.lstrip("\r")
        shown = text[: len(text) - len(rest)] + printable_lines(rest)
        self._stream.write(shown.encode(self.encoding, "backslashreplace").decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        """Flush the other stream."""
        self._stream.flush()

    def fileno(self) -> int:
        """Of the other stream."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether the other stream is a terminal."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """It is."""
        return True


@contextmanager
def printable_output() -> Iterator[None]:
    """Within the block, standard output and error show all as it is spelt."""
    # Their file descriptors are not touched: what is done with these is not ours.
    with (
        redirect_stdout(PrintableStream(sys.stdout)),
        redirect_stderr(PrintableStream(sys.stderr)),
    ):
        yield
