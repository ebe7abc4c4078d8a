"""Weight files: verified before any framework reads them, and downloaded if they are missing.

The download functions of the frameworks are not used. torchvision does not verify a cached file
again. Keras deletes a file with a wrong digest even if it cannot download another.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.io import downloads
from benchmarking.io.bounded import bounded
from benchmarking.io.files import open_regular
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
        with open_regular(path) as file:
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


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes in hex.

    Raises:
        WeightsError: it cannot be read.
    """
    return verified_sha256(path, Weights("", path.name))


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


def download(weights: Weights, folder: Path) -> Path:
    """Download a weight file into a folder, with a progress bar, and verify it.

    A file with its final name is complete and verified. After an interruption, the next call
    resumes if the server has a tag for exactly these bytes; else it starts from the beginning.

    Raises:
        Unreachable: the server does not respond.
        WeightsError: the address serves another file, or the folder cannot be written.
    """
    from tqdm import tqdm

    path = folder / weights.file
    size = round((weights.megabytes or 0) * 2**20) or None
    units = {"unit": "B", "unit_scale": True, "unit_divisor": 1024}
    try:
        with tqdm(desc=weights.file, total=size, leave=False, disable=None, **units) as bar:
            downloads.save(
                weights.url,
                path,
                lambda file: bounded(file, _most(weights), bar, lambda: _too_much(weights)),
                lambda file: verified_sha256(Path(file.name), weights),
            )
    except downloads.DownloadError as error:
        told = missing(weights, folder, f" and could not be downloaded ({error.why})")
        kind = Unreachable if isinstance(error, downloads.Unanswered) else WeightsError
        raise kind(str(told)) from error
    except WeightsError:
        raise
    except BenchmarkError as error:
        raise WeightsError(str(error)) from error
    return path


def _most(weights: Weights) -> int:
    """Largest size of a weight file in bytes; published sizes are rounded, and some are in MB."""
    return round(2**20 * (1.1 * weights.megabytes + 1)) if weights.megabytes else 2**34


def _too_much(weights: Weights) -> WeightsError:
    size = f"{weights.megabytes:.0f} MiB" if weights.megabytes else "16 GiB"
    return WeightsError(f"{weights.url} serves more than the {size} of {weights.file}.")
