"""Reading of safetensors files without a memory map.

If another program truncates a mapped file, the system kills the process that reads it. With
ordinary reads, that is an error of the file like any other.

A file is the length of its header in eight bytes, the header in JSON, and the tensors one after the
other. Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from benchmarking.io import files

_MOST_HEADER = 100_000_000
"""Longest header in bytes, as in the library of the format."""

_MOST_SIDES, _MOST_SIDE = 64, 2**63
"""Most dimensions of NumPy's arrays, and more than any of them can have."""

_TOLD = 60
_METADATA = "__metadata__"
_DTYPES = {
    "BOOL": "?",
    **{"U8": "<u1", "U16": "<u2", "U32": "<u4", "U64": "<u8"},
    **{"I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8"},
    **{"F16": "<f2", "F32": "<f4", "F64": "<f8"},
}


@dataclass(frozen=True)
class _Place:
    """Where a tensor is in the file, and what it is; the offsets are from the first tensor."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]

    @property
    def size(self) -> int:
        """Size in bytes."""
        begin, end = self.data_offsets
        return end - begin


@dataclass(frozen=True, eq=False)
class TensorFile:
    """An open file of tensors, for one thread.

    Attributes:
        metadata: texts by name.
    """

    metadata: Mapping[str, str]
    _file: BinaryIO = field(repr=False)
    _begin: int
    _places: Mapping[str, _Place]

    @property
    def names(self) -> set[str]:
        """Names of its tensors."""
        return set(self._places)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor; ValueError if there is none of this name."""
        return self._place(name).shape

    def tensor(self, name: str) -> NDArray[Any]:
        """Read a tensor.

        Raises:
            OSError: it cannot be read.
            ValueError: there is none of this name, or the file was truncated since it was opened.
        """
        place = self._place(name)
        dtype = np.dtype(_DTYPES[place.dtype])
        self._file.seek(self._begin + place.data_offsets[0])
        found = np.fromfile(self._file, dtype, math.prod(place.shape))
        if found.nbytes < place.size:
            raise ValueError("another program has truncated it")
        return found.reshape(place.shape).astype(dtype.newbyteorder("="), copy=False)

    def _place(self, name: str) -> _Place:
        if name not in self._places:
            raise ValueError(f"it does not contain tensor {name}")
        return self._places[name]


@contextmanager
def opened(path: Path) -> Iterator[TensorFile]:
    """Open a safetensors file within the block.

    Raises:
        OSError: it cannot be opened or read, or is not a regular file.
        ValueError: it is no safetensors file, or its header overstates its size.
    """
    with files.open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        begin = 8 + length
        if length > _MOST_HEADER or begin > size:
            raise ValueError(f"its header claims {length:,} bytes, and it has {size:,}")
        places, metadata = _parsed(file.read(length))
        _check(places, size - begin)
        yield TensorFile(metadata, file, begin, places)


def _parsed(header: bytes) -> tuple[dict[str, _Place], dict[str, str]]:
    """The places of the tensors by name, and the metadata.

    Raises:
        ValueError: the header is invalid.
    """
    import msgspec

    parts = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
    metadata = msgspec.json.decode(parts.pop(_METADATA, b"{}"), type=dict[str, str])
    return {n: msgspec.json.decode(part, type=_Place) for n, part in parts.items()}, metadata


def _check(places: Mapping[str, _Place], size: int) -> None:
    """Check that tensors fill so many bytes one after the other.

    Raises:
        ValueError: one has an unknown type or does not fit its place, or they overlap, leave a gap,
            or do not end where the file ends.
    """
    for name, place in places.items():
        if place.dtype not in _DTYPES:
            raise ValueError(f"{name:.{_TOLD}} is {place.dtype:.{_TOLD}}, which is not supported")
        sides = place.shape[: _MOST_SIDES + 1]
        is_shape = len(sides) <= _MOST_SIDES and all(0 <= side < _MOST_SIDE for side in sides)
        size_of_one = np.dtype(_DTYPES[place.dtype]).itemsize
        if not is_shape or math.prod(sides) * size_of_one != place.size:
            what = f"{place.dtype} of shape {str(sides):.{_TOLD}} in {place.size} bytes"
            raise ValueError(f"{name:.{_TOLD}} is {what}")
    last = 0
    for begin, end in sorted(place.data_offsets for place in places.values()):
        if begin != last:
            raise ValueError("its tensors overlap, or leave a gap")
        last = end
    if last != size:
        raise ValueError(f"its tensors have {last:,} bytes, and the file has {size:,} for them")
