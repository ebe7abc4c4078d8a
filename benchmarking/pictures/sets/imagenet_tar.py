"""Pictures in a tar, such as the official ILSVRC2012_img_val.tar, read without unpacking it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarking.errors import PictureError
from benchmarking.io import tar_members
from benchmarking.pictures.entries import Entry, folder_and_name
from benchmarking.pictures.image_set import FilePart
from benchmarking.pictures.layout import Reading, read, usable
from benchmarking.pictures.names import ClassFolders
from benchmarking.pictures.sets import Contents, Match
from benchmarking.pictures.sets._forms import mistaken

NAME = "tar"
DESCRIPTION = "an uncompressed tar of such folders or files"
CLASS_FOLDERS: tuple[ClassFolders, ...] = ("wnid", "index")

_BLOCK = 512  # bytes; a tar ends with two blocks of zeros


def match(where: str) -> Match:
    """Match any file whose name ends in .tar."""
    is_tar = where.lower().endswith(".tar") and Path(where).is_file()
    return Match.FORM if is_tar else Match.NONE


def open_pictures(where: str, class_folders: ClassFolders = "wnid") -> Contents:
    """List the labelled pictures in a tar, with the position of each; only headers are read.

    Raises:
        PictureError: the file is not an uncompressed tar, it has no pictures, or the names do not
            identify the classes.
    """
    found = reading(where, members_of(Path(where)), class_folders)
    return Contents(usable(where, found), left_out=found.left_out, findings=found.findings)


def reading(where: str, members: Iterable[tarfile.TarInfo], class_folders: ClassFolders) -> Reading:
    """Interpret the members of a tar."""
    return read(_entries(where, members), class_folders)


def _entries(where: str, members: Iterable[tarfile.TarInfo]) -> Iterator[Entry]:
    for member in members:
        folder, name = folder_and_name(member.name)
        if member.isdir():
            if name:
                yield Entry(folder, name, "folder")
        elif not member.isreg() or member.issparse():
            yield Entry(folder, name, "odd")
        else:
            part = FilePart(where, member.offset_data, member.size)
            yield Entry(folder, name, "file", part)


def members_of(path: Path) -> list[tarfile.TarInfo]:
    """All members of a tar, with a check that it is complete.

    `tarfile` alone treats a damaged header like the end of the file.

    Raises:
        PictureError: the file is damaged, or is not an uncompressed tar.
    """
    try:
        members = list(tar_members.members(path))
        last = members[-1] if members else None
        size = last.size if last and last.isreg() else 0
        with path.open("rb") as file:
            file.seek((last.offset_data if last else 0) + -(-size // _BLOCK) * _BLOCK)
            rest = file.read(2 * _BLOCK)
    except (tarfile.TarError, OSError, OverflowError, MemoryError) as error:
        if explained := mistaken(path):
            raise PictureError(explained) from error
        raise PictureError(f"{path} cannot be read as an uncompressed tar: {error}.") from error
    if rest != bytes(2 * _BLOCK):
        raise PictureError(
            f"{path} is damaged or cut after {len(members)} members; download it again."
        )
    return members
