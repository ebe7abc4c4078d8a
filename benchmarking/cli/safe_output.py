"""Standard output and error of a command, through which no name can steer a terminal."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

from benchmarking.io.printable import printable_lines


class PrintableStream(io.TextIOBase):
    """A text stream that writes to another one, which shows all as it is spelt.

    Ends of lines are kept, and the return that a progress bar begins with.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """Wrap a stream, or None where the process has none."""
        self._stream = stream
        self.problem = ""
        """Why text could not be written, as to a full disk; empty if all was."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the other stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write text with each character escaped that is no text, or cannot be encoded."""
        rest = text.lstrip("\r")
        shown = text[: len(text) - len(rest)] + printable_lines(rest)
        encoded = shown.encode(self.encoding, "backslashreplace").decode(self.encoding)
        with self._without_failing():
            if self._stream:
                self._stream.write(encoded)
        return len(text)

    def flush(self) -> None:
        """Flush the other stream."""
        with self._without_failing():
            if self._stream:
                self._stream.flush()

    def fileno(self) -> int:
        """Of the other stream; OSError if there is none."""
        if not self._stream:
            raise OSError("there is no such stream")
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether the other stream is a terminal."""
        return bool(self._stream) and self._stream.isatty()  # type: ignore[union-attr]

    @contextmanager
    def _without_failing(self) -> Iterator[None]:
        """Nothing ends for its log; a reader that has had enough is another matter."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            self.problem = error.strerror or str(error)

    def writable(self) -> bool:
        """It is."""
        return True


@contextmanager
def printable_output() -> Iterator[PrintableStream]:
    """Within the block, standard output and error show all as it is spelt.

    Yields standard output, which knows whether all could be written.
    """
    # Their file descriptors are not touched: what is done with these is not ours.
    output = PrintableStream(sys.stdout)
    with redirect_stdout(output), redirect_stderr(PrintableStream(sys.stderr)):
        yield output


def fill_closed_streams() -> None:
    """Open the null device for each standard stream that is closed.

    Else the next file that is opened would take its number, and be written into.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
