"""Digests of what a run's file holds, by which a damaged file is known.

The metadata of a run is one JSON document. Its "digests" tell of each tensor its dtype, shape,
crc32 and sha256, and its last item, "sha256", is the digest of all the text before it. Who reads a
tensor compares the crc32, which misses no flipped bit and no run of 32 wrong ones, and costs less
than half as much as the sha256; `check` compares that as well.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import StoreError


class Damaged(StoreError):
    """What is there is not what was written."""


def sealed(document: Mapping[str, Any], digests: Mapping[str, Mapping[str, Any]]) -> str:
    """A document as text, with digests of what lies beside it and one of its own.

    >>> sealed({"format": 1}, {})[:35]
    '{"format": 1, "digests": {}, "sha25'
    """
    whole = {**document, "digests": digests}
    return json.dumps({**whole, "sha256": sha256(json.dumps(whole).encode())})


def unsealed(text: str) -> dict[str, Any]:
    """The document, its own digest checked and taken away; one without any as it is.

    Raises:
        Damaged: the digest is another one.
        ValueError: this is no JSON object.
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
    """What is recorded of a tensor."""
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "crc32": crc32(array),
        "sha256": sha256(array),
    }


def check_tensor(name: str, array: NDArray[Any], recorded: Mapping[str, Any], kind: str) -> None:
    """Make sure that a tensor is the recorded one.

    Args:
        name: of the tensor.
        array: what was read.
        recorded: what `digests_of` said when it was written.
        kind: which digest to compare, "crc32" or "sha256".

    Raises:
        Damaged: it is another one.
    """
    digest = {"crc32": crc32, "sha256": sha256}[kind]
    found = {"dtype": array.dtype.name, "shape": list(array.shape), kind: digest(array)}
    for what, value in found.items():
        if recorded.get(what) != value:
            raise Damaged(f"{name} has {what} {value}, and was written with {recorded.get(what)}")


def crc32(data: bytes | NDArray[Any]) -> str:
    """Eight hex digits; of an array's bytes, row by row."""
    return f"{zlib.crc32(_bytes(data)):08x}"


def sha256(data: bytes | NDArray[Any]) -> str:
    """In hex; of an array's bytes, row by row."""
    return hashlib.sha256(_bytes(data)).hexdigest()


def _bytes(data: bytes | NDArray[Any]) -> Any:
    return data if isinstance(data, bytes) else np.ascontiguousarray(data).data
