"""Available memory of this machine."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

CONTROL_GROUP = Path("/sys/fs/cgroup")
"""The folder of this process's control group in a container."""


def available_memory(group: Path = CONTROL_GROUP) -> int | None:
    """Available memory in bytes, of the machine and within its container; None if unknown."""
    machine = _of_machine()
    container = _of_container(group)
    return machine if machine is None or container is None else min(machine, container)


def _of_machine() -> int | None:
    """Linux's estimate of the available memory, in bytes; None on other systems."""
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return None


def _of_container(group: Path) -> int | None:
    """What the limit of a control group leaves, in bytes; None without a limit.

    Files that were read and not used lately (inactive_file) give way to processes, so that they
    count as available, as in MemAvailable.

    Source: docs.kernel.org/admin-guide/cgroup-v2.html, memory.max, memory.current, memory.stat.
    """
    with suppress(OSError, ValueError):  # "max" is no limit
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        return max(0, limit - max(0, used - _inactive_files(group)))
    return None


def _inactive_files(group: Path) -> int:
    """Bytes of files in memory that give way; 0 if unknown."""
    with suppress(OSError, ValueError):
        for line in (group / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "inactive_file":
                return int(value)
    return 0
