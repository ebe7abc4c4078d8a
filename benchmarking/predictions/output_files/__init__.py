"""Files of a model's outputs, as people have them; one module for each kind of file."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmarking.errors import BenchmarkError, MissingDependency
from benchmarking.predictions.output_files import (
    numpy_files,
    parquet_files,
    text_tables,
    torch_files,
)
from benchmarking.predictions.output_files.outputs import MOST_BYTES, Outputs, Wanted

_READERS = {
    **dict.fromkeys((".npy", ".npz"), numpy_files.read),
    **dict.fromkeys((".pt", ".pth"), torch_files.read),
    ".parquet": parquet_files.read,
    **dict.fromkeys((".csv", ".tsv", ".txt"), text_tables.read),
}


def read_outputs(path: Path, wanted: Wanted) -> Outputs:
    """Read a model's outputs from a file.

    Args:
        path: a .npy, .npz, .pt, .parquet, .csv, .tsv or .txt file.
        wanted: what has to be known to read it.

    Raises:
        MissingDependency: the library that reads such files is not installed.
        BenchmarkError: the file is missing, is broken, or has something else.
    """
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        known = ", ".join(_READERS)
        raise BenchmarkError(f"{path} has none of the suffixes of files of outputs: {known}.")
    read = _READERS[suffix]
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BenchmarkError(f"it has {path.stat().st_size:,} bytes; at most {MOST_BYTES:,}")
        found = read(path, wanted)
        if not len(found):
            raise BenchmarkError("it is empty")
        return found
    except MissingDependency:
        raise
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (BenchmarkError, ValueError, OverflowError, csv.Error) as error:
        raise about(path, error) from error


def about(path: Path, error: Exception) -> BenchmarkError:
    """An error that names the file, as some do already."""
    why = str(error).rstrip(".")
    return BenchmarkError(f"{why}." if why.startswith(str(path)) else f"{path}: {why}.")
