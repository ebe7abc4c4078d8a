"""Names that are safe as file names, and the value of unrecorded fields."""

from __future__ import annotations

import re

from benchmarking.errors import BenchmarkError

UNKNOWN = "unknown"
"""Value of a field that was not recorded."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


def is_name(name: str) -> bool:
    """Whether a name is safe as a file name on every system; see `check_name`."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """Return the name if it is safe as a file name on every system.

    Raises:
        BenchmarkError: it is empty, does not start with a letter or digit, or contains anything
            but letters, digits, -, _ or single dots.
    """
    if not is_name(name):
        raise BenchmarkError(
            f"{name!r} cannot name anything here; use letters, digits, '-', '_' and single dots, "
            "such as 'my-pictures'."
        )
    return name
