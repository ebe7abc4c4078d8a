"""The worker process: it runs tasks one after another and sends the values that they yield.

`python -m benchmarking.inference.worker END FOLDER` waits for a line on standard input, reads its
task from a file in FOLDER, and writes pickled messages to standard output. Output of the task
itself goes to a log in FOLDER. The worker ends when its standard input ends, or the pipe END; this
happens at the latest when its parent process ends.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import struct
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

from benchmarking import plugins
from benchmarking.io import lifeline

TASK, LOG, NEXT = "task", "output", b"next\n"
_SETTING = "setting.json"
_LENGTH = struct.Struct("<Q")


def main() -> None:
    """Run tasks until standard input ends or an error leaves the process unusable."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent process
    end, folder = sys.argv[1], Path(sys.argv[2])
    lifeline.depend_on(end)
    log = folder / LOG
    orders: SimpleQueue[bytes] = SimpleQueue()
    given, messages = os.fdopen(os.dup(0), "rb"), os.dup(1)
    if hasattr(os, "register_at_fork"):  # a forked child would hold the pipe open
        os.register_at_fork(after_in_child=lambda: os.close(messages))
    _redirect(log)
    Thread(target=_watch, args=(given, orders), daemon=True).start()
    _read_setting(folder)
    usable = True
    while usable and orders.get():
        start = log.stat().st_size
        try:
            for value in _values(folder / TASK):
                _send(messages, ("output", value))
            last: tuple[Any, ...] = ("finished",)
        except BrokenPipeError:
            os._exit(0)  # the parent process does not read any more
        except Exception as error:
            sys.stdout.flush()
            reason, details, cause, usable = account_of(error, _since(log, start))
            last = ("failed", reason, details, cause, usable)
        sys.stdout.flush()
        _send(messages, last)


def account_of(error: Exception, written: str = "") -> tuple[str, str, str, bool]:
    """Reason, details and cause of an error, and whether the process is usable after it.

    Args:
        error: the error that ended a job.
        written: output of the process since the job began.
    """
    from benchmarking.errors import BenchmarkError, OutOfMemory

    if isinstance(error, OutOfMemory):
        return str(error), "", "memory", False
    if isinstance(error, BenchmarkError):
        return str(error), "", "error", True
    details = written + traceback.format_exc()
    cause = "memory" if isinstance(error, MemoryError) else "error"
    return f"{type(error).__name__}: {error}", details, cause, False  # a device may be unusable


def _watch(given: BinaryIO, orders: SimpleQueue[bytes]) -> None:
    """Queue orders, and end this process at once when its parent process ends."""
    for order in given:
        orders.put(order)
    os._exit(0)


def _redirect(log: Path) -> None:
    """Redirect the output of libraries to the log, and make standard input empty."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for standard in (1, 2):
        os.dup2(output, standard)


def _values(task: Path) -> Iterator[Any]:
    """Yield the function's values for its job; function and job are freed at the end."""
    with task.open("rb") as file:
        sys.path[:] = pickle.load(file)  # noqa: S301 - written by the parent process
        function, job = pickle.load(file)  # noqa: S301
    yield from function(job)


def _send(messages: int, message: tuple[Any, ...]) -> None:
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    for part in (_LENGTH.pack(len(data)), data):
        left = memoryview(part)
        while left:
            left = left[os.write(messages, left) :]


def received(stream: BinaryIO) -> tuple[Any, ...] | None:
    """The next message from an unbuffered stream; None at its end or after a truncated message.

    Raises:
        Exception: unpickling may raise anything.
    """
    head = _exactly(stream, _LENGTH.size)
    data = _exactly(stream, _LENGTH.unpack(head)[0]) if head else None
    if data is None:
        return None
    message: tuple[Any, ...] = pickle.loads(data)  # noqa: S301 - from a process that we started
    return message


def _exactly(stream: BinaryIO, n: int) -> bytearray | None:
    """Read n bytes; None if the stream ends before."""
    data = bytearray(n)
    view, at = memoryview(data), 0
    while at < n:
        read = stream.readinto(view[at:])  # type: ignore[attr-defined]
        if not read:
            return None
        at += read
    return data


def write_setting(folder: Path) -> None:
    """Write this process's module path and imported plug-in files for a worker."""
    setting = {"path": sys.path, "plugins": plugins.imported_files()}
    (folder / _SETTING).write_text(json.dumps(setting), "utf-8")


def _read_setting(folder: Path) -> None:
    """Use the module path and import the plug-ins of the parent process."""
    setting = json.loads((folder / _SETTING).read_text("utf-8"))
    sys.path[:] = setting["path"]
    plugins.import_files(setting["plugins"])


def _since(log: Path, start: int) -> str:
    return log.read_bytes()[start:].decode(errors="replace")


if __name__ == "__main__":
    main()
