"""Output formats of tables, one module each; `Report` is the contract of a module."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from benchmarking.errors import BenchmarkError
from benchmarking.plugins import discover
from benchmarking.scoring.table import AccuracyTable


class Report(Protocol):
    """A format in which tables can be written."""

    @property
    def NAME(self) -> str:
        """Name of the format."""

    @property
    def SUFFIX(self) -> str:
        """Suffix of its files, in lower case, such as ".md"; no other format may have it."""

    def render(self, tables: Sequence[AccuracyTable]) -> str:
        """All tables as one text, since some formats put several image sets into one file.

        The view of a table may choose columns: `reports.cells.cells` and `reports.columns.lines`
        return only these.
        """


def reports() -> dict[str, Report]:
    """Every format, by name."""
    return discover(sys.modules[__name__], Report)


def format_of(path: Path) -> Report:
    """The format that a file's suffix selects.

    Raises:
        BenchmarkError: no format has this suffix, or two formats have the same one.
    """
    by_suffix: dict[str, Report] = {}
    for report in reports().values():
        other = by_suffix.setdefault(report.SUFFIX.lower(), report)
        if other is not report:
            raise BenchmarkError(
                f"formats {other.NAME} and {report.NAME} both have the suffix {report.SUFFIX}; "
                "change that of the plug-in."
            )
    if path.suffix.lower() not in by_suffix:
        known = ", ".join(sorted(by_suffix))
        raise BenchmarkError(f"{path} has no known suffix; use one of {known}.")
    return by_suffix[path.suffix.lower()]
