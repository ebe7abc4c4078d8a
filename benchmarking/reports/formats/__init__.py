"""Formats of tables, one module each; `Report` says what a module must have."""

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
        """Of the format."""

    @property
    def SUFFIX(self) -> str:
        """Of its files, such as ".md"."""

    def render(self, tables: Sequence[AccuracyTable]) -> str:
        """All tables as one text, since some formats put several image sets into one file."""


def reports() -> dict[str, Report]:
    """Every format, by name."""
    return discover(sys.modules[__name__], Report)


def format_of(path: Path) -> Report:
    """The format that a file's suffix asks for.

    Raises:
        BenchmarkError: no format has this suffix.
    """
    by_suffix = {report.SUFFIX: report for report in reports().values()}
    if path.suffix.lower() not in by_suffix:
        known = ", ".join(sorted(by_suffix))
        raise BenchmarkError(f"{path} has no known suffix; use one of {known}.")
    return by_suffix[path.suffix.lower()]
