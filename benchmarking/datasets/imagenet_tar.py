"""The official ILSVRC2012_img_val.tar, read in place: nothing is unpacked."""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath

from benchmarking.errors import PictureError
from benchmarking.image_sets import Picture, in_order
from benchmarking.imagenet import validation_labels, validation_number, wnids

NAME = "tar"
DESCRIPTION = "an uncompressed tar of files named ILSVRC2012_val_XXXXXXXX.JPEG"


def recognises(where: str) -> bool:
    """Whether this is a file named like a tar."""
    return where.lower().endswith(".tar") and Path(where).is_file()


def open_pictures(where: str) -> tuple[Picture, ...]:
    """Labelled pictures and where each lies within the file, which is read once for its headers.

    Raises:
        PictureError: it is no uncompressed tar, or a member is no validation picture.
    """
    path = Path(where)
    labels = validation_labels()
    found = []
    for member in _members(path):
        if member.isdir():
            continue
        name = PurePosixPath(member.name).name
        number = validation_number(name)
        if number is None or not member.isreg():
            raise PictureError(
                f"{path}: member {member.name!r} is no file named ILSVRC2012_val_XXXXXXXX.JPEG, "
                "whose number tells its class."
            )
        if member.offset_data + member.size > path.stat().st_size:
            raise PictureError(f"{path} ends within {member.name!r}; get it anew.")
        found.append(Picture(name, int(labels[number - 1]), path, member.offset_data, member.size))
    if not found:
        raise PictureError(f"{path} holds no pictures.")
    return in_order(found, wnids())


def _members(path: Path) -> list[tarfile.TarInfo]:
    try:
        with tarfile.open(path, "r:") as tar:
            return tar.getmembers()
    except (tarfile.TarError, OSError) as error:
        raise PictureError(f"{path} cannot be read as an uncompressed tar: {error}.") from error
