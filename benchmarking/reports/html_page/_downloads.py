"""Files that the page contains, as addresses that hold their data."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarking.io.files import in_bytes
from benchmarking.reports.citation import cite
from benchmarking.reports.formats import csv_file, json_file
from benchmarking.scoring.table import AccuracyTable

_LARGE = 200_000  # bytes from which a file is compressed


@dataclass(frozen=True)
class Download:
    """A file of the page.

    Attributes:
        label: what it is.
        name: name of the file.
        size: its size, in words.
        address: the data: address with its contents.
    """

    label: str
    name: str
    size: str
    address: str


def downloads(tables: Sequence[AccuracyTable]) -> list[Download]:
    """The tables as CSV and JSON, and what to cite as BibTeX; large files are compressed."""
    return [
        _download("CSV", "table.csv", "text/csv", csv_file.render(tables)),
        _download("JSON", "table.json", "application/json", json_file.render(tables)),
        _download("BibTeX", "table.bib", "text/plain", cite(tables)),
    ]


def _download(label: str, name: str, kind: str, text: str) -> Download:
    data = text.encode()
    if len(data) > _LARGE:
        # The time 0 keeps the page the same for the same runs.
        data, name, kind = gzip.compress(data, mtime=0), f"{name}.gz", "application/gzip"
    address = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return Download(label, name, in_bytes(len(data)), address)
