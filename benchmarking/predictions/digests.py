"""Digests of the contents of a run's file, which reveal damage.

The metadata of a run is one JSON document. Its "digests" hold the dtype, shape, crc32 and sha256 of
each tensor. Its last item, "sha256", is the digest of the document without that item. Reading a
tensor compares the crc32, which detects every flipped bit and every burst of up to 32 wrong bits,
and costs less than half as much as the sha256. `check` compares the sha256 as well.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import StoreError
from benchmarking.io.files import open_regular


class Damaged(StoreError):
    """The stored data differ from what was written."""


def sealed(document: Mapping[str, Any], digests: Mapping[str, Mapping[str, Any]]) -> str:
    """The document as JSON text, with the digests of the tensors and a digest of its own.

    >>> sealed({"format": 1}, {})[:35]
    '{"format": 1, "digests": {}, "sha25'
    """
    whole = {**document, "digests": digests}
    return json.dumps({**whole, "sha256": sha256(json.dumps(whole).encode())})


def unsealed(text: str) -> dict[str, Any]:
    """Parse a document; if it has a digest of its own, verify it and remove it.

    Raises:
        Damaged: the digest does not match.
        ValueError: the text is not a JSON object, or its digests are not objects.
    """
    document = json.loads(text, parse_constant=_refuse)
    if not isinstance(document, dict):
        raise ValueError("its metadata are no JSON object")
    recorded = document.get("digests", {})
    if not (isinstance(recorded, dict) and all(isinstance(d, dict) for d in recorded.values())):
        raise ValueError("its digests are none")
    is_sealed = not {"digests", "sha256"}.isdisjoint(document)
    document.pop("sha256", None)
    if is_sealed and text != sealed(
        {k: v for k, v in document.items() if k != "digests"}, recorded
    ):
        raise Damaged("its metadata are not as they were written")
    return document


def _refuse(constant: str) -> None:
    raise ValueError(f"its metadata hold {constant}, which is no number")


def digests_of(array: NDArray[Any]) -> dict[str, Any]:
    """The recorded facts of a tensor."""
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "crc32": crc32(array),
        "sha256": sha256(array),
    }


def check_tensor(name: str, array: NDArray[Any], recorded: Mapping[str, Any], kind: str) -> None:
    """Check that a tensor is the recorded one.

    Args:
        name: name of the tensor.
        array: the tensor as it was read.
        recorded: the result of `digests_of` when it was written.
        kind: which digest to compare, "crc32" or "sha256".

    Raises:
        Damaged: it differs.
    """
    digest = {"crc32": crc32, "sha256": sha256}[kind]
    found = {"dtype": array.dtype.name, "shape": list(array.shape), kind: digest(array)}
    for what, value in found.items():
        if recorded.get(what) != value:
            raise Damaged(f"{name} has {what} {value}, and was written with {recorded.get(what)}")


def crc32(data: bytes | NDArray[Any]) -> str:
    """CRC-32 as eight hex digits; for an array, of its bytes in row-major order."""
    return f"{zlib.crc32(_bytes(data)):08x}"


def sha256(data: bytes | NDArray[Any]) -> str:
    """SHA-256 in hex; for an array, of its bytes in row-major order."""
    return hashlib.sha256(_bytes(data)).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a regular file, in hex, read in parts; OSError if it cannot be read."""
    with open_regular(path) as file:
        return hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest()


def _bytes(data: bytes | NDArray[Any]) -> Any:
    return data if isinstance(data, bytes) else np.ascontiguousarray(data).data
