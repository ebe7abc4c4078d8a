"""Weight files: verified before any framework reads them, and downloaded if they are missing.

The download functions of the frameworks are not used. torchvision does not verify a cached file
again. Keras deletes a file with a wrong digest even if it cannot download another.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.io import downloads, files
from benchmarking.models import hub_cache
from benchmarking.models.spec import Weights


def verified_sha256(path: Path, weights: Weights) -> str:
    """Verify that a weight file is the published one, and return its sha256.

    If no digest is published, any file is accepted; but a file in the cache of the Hugging Face hub
    must have the digest that the hub gave for it.

    Raises:
        WeightsError: it is a different file, or cannot be read; it is not changed.
    """
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                sha256.update(block)
                if weights.md5:
                    md5.update(block)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    for kind, found, published in (
        ("sha256", sha256.hexdigest(), weights.sha256),
        ("md5", md5.hexdigest(), weights.md5),
    ):
        if published and not found.startswith(published):
            raise WeightsError(
                f"{path} has {kind} {found}, but {weights.name} was published with {published}; "
                "move it away and download it again."
            )
    if weights.hub and (known := hub_cache.recorded_sha256(path)) not in ("", sha256.hexdigest()):
        raise WeightsError(
            f"{path} has sha256 {sha256.hexdigest()}, but the hub gave {known} for it: it is "
            "damaged; remove it and download it again."
        )
    return sha256.hexdigest()


class Unreachable(WeightsError):
    """Weights that are missing, and whose server does not respond."""


def missing(weights: Weights, folder: Path, why: str = "") -> WeightsError:
    """An error for a missing file, with its name, address, size and folder."""
    size = f" ({weights.megabytes:.0f} MiB)" if weights.megabytes else ""
    if not weights.url:
        return WeightsError(
            f"{weights.file}{size} is missing; its source gives no address, so put it into "
            f"{folder}."
        )
    name = "" if urlsplit(weights.url).path.endswith(f"/{weights.file}") else f" as {weights.file}"
    return WeightsError(
        f"{weights.file} is missing{why}; download {weights.url}{size} into {folder}{name}."
    )


class _Bounded(io.BufferedIOBase):
    """A file with a limit just above the size of the weights, so that no server fills the disk."""

    def __init__(self, file: BinaryIO, weights: Weights) -> None:
        self._file, self._weights = file, weights
        # Published sizes are rounded, and some are in MB instead of MiB.
        self._left = round(2**20 * (1.1 * weights.megabytes + 1)) if weights.megabytes else 2**34

    def write(self, block: Any, /) -> int:
        self._left -= len(block)
        if self._left < 0:
            weights = self._weights
            size = f"{weights.megabytes:.0f} MiB" if weights.megabytes else "16 GiB"
            raise WeightsError(f"{weights.url} serves more than the {size} of {weights.file}.")
        return self._file.write(block)


def download(weights: Weights, folder: Path) -> Path:
    """Download a weight file into a folder, with a progress bar, and verify it.

    A file with its final name is complete and verified. After an interruption, the next call
    starts from the beginning.

    Raises:
        Unreachable: the server does not respond.
        WeightsError: the address serves another file, or the folder cannot be written.
    """
    from tqdm import tqdm

    path = folder / weights.file
    size = round((weights.megabytes or 0) * 2**20) or None
    bar = {"desc": weights.file, "total": size, "leave": False, "disable": None}
    try:
        with files.replacing(path) as file:
            with tqdm.wrapattr(file, "write", **bar) as into:
                downloads.download(weights.url, cast(BinaryIO, _Bounded(into, weights)))
            file.flush()
            verified_sha256(Path(file.name), weights)
    except downloads.DownloadError as error:
        told = missing(weights, folder, f" and could not be downloaded ({error.why})")
        kind = Unreachable if isinstance(error, downloads.Unanswered) else WeightsError
        raise kind(str(told)) from error
    except WeightsError:
        raise
    except BenchmarkError as error:
        raise WeightsError(str(error)) from error
    return path
