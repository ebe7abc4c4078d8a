"""NumPy's .npy files, from anybody: read without pickle, and without believing what they say."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking import files
from benchmarking.errors import StoreError


def read_array(path: Path, kinds: str) -> NDArray[Any]:
    """An array of one of NumPy's kinds of numbers; what lies about its size takes no memory.

    Args:
        path: the file.
        kinds: letters of `numpy.dtype.kind` that are allowed.

    Raises:
        StoreError: it is missing or broken, or holds something else.
    """
    try:
        found = np.lib.format.open_memmap(path, mode="r")  # of pickles it wants nothing
    except FileNotFoundError as error:
        raise StoreError(f"{path} is missing; a run has classes and probabilities.") from error
    except (ValueError, OSError, EOFError) as error:
        raise StoreError(f"{path} is no whole .npy file: {error}") from error
    if found.dtype.kind not in kinds:
        wanted = "probabilities" if kinds == "f" else "whole numbers"
        raise StoreError(f"{path} holds {found.dtype}; expected {wanted}.")
    return np.asarray(found)


def read_integers(path: Path) -> NDArray[np.int64]:
    """A row of numbers from an .npy file: labels, or row numbers.

    Raises:
        StoreError: it cannot be read, or holds anything else.
    """
    if not path.is_file():
        raise StoreError(f"{path} is no file; expected an .npy file with a row of whole numbers.")
    found = read_array(path, "iubf")
    if not found.size:
        return np.zeros(0, dtype=np.int64)
    if found.dtype.kind == "f":
        raise StoreError(f"{path} holds {found.dtype}; expected whole numbers.")
    if found.dtype.kind == "b":
        raise StoreError(f"{path} holds a mask of True and False; save np.flatnonzero(mask).")
    if found.ndim != 1:
        raise StoreError(f"{path} has shape {found.shape}; expected one row of numbers.")
    if found.max() > np.iinfo(np.int64).max:
        raise StoreError(f"{path} holds {found.max()}, which is no row and no class.")
    return found.astype(np.int64)


def write_array(path: Path, array: NDArray[Any] | None) -> None:
    """Write an array, all of it or nothing; remove what is there where there is none.

    Raises:
        BenchmarkError: the folder cannot be written.
    """
    if array is None:
        path.unlink(missing_ok=True)
        return
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    files.write(path, buffer.getvalue())
