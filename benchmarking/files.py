"""Files: written so that no reader ever sees half of one, and tables that the package ships."""

from __future__ import annotations

import csv
import os
from contextlib import suppress
from importlib import resources
from pathlib import Path

from benchmarking.errors import BenchmarkError


def write(path: Path, data: bytes) -> None:
    """Put a file in its place, all of it or nothing, synced to disk before it gets its name.

    Raises:
        BenchmarkError: the folder or the file cannot be written; an earlier file is as it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise BenchmarkError(f"{path} cannot be written: {error.strerror}.") from error
    with suppress(OSError):  # some network file systems cannot; the file is in its place
        _sync_folder(path.parent)


def shipped_rows(name: str) -> list[dict[str, str]]:
    """Rows of a table in the package's data folder, by its headings."""
    table = resources.files("benchmarking").joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(table.splitlines()))


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
