"""Digests of weights whose publisher gives none, recorded when a file is first used.

The record is a small file in the user's data folder, in the form of `sha256sum`. If the weights of
the same model are another file later, they are refused: somebody has published other weights under
the same name, or the file is damaged. Without a data folder, nothing is recorded; each stored run
has the digest of its weights in any case.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.io import files, user_folders
from benchmarking.models.spec import ModelSpec

_MOST_BYTES = 10_000


def check(spec: ModelSpec, path: Path, sha256: str) -> None:
    """Compare the digest of a model's weights with the recorded one, if there is a record.

    Raises:
        WeightsError: another file was used before.
    """
    known = recorded(spec)
    if known and known != sha256:
        raise WeightsError(
            f"{path} has sha256 {sha256}, but {spec.full_name} was first used here with {known}. "
            "Its publisher gives no digest. If you know why the file is another one, remove "
            f"{_record(spec)} and run again."
        )


def record(spec: ModelSpec, sha256: str) -> None:
    """Record the digest of weights that a model was built with, unless it has a record.

    Weights with a published digest, and files of the user's own, are not recorded.
    """
    if _is_recordable(spec) and not recorded(spec):
        with suppress(BenchmarkError):  # the data folder is unknown, or cannot be written
            files.write(_record(spec), f"{sha256}  {spec.weights.file}\n".encode())


def recorded(spec: ModelSpec) -> str:
    """The sha256 of the file that was first used; empty if there is no record."""
    if not _is_recordable(spec):
        return ""
    try:
        text = files.read_regular(_record(spec), _MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError, BenchmarkError):
        return ""
    found = re.match(r"[0-9a-f]{64}\b", text)
    return found[0] if found else ""


def _is_recordable(spec: ModelSpec) -> bool:
    """Whether the weights are somebody's published file without a published digest."""
    return bool(spec.weights.url) and spec.weights.published_digest == "none"


def _record(spec: ModelSpec) -> Path:
    return user_folders.data() / "weights" / spec.source / f"{spec.name}.sha256"
