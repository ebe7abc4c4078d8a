"""Outputs in .npy and .npz files; they are read without pickle."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.io.files import open_regular
from benchmarking.io.npy_files import read_array, read_member
from benchmarking.predictions.output_files.outputs import MOST_BYTES, Outputs, Wanted
from benchmarking.predictions.output_files.plain_arrays import outputs_among, outputs_of

BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)
"""What `zipfile` raises for a broken archive."""

ANY_KIND = "biufcSUVmM"
"""Kinds of dtypes that need no pickle."""


def read(path: Path, wanted: Wanted) -> Outputs:
    """Read outputs; those of a large .npy are mapped into memory.

    Raises:
        BenchmarkError, OSError, ValueError: the file is broken, or has something else.
    """
    if path.suffix.lower() == ".npy":
        open_regular(path).close()
        return outputs_of(read_array(path, ANY_KIND), wanted)
    return outputs_among(arrays_in(path), wanted)


def arrays_in(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a .npz file by name.

    Raises:
        BenchmarkError, OSError, ValueError: it is broken, or too large when unpacked.
    """
    found: dict[str, NDArray[Any]] = {}
    with open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                check_size(archive)
                for member in archive.infolist():
                    if member.filename.endswith(".npy"):
                        name = member.filename.removesuffix(".npy")
                        with archive.open(member) as stream:
                            found[name] = _array_in(stream, member.file_size, name)
        except BROKEN as error:
            raise BenchmarkError(f"it is no whole .npz file: {error}") from error
    if not found:
        raise BenchmarkError("it is no .npz file with arrays")
    return {name: np.atleast_1d(array) for name, array in found.items()}


def _array_in(stream: IO[bytes], size: int, name: str) -> NDArray[Any]:
    try:
        return read_member(stream, size)
    except ValueError as error:
        raise BenchmarkError(f"its array {name!r} cannot be read: {error}") from error


def check_size(archive: zipfile.ZipFile) -> None:
    """Refuse an archive that is too large when unpacked.

    Raises:
        BenchmarkError: its members have more than MOST_BYTES together.
    """
    size = sum(member.file_size for member in archive.infolist())
    if size > MOST_BYTES:
        raise BenchmarkError(f"unpacked it has {size:,} bytes; at most {MOST_BYTES:,}")
