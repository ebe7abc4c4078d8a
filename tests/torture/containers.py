"""Places for many processes at a time: pid namespaces, users, clocks that jump, and small disks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

NOBODY = 65534
"""Id of the other user, and of the group that the store is shared with."""

_PIECE = 2**16


def missing() -> str:
    """What there is not that this needs; empty if all is there."""
    if sys.platform != "linux":
        return "Linux"
    if os.geteuid() != 0:
        return "root, to mount disks and to be another user"
    for name in ("unshare", "nsenter", "setpriv", "mount", "sleep"):
        if not shutil.which(name):
            return f"the program {name}"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "namespaces of processes and mounts: " + tried.stderr.strip() if tried.returncode else ""


class Process(NamedTuple):
    """A process as this namespace numbers it."""

    pid: int
    parent: int
    group: int


def processes() -> Iterator[Process]:
    """All that do anything still; the dead can wait long to be buried."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, *rest = stat.read_text().rpartition(")")[2].split()
            if state != "Z":
                yield Process(int(stat.parent.name), int(rest[0]), int(rest[1]))


class Container:
    """A pid namespace with a clock of its own; it can be killed as a whole, and starts again.

    Attributes:
        clock: file with the seconds by which its clock differs; see `launch.Orders`.
    """

    def __init__(self, clock: Path) -> None:
        self.clock = clock
        self.set_clock(0)
        self.start()

    def start(self) -> None:
        """Make the namespace."""
        command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sleep", "inf"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while not (children := [p for p in processes() if p.parent == self._process.pid]):
            time.sleep(0.01)
        self._first = children[0].pid
        while Path(f"/proc/{self._first}/comm").read_text() != "sleep\n":
            time.sleep(0.01)
        self._space = Path(f"/proc/{self._first}/ns/pid").readlink()

    def kill(self) -> None:
        """End the first process of the namespace, and with it all others."""
        os.kill(self._first, signal.SIGKILL)
        self._process.wait()

    def set_clock(self, hours: float) -> None:
        """Have the clock differ by so much from now on, also for processes that are at work."""
        part = self.clock.with_suffix(".part")
        part.write_text(str(hours * 3600))
        part.replace(self.clock)

    def left(self) -> list[str]:
        """Commands of processes in it, but for the first one."""
        found = []
        for process in processes():
            with suppress(OSError):
                is_here = Path(f"/proc/{process.pid}/ns/pid").readlink() == self._space
                if is_here and process.pid != self._first:
                    found.append(Path(f"/proc/{process.pid}/cmdline").read_text())
        return found

    def command(self, user: int, command: Sequence[str]) -> list[str]:
        """The command within it, as a user of the group that the store is shared with."""
        ids = [f"--reuid={user}", f"--regid={user}", f"--groups={NOBODY}"]
        inside = ["nsenter", "--target", str(self._first), "--pid", "--mount", f"--wd={Path.cwd()}"]
        return [*inside, "setpriv", *ids, *command]


@dataclass(frozen=True)
class Member:
    """A command in a container: `nsenter`, which waits for it, and the group of all its processes.

    Attributes:
        process: `nsenter`.
    """

    process: subprocess.Popen[bytes]

    def parent(self) -> int | None:
        """Id of the command itself, which `nsenter` has started."""
        pid = self.process.pid
        return next((p.pid for p in processes() if p.parent == pid and p.group == pid), None)

    def members(self) -> list[int]:
        """Ids of the command and of what it has started."""
        pid = self.process.pid
        return [p.pid for p in processes() if p.group == pid and p.pid != pid]

    def send(self, whom: str, sign: int) -> bool:
        """Send a signal to the parent, its workers or both; whether there was anybody."""
        parent = self.parent()
        chosen = {
            "parent": [parent] if parent else [],
            "worker": [pid for pid in self.members() if parent and pid != parent],
            "both": self.members() if parent else [],
        }[whom]
        for pid in chosen:
            with suppress(ProcessLookupError):
                os.kill(pid, sign)
        return bool(chosen)

    def has_ended(self, patience: float) -> bool:
        """Whether all of its processes end within so many seconds."""
        end = time.monotonic() + patience
        while self.members():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


def mount(*arguments: str) -> None:
    """Mount something in this namespace of mounts."""
    subprocess.run(["mount", *arguments], check=True)


def a_disk(folder: Path, size: int) -> Path:
    """A disk of so many bytes, which everybody in the group may write."""
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size},mode=2775,gid={NOBODY}", "tmpfs", str(folder))
    return folder


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """A disk without any room during the block."""
    filler = disk / ".filler"
    with filler.open("wb", buffering=0) as file:
        for size in (_PIECE, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
    try:
        yield
    finally:
        filler.unlink()


def let_others_in(places: Sequence[Path], stash: Path) -> None:
    """Have other users reach places below a folder that is closed to them, in this namespace alone.

    A folder that only its owner may enter, such as /root, gets an open one put over it, with
    nothing in it but the ways to these places.
    """
    stash.mkdir()
    for place in places:
        for folder in reversed(place.parents):
            if folder.stat().st_mode & 0o001:
                continue
            below = [one for one in places if one.is_relative_to(folder)]
            hidden = stash / str(folder).replace("/", "-")
            hidden.mkdir()
            mount("--bind", str(folder), str(hidden))
            mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder))
            for one in below:
                one.mkdir(parents=True, exist_ok=True)
                mount("--bind", str(hidden / one.relative_to(folder)), str(one))
            break
    stash.chmod(0o700)
