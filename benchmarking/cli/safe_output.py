"""Safe standard output and error of a command: no name can control the terminal."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

from benchmarking.io.printable import printable_lines


class PrintableStream(io.TextIOBase):
    """A text stream that writes to another one, with control characters escaped.

    Line endings are kept, and so is the carriage return at the beginning of a progress bar.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """Wrap a stream, or None if the process has none."""
        self._stream = stream
        self.problem = ""
        """Why text could not be written, such as a full disk; empty if all was written."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Encoding of the other stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write text; characters that are not printable or cannot be encoded are escaped."""
        rest = text.lstrip("\r")
        self.write_styled(text[: len(text) - len(rest)] + printable_lines(rest))
        return len(text)

    def write_styled(self, text: str) -> None:
        """Write text whose control characters are ours, as they are."""
        encoded = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
        with self._without_failing():
            if self._stream:
                self._stream.write(encoded)
            elif text:
                self.problem = "it is closed"

    def flush(self) -> None:
        """Flush the other stream, unless it is closed."""
        with self._without_failing():
            if self._stream and not getattr(self._stream, "closed", False):
                self._stream.flush()

    def fileno(self) -> int:
        """File descriptor of the other stream; OSError if there is none."""
        if not self._stream:
            raise OSError("there is no such stream")
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether the other stream is a terminal."""
        return bool(self._stream) and self._stream.isatty()  # type: ignore[union-attr]

    @contextmanager
    def _without_failing(self) -> Iterator[None]:
        """Ignore errors of the stream, except that its reader has stopped reading."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            self.problem = error.strerror or str(error)

    def writable(self) -> bool:
        """Return True."""
        return True


@contextmanager
def printable_output() -> Iterator[PrintableStream]:
    """Within the block, escape control characters in standard output and error.

    Yields standard output, which records whether everything could be written.
    """
    # Their file descriptors are left alone, since other code may use them.
    output = PrintableStream(sys.stdout)
    with redirect_stdout(output), redirect_stderr(PrintableStream(sys.stderr)):
        yield output


def fill_closed_streams() -> None:
    """Open the null device for each standard stream that is closed.

    Otherwise the next opened file would get its descriptor, and output would go into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
