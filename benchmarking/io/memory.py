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

    Source: docs.kernel.org/admin-guide/cgroup-v2.html, memory.max and memory.current.
    """
    with suppress(OSError, ValueError):  # "max" is no limit
        limit = int((group / "memory.max").read_text())
        return max(0, limit - int((group / "memory.current").read_text()))
    return None
