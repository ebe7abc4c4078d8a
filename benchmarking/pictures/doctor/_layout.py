"""Findings from the names of pictures in a folder or tar, without reading the pictures.

`pictures.sets` stops at the first problem of a place; this module reports every problem. Both use
the same reading of its names.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarking.errors import PictureError
from benchmarking.io import tar_members
from benchmarking.pictures.doctor._file_names import wrong
from benchmarking.pictures.findings import Finding, finding
from benchmarking.pictures.image_set import FilePart, Picture
from benchmarking.pictures.layout import Reading
from benchmarking.pictures.names import ClassFolders, may_be_class_folder
from benchmarking.pictures.sets import folder, imagenet_tar, open_pictures, zip_file


@dataclass(frozen=True)
class Layout:
    """The files of a place.

    Attributes:
        files: all files that are pictures or should be, with names relative to the place; labelled
            NO_CLASS where the class is unknown.
        pictures: the same files as `predict` would use them; () if it refuses the place.
        findings: findings about names and sizes.
        left_out: paths of files and folders that `predict` leaves out.
        name: default name of the image set of a published set; "" for others.
    """

    files: tuple[Picture, ...]
    pictures: tuple[Picture, ...]
    findings: tuple[Finding, ...]
    left_out: tuple[str, ...] = ()
    name: str = ""


def look(
    where: str, pictures: Sequence[Picture] = (), class_folders: ClassFolders = "wnid"
) -> Layout:
    """List the files of a place, whether `predict` accepts it or not, and find their problems.

    Args:
        where: a folder, a tar or the name of a picture set.
        pictures: the pictures from `open_pictures`, if the caller has them already; the caller
            has the findings about the place itself, too.
        class_folders: how folders are named after their classes.

    Raises:
        BenchmarkError: the place does not exist, or its contents cannot be listed.
    """
    if pictures:
        return Layout(files := _files(pictures), tuple(pictures), tuple(wrong(files)))
    try:
        contents = open_pictures(where, class_folders)
    except (PictureError, OSError) as error:
        return _refused(where, error, class_folders)
    files = _files(contents.pictures)
    found = (*contents.findings, *wrong(files))
    return Layout(files, contents.pictures, found, contents.left_out, contents.name)


def _files(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    return tuple(replace(picture, key=_place(picture)) for picture in pictures)


def _place(picture: Picture) -> str:
    """A picture's name within its place, with its folder if that is a class folder."""
    place = picture.place
    if not isinstance(place, FilePart) or place.size is not None:
        return picture.key
    parent, _, name = place.file.replace("\\", "/").rpartition("/")
    parent = parent.rpartition("/")[2]
    return f"{parent}/{name}" if may_be_class_folder(parent) else picture.key


def _refused(where: str, error: Exception, class_folders: ClassFolders) -> Layout:
    """Files of a place that `predict` refuses, with all findings about them."""
    damage: list[Finding] = []
    try:
        if folder.match(where):
            found = folder.reading(where, class_folders)
        elif zip_file.match(where):
            found = zip_file.reading(where, class_folders)
        elif imagenet_tar.match(where):
            found, damage = _in_tar(where, class_folders)
        else:
            found = Reading((), (), (), (), ())
    except OSError as reason:
        raise PictureError(f"{where} cannot be listed: {reason.strerror}.") from reason
    files = found.files or _files(found.pictures)  # those that are left of a damaged tar, say
    told = [*found.refusals, *damage, *found.findings, *wrong(files)]
    if not files and not told:
        raise error
    by_kind = {one.kind: one for one in told} or {
        one.kind: one for one in finding("refused", str(error), [where], "see what predict expects")
    }
    return Layout(files, (), tuple(by_kind.values()), found.left_out)


def _in_tar(where: str, class_folders: ClassFolders) -> tuple[Reading, list[Finding]]:
    """What the members of a tar mean, those before the damage if it is damaged."""
    path = Path(where)
    damage: list[Finding] = []
    try:
        members = imagenet_tar.members_of(path)
    except PictureError as error:
        members = list(_salvaged(path))
        if not members:
            raise
        advice = "download it again, and compare its md5 with the official one"
        damage = [Finding("damaged-tar", str(error).rstrip("."), 1, (path.name,), advice)]
    return imagenet_tar.reading(where, members, class_folders), damage


def _salvaged(path: Path) -> Iterator[tarfile.TarInfo]:
    """The complete members before the damage."""
    end = path.stat().st_size
    with suppress(tarfile.TarError, OSError, MemoryError):
        for member in tar_members.members(path):
            if member.offset_data + member.size > end:
                return
            yield member
