"""Reading and writing of .npy files; untrusted files are read safely, without pickle."""

from __future__ import annotations

import io
import math
import os
import warnings
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.io import files

_HEADER = 2**14
"""Bytes; NumPy refuses headers of more than 10,000."""

_MOST_READ = 2**26
"""Largest array, in bytes, that is read; a larger one is mapped, because parts may be enough."""


def read_array(path: Path, kinds: str) -> NDArray[Any]:
    """Read an array of numbers.

    A header that overstates the size is refused before memory is allocated. A large array is
    mapped: if another program truncates its file meanwhile, the system kills this process.

    Args:
        path: the file.
        kinds: the letters of `numpy.dtype.kind` that are allowed.

    Raises:
        StoreError: the file is missing or broken, or has another dtype.
    """
    try:
        found = _read_or_mapped(path)
    except FileNotFoundError as error:
        raise StoreError(f"{path} is missing; a run has classes and probabilities.") from error
    except (OSError, OverflowError, ValueError) as error:
        raise StoreError(f"{path} is no whole .npy file: {error}") from error
    if found.dtype.kind not in kinds:
        wanted = "probabilities" if kinds == "f" else "whole numbers"
        raise StoreError(f"{path} holds {found.dtype}; expected {wanted}.")
    return found


def read_integers(path: Path) -> NDArray[np.int64]:
    """Read a one-dimensional array of integers: labels or row numbers.

    Raises:
        StoreError: the file cannot be read, or holds anything else.
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


def read_member(stream: IO[bytes], size: int) -> NDArray[Any]:
    """Read an array from a member of an archive, which has so many bytes.

    Raises:
        EOFError, ValueError: it is broken, needs pickle, or its header overstates the size.
    """
    _header_that_fits(io.BytesIO(stream.read(_HEADER)), size)
    stream.seek(0)
    found: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return found


def write_array(path: Path, array: NDArray[Any] | None) -> None:
    """Write an array atomically; if it is None, remove the file.

    Raises:
        BenchmarkError: the folder cannot be written.
    """
    if array is None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise BenchmarkError(f"{path} cannot be removed: {error.strerror}.") from error
        return
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    files.write(path, buffer.getvalue())


def _read_or_mapped(path: Path) -> NDArray[Any]:
    """The array in a file, after a check that the file is as large as its header says.

    Raises:
        OSError, OverflowError, ValueError: the file holds no such array.
    """
    with files.open_regular(path) as file:
        start = io.BytesIO(file.read(_HEADER))  # a longer header is cut off here
        size = file.seek(0, os.SEEK_END)
        shape, is_fortran, dtype = _header_that_fits(start, size)
        order: Literal["C", "F"] = "F" if is_fortran else "C"
        count, begin = math.prod(shape), start.tell()
        if not count:
            return np.zeros(shape, dtype)
        if count * dtype.itemsize > _MOST_READ:
            return np.asarray(np.memmap(path, dtype, "r", begin, shape, order))
        file.seek(begin)
        found = np.fromfile(file, dtype, count)
    if len(found) < count:
        raise ValueError("another program has truncated it")
    return found.reshape(shape, order=order)


def _header_that_fits(start: io.BytesIO, size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The header at the start of a file of so many bytes, which must hold all of the array.

    Raises:
        ValueError: the header is invalid, needs pickle, or overstates the size.
    """
    shape, is_fortran, dtype = _header(start)
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError(f"it holds {dtype}")
    if min(shape, default=0) < 0:
        raise ValueError(f"its shape is {shape}")
    needed = math.prod(shape) * dtype.itemsize
    if needed > size - start.tell():
        raise ValueError(f"{dtype} of shape {shape} are {needed} bytes, and it has fewer")
    return shape, is_fortran, dtype


def _header(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the order is Fortran's, and dtype, from the header of a file.

    Raises:
        ValueError: the header is invalid.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about headers from Python 2, or odd literals
        try:
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
            elif version in ((2, 0), (3, 0)):  # they differ only in names of fields
                shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file)
            else:
                raise ValueError(f"it is of version {version}")
        except Exception as error:  # it parses Python literals, which may raise anything
            raise ValueError(str(error) or type(error).__name__) from error
    return tuple(map(int, shape)), is_fortran, dtype  # a shape may contain True
