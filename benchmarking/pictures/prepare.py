"""Unpacking of the official tar of validation pictures into a folder for each class.

The folder appears only when it is complete. Until then, its pictures are in a hidden folder next
to it, where the next call finds them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO

from benchmarking.errors import BenchmarkError, PictureError
from benchmarking.io.printable import printable
from benchmarking.labels.imagenet import validation_key, validation_number, wnids
from benchmarking.pictures.image_set import FilePart, Picture
from benchmarking.pictures.sets.imagenet_tar import open_pictures


@dataclass(frozen=True)
class Official:
    """The expected size and digest of the tar.

    Attributes:
        size: size of the file, in bytes.
        md5: md5 of the file, in hex.
    """

    size: int
    md5: str


# The file that image-net.org serves, and the md5 next to its link; torchvision.datasets.imagenet
# has the same md5.
OFFICIAL = Official(6_744_924_160, "29b22e2961454d5413ddabcf34fc5622")

_NAME = "ILSVRC2012_img_val.tar"
_NEEDED = (
    f"What is needed is {_NAME}, {OFFICIAL.size:,} bytes, from "
    "https://image-net.org/challenges/LSVRC/2012/2012-downloads.php."
)
_TRAINING_SET = "the training set, ILSVRC2012_img_train.tar"
# First bytes of files that users confuse with it; a tar begins with the name of its first member.
_BEGINNINGS = {
    rb"n\d{8}\.tar\0": _TRAINING_SET,
    rb"n\d{8}_\d+\.JPEG\0": "one class of the training set",
    rb"(test/)?ILSVRC2012_test_|test/\0": "the test set, whose labels are not published",
    rb"\x1f\x8b": "compressed with gzip, as the development kit is",
    rb"PK\x03\x04": "a zip file",
    rb"\xff\xd8\xff": "a single JPEG picture",
    rb"\s*<": "a web page, such as one that asks for a login",
}
_TRAINING_SET_SIZE = 147_897_477_120  # bytes, as image-net.org serves it

_LARGEST = 64 * 2**20  # bytes; far more than any of the 50,000 has, and fits into memory
_BLOCK = 2**20  # bytes
_CLUSTER = 4096  # bytes; usual allocation unit of file systems


@dataclass(frozen=True)
class Member:
    """A picture within the tar.

    Attributes:
        path: its path within the folder, such as n01751748/ILSVRC2012_val_00000001.JPEG. It is
            derived from the picture's number only, not from the rest of its name in the tar.
        offset: position in the tar where it begins, in bytes.
        size: its size in bytes.
    """

    path: Path
    offset: int
    size: int


@dataclass(frozen=True)
class Plan:
    """The pictures to unpack, and the folder to unpack them into.

    Attributes:
        tar: the file.
        folder: the future parent of the class folders; missing or empty before.
        members: every picture, in the order of the tar.
        official: expected size and digest of the tar; None accepts any tar.
    """

    tar: Path
    folder: Path
    members: tuple[Member, ...]
    official: Official | None

    @property
    def staging(self) -> Path:
        """The folder that holds the class folders until they are complete."""
        return self.folder.with_name(f".{self.folder.name}.part")


def plan(tar: Path, folder: Path, official: Official | None = OFFICIAL) -> Plan:
    """Plan what `prepare` will do, after all checks that need no reading of pictures.

    Raises:
        PictureError: the file is not the expected tar, or is damaged.
        BenchmarkError: the folder cannot be used, or its disk has too little space.
    """
    folder = folder.resolve()
    try:
        _check_folder(folder)
        _check_file(tar, official)
        made = Plan(tar, folder, _members(tar), official)
        _check_space(made)
    except OSError as error:
        raise BenchmarkError(f"{error.filename} cannot be used: {error.strerror}.") from error
    return made


def prepare(plan: Plan) -> Iterator[Member]:
    """Unpack the pictures and yield each one when it is written; rename the folder at the end.

    After an interrupted call, only pictures that are missing or differ are written.

    Raises:
        PictureError: the md5 is not the official one; all unpacked pictures are removed.
        BenchmarkError: a picture cannot be written; the next call resumes from there.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    for member, data in _contents(plan, md5.update):
        path = plan.staging / member.path
        try:
            _put(path, data)
        except OSError as error:
            raise BenchmarkError(
                f"{path} cannot be written: {error.strerror}. What is unpacked is kept in "
                f"{plan.staging}; once this is mended, the same command resumes."
            ) from error
        yield member
    if plan.official and md5.hexdigest() != plan.official.md5:
        shutil.rmtree(plan.staging, ignore_errors=True)
        raise _refusal(
            plan.tar,
            f"has md5 {md5.hexdigest()}, and {_NAME} has {plan.official.md5}: it is damaged. "
            "Download it again; what was unpacked is removed",
        )
    _name_folder(plan)


def _check_folder(folder: Path) -> None:
    if folder.is_mount():
        raise BenchmarkError(
            f"{folder} is a mount point, which cannot be replaced; name a folder within it."
        )
    if folder.exists() and any(folder.iterdir()):
        raise BenchmarkError(
            f"{folder} is not empty; name a folder that does not exist yet. If it is prepared "
            "already, continue with 'imagenet-benchmark predict'."
        )


def _check_file(tar: Path, official: Official | None) -> None:
    """Check by its size and first bytes that the file can be the tar."""
    if not tar.is_file():
        raise _refusal(tar, "is a folder, not a file" if tar.is_dir() else "is no file")
    size = tar.stat().st_size
    with tar.open("rb") as file:
        start = file.read(512)
    seems = (what for first, what in _BEGINNINGS.items() if re.match(first, start))
    what = _TRAINING_SET if size == _TRAINING_SET_SIZE else next(seems, None)
    if what:
        raise _refusal(tar, f"seems to be {what}")
    if official and size != official.size:
        cut = "Was its download cut short? " if size < official.size else ""
        raise _refusal(
            tar,
            f"has {size:,} bytes, and {_NAME} has {official.size:,}. {cut}For a part of the "
            "validation set, use --no-verify",
        )


def _members(tar: Path) -> tuple[Member, ...]:
    found: dict[Path, Member] = {}
    for picture, part in _pictures(tar):
        name = PurePosixPath(picture.key).name
        number = validation_number(name)
        if number is None:
            raise _refusal(tar, f"holds {printable(name)!r}, which is no picture of the set")
        path = Path(wnids()[picture.label], validation_key(number))
        size = part.size
        if path in found:
            raise _refusal(tar, f"holds {path.name} twice")
        if size is None or not 0 <= size <= _LARGEST:
            raise _refusal(tar, f"says that {path.name} has {size} bytes; no picture of it does")
        found[path] = Member(path, part.offset, size)
    return tuple(found.values())


def _pictures(tar: Path) -> list[tuple[Picture, FilePart]]:
    """Pictures with their positions in the tar, in the order of the tar."""
    try:
        pictures = open_pictures(str(tar)).pictures
        found = [(one, one.place) for one in pictures if isinstance(one.place, FilePart)]
        return sorted(found, key=lambda pair: pair[1].offset)
    except PictureError as error:
        raise PictureError(f"{error} {_NEEDED}") from error


def _unpacked(plan: Plan) -> dict[Path, int]:
    """Size of each picture in the staging folder, which must contain nothing else."""
    files = {member.path for member in plan.members}
    folders = {Path(), *(path.parent for path in files)}
    found = {}
    for place in chain([plan.staging], plan.staging.rglob("*")):
        if not os.path.lexists(place):
            continue
        path, status = place.relative_to(plan.staging), place.lstat()
        if S_ISREG(status.st_mode) and path in files:
            found[path] = status.st_size
        elif not (S_ISDIR(status.st_mode) and path in folders):
            raise BenchmarkError(
                f"{place} is no picture of {plan.tar}, though {plan.staging} is where those are "
                "put until they are complete. Remove that, or name another folder."
            )
    return found


def _check_space(plan: Plan) -> None:
    there = _unpacked(plan)
    missing = [member for member in plan.members if there.get(member.path) != member.size]
    needed = sum(-(-member.size // _CLUSTER) * _CLUSTER for member in missing)
    place = next(parent for parent in plan.staging.parents if parent.is_dir())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise BenchmarkError(
            f"{place} has {free:,} bytes free, and {len(missing):,} pictures need {needed:,}; "
            "make room, or name a folder on another disk."
        )


def _contents(plan: Plan, see: Callable[[bytes], object]) -> Iterator[tuple[Member, bytes]]:
    """Yield each picture with its bytes; `see` gets all bytes of the tar, in order."""
    at = 0
    try:
        with plan.tar.open("rb") as file:
            for member in plan.members:
                _skip(file, member.offset - at, see)
                data = file.read(member.size)
                if len(data) != member.size:
                    raise PictureError(
                        f"{plan.tar} ends within {member.path.name}; it was changed meanwhile."
                    )
                see(data)
                yield member, data
                at = member.offset + member.size
            _skip(file, plan.tar.stat().st_size - at, see)
    except OSError as error:
        raise PictureError(f"{plan.tar} cannot be read: {error.strerror}.") from error


def _skip(file: BinaryIO, size: int, see: Callable[[bytes], object]) -> None:
    while size > 0 and (block := file.read(min(size, _BLOCK))):
        see(block)
        size -= len(block)


def _put(path: Path, data: bytes) -> None:
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # removed, not overwritten: it could be a link
    with path.open("xb") as file:
        file.write(data)


def _name_folder(plan: Plan) -> None:
    """Rename the staging folder to the final one, if it is complete and synced to disk."""
    try:
        if _unpacked(plan) != {member.path: member.size for member in plan.members}:
            raise BenchmarkError(
                f"{plan.staging} was changed meanwhile. Does another call write into it? Once "
                "that has ended, the same command resumes."
            )
        if hasattr(os, "sync"):
            os.sync()
        if plan.folder.exists():
            plan.folder.rmdir()  # fails if the folder is no longer empty
        plan.staging.rename(plan.folder)
    except OSError as error:
        raise BenchmarkError(
            f"{plan.staging}, which holds all pictures, cannot be renamed {plan.folder}: "
            f"{error.strerror}. Once this is mended, the same command resumes."
        ) from error


def _refusal(tar: Path, what: str) -> PictureError:
    return PictureError(f"{tar} {what}. {_NEEDED}")
