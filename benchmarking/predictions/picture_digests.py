"""The digests of a shard's pictures in a store: digests.txt, sorted lines "key sha256-of-bytes".

They are what the fingerprint is made of, so the sha256 of the file is the fingerprint of the shard.
A merged run gets its fingerprint from the lines of all shards.
"""

from __future__ import annotations

from pathlib import Path

from benchmarking.errors import StoreError
from benchmarking.io import files
from benchmarking.pictures.image_set import ImageSet, digest_lines, fingerprint_of_lines


def written(images: ImageSet) -> bytes:
    """The contents of digests.txt for an image set; empty if it is no shard."""
    if not images.digests:
        return b""
    lines = digest_lines(images.keys, images.digests)
    return "".join(lines).encode("utf-8", "surrogateescape")


def read(path: Path, fingerprint: str) -> list[str]:
    """Read the sorted lines, each with its end.

    Args:
        path: the file.
        fingerprint: the fingerprint of the shard.

    Raises:
        StoreError: the file is missing, cannot be read, or does not give this fingerprint.
    """
    mend = "Restore a copy; 'predict' on the same shard writes it again as well."
    try:
        text = files.read_regular(path).decode("utf-8", "surrogateescape")
    except FileNotFoundError as error:
        raise StoreError(
            f"{path} is missing; without it no fingerprint can be given to a merged run. {mend}"
        ) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}.") from error
    lines = [f"{line}\n" for line in text.replace("\r\n", "\n").split("\n")[:-1]]
    if fingerprint_of_lines(lines) != fingerprint:
        raise StoreError(
            f"{path} is damaged: it is not what the runs beside it were stored with. {mend}"
        )
    return lines
