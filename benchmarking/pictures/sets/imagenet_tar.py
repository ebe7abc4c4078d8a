"""The official ILSVRC2012_img_val.tar, read without unpacking it."""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath

from benchmarking.errors import PictureError
from benchmarking.io import tar_members
from benchmarking.labels.imagenet import validation_labels, validation_number, wnids
from benchmarking.pictures.image_set import FilePart, Picture, in_order
from benchmarking.pictures.sets import Contents, Match

NAME = "tar"
DESCRIPTION = "an uncompressed tar of files named ILSVRC2012_val_XXXXXXXX.JPEG"

_BLOCK = 512  # bytes; a tar ends with two blocks of zeros


def match(where: str) -> Match:
    """Match any file whose name ends in .tar."""
    is_tar = where.lower().endswith(".tar") and Path(where).is_file()
    return Match.FORM if is_tar else Match.NONE


def open_pictures(where: str) -> Contents:
    """Labelled pictures with their positions in the file, whose headers are read once.

    Raises:
        PictureError: it is not an uncompressed tar, or a member is not a validation picture.
    """
    path = Path(where)
    labels = validation_labels()
    found = []
    for member in members_of(path):
        name = PurePosixPath(member.name).name
        number = validation_number(name)
        if member.isdir():
            continue
        if number is None or not member.isreg() or member.issparse():
            raise PictureError(
                f"{path}: member {member.name!r} is no file named ILSVRC2012_val_XXXXXXXX.JPEG, "
                "whose number tells its class."
            )
        label = int(labels[number - 1])
        found.append(Picture(name, label, FilePart(where, member.offset_data, member.size)))
    if not found:
        raise PictureError(f"{path} holds no pictures.")
    return Contents(in_order(found, wnids()))


def members_of(path: Path) -> list[tarfile.TarInfo]:
    """All members of the tar.

    tarfile stops silently at a damaged header, so this function checks the end of the tar.

    Raises:
        PictureError: the tar cannot be read, or is incomplete.
    """
    try:
        members = list(tar_members.members(path))
        last = members[-1] if members else None
        size = last.size if last and last.isreg() else 0
        with path.open("rb") as file:
            file.seek((last.offset_data if last else 0) + -(-size // _BLOCK) * _BLOCK)
            rest = file.read(2 * _BLOCK)
    except (tarfile.TarError, OSError, OverflowError, MemoryError) as error:
        raise PictureError(f"{path} cannot be read as an uncompressed tar: {error}.") from error
    if rest != bytes(2 * _BLOCK):
        raise PictureError(
            f"{path} is damaged or cut after {len(members)} members; download it again."
        )
    return members
