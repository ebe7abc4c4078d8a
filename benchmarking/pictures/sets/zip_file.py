"""Pictures in a zip file, read without unpacking it."""

from __future__ import annotations

import shlex
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarking.errors import PictureError
from benchmarking.io import zip_files
from benchmarking.io.files import open_regular
from benchmarking.pictures.entries import Entry, folder_and_name
from benchmarking.pictures.image_set import MOST_BYTES
from benchmarking.pictures.layout import Reading, read, usable
from benchmarking.pictures.names import ClassFolders
from benchmarking.pictures.sets import Contents, Match
from benchmarking.pictures.sets._forms import mistaken

NAME = "zip"
DESCRIPTION = "a zip file of such folders or files"
CLASS_FOLDERS: tuple[ClassFolders, ...] = ("wnid", "index")

# Of the local header of a member, from APPNOTE.TXT: its first bytes, its size, and where the sizes
# of the two parts that follow it are.
_SIGNATURE, _HEADER, _LENGTHS = b"PK\x03\x04", 30, slice(26, 30)
_ENCRYPTED = 0x1
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Compression methods other than Deflate, from APPNOTE.TXT; Windows uses Deflate64 for large files.
_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz"}


@dataclass(frozen=True, slots=True)
class ZipPart:
    """A member of a zip file.

    Attributes:
        file: path of the zip file.
        offset: position of its local header, in bytes.
        packed: its size in the file, in bytes.
        size: its own size in bytes.
        crc: its CRC-32.
        is_deflated: whether it is compressed with Deflate; otherwise it is stored as it is.
    """

    file: str
    offset: int
    packed: int
    size: int
    crc: int
    is_deflated: bool

    def __str__(self) -> str:
        return self.file

    def read(self) -> bytes:
        """The picture's bytes.

        Raises:
            PictureError: the file cannot be read or is damaged, or the picture has more than
                MOST_BYTES.
        """
        if max(self.size, self.packed) > MOST_BYTES:
            raise PictureError(
                f"{self.file} has a picture of {self.size:,} bytes; a picture may have at most "
                f"{MOST_BYTES:,}."
            )
        try:
            with open_regular(Path(self.file)) as file:
                file.seek(self.offset)
                header = file.read(_HEADER)
                lengths = header[_LENGTHS]
                name, extra = (int.from_bytes(lengths[at : at + 2], "little") for at in (0, 2))
                file.seek(self.offset + _HEADER + name + extra)
                data = file.read(self.packed)
            if self.is_deflated:
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, self.size + 1)
        except (OSError, ValueError, zlib.error) as error:  # the directory may name any place
            raise PictureError(f"{self.file} cannot be read: {error}.") from error
        if not header.startswith(_SIGNATURE) or zlib.crc32(data) != self.crc:
            raise PictureError(
                f"{self.file} is damaged within the picture whose header is at byte {self.offset}."
            )
        return data


def match(where: str) -> Match:
    """Match any file whose name ends in .zip."""
    is_zip = where.lower().endswith(".zip") and Path(where).is_file()
    return Match.FORM if is_zip else Match.NONE


def open_pictures(where: str, class_folders: ClassFolders = "wnid") -> Contents:
    """List the labelled pictures in a zip file; only its directory is read.

    Raises:
        PictureError: the file is damaged or encrypted, it has no pictures, or the names do not
            identify the classes.
    """
    found = reading(where, class_folders)
    return Contents(usable(where, found), left_out=found.left_out, findings=found.findings)


def reading(where: str, class_folders: ClassFolders = "wnid", inside: str = "") -> Reading:
    """Interpret the members of a zip file.

    Args:
        where: the file.
        class_folders: how class folders are named.
        inside: last part of the path of the folder in it that has the class folders.

    Raises:
        PictureError: the file is damaged or encrypted.
    """
    members = [
        m for m in members_of(Path(where)) if not inside or f"/{inside}/" in f"/{m.filename}"
    ]
    return read(_entries(where, members), class_folders)


def members_of(path: Path) -> list[zipfile.ZipInfo]:
    """All members of a zip file.

    Raises:
        PictureError: the file is damaged, encrypted, or compressed otherwise than with Deflate.
    """
    try:
        with zip_files.opened(path) as file:
            members = file.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        damaged = f"{path} is a damaged zip file ({error}); download it again."
        raise PictureError(mistaken(path) or damaged) from error
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise PictureError(
            f"{path} is encrypted; unpack it with its password, and give the folder with the "
            "pictures."
        )
    others = {member.compress_type for member in members}.difference(_READABLE)
    if others:
        method = min(others)
        raise PictureError(
            f"{path} is compressed with {_METHODS.get(method, f'method {method}')}, which cannot "
            f"be read in a zip file. Unpack it: 7z x {shlex.quote(str(path))} -oval; then give the "
            "folder with the pictures."
        )
    return members


def _entries(where: str, members: list[zipfile.ZipInfo]) -> Iterator[Entry]:
    for member in members:
        folder, name = folder_and_name(member.filename)
        mode = member.external_attr >> 16  # of Unix; 0 if another system has packed it
        if member.filename.endswith(("/", "\\")):
            if name:
                yield Entry(folder, name, "folder")
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            yield Entry(folder, name, "odd")
        else:
            yield Entry(folder, name, "file", part_of(where, member))


def part_of(where: str, member: zipfile.ZipInfo) -> ZipPart:
    """The place of a member."""
    return ZipPart(
        where,
        member.header_offset,
        member.compress_size,
        member.file_size,
        member.CRC,
        member.compress_type == zipfile.ZIP_DEFLATED,
    )
