"""A pipe whose end is also the end of a child process: the kernel kills it, whatever it does then.

So a child that hangs does not outlive a parent that is killed. A thread of the child could do the
same, but not while native code, such as that of a driver, holds the lock of Python's interpreter.
Only Linux has such signals; elsewhere nothing happens.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def opened(theirs: ExitStack, held: ExitStack) -> tuple[str, tuple[int, ...]]:
    """Open a pipe for a child: an argument for it, and the descriptors to pass on to it.

    Args:
        theirs: closes the child's end in this process, once it has been passed on.
        held: closes the other end, and so ends the child.

    Raises:
        OSError: there are too many open files.
    """
    if not hasattr(fcntl, "F_SETSIG"):
        return "", ()
    first, other = os.pipe()
    held.callback(os.close, other)
    theirs.callback(os.close, first)
    # A number above those of the standard streams, which the child gets new ones of.
    end = fcntl.fcntl(first, fcntl.F_DUPFD_CLOEXEC, 3)
    theirs.callback(os.close, end)
    return str(end), (end,)


def depend_on(argument: str) -> None:
    """End this process when the other end of a pipe closes, at the latest with its process."""
    if not argument:
        return
    end = int(argument)
    os.set_inheritable(end, False)
    fcntl.fcntl(end, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(end, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_ASYNC)
