"""Error messages for places that no picture set can open: what they are, and what to do."""

from __future__ import annotations

import os
import shlex
import stat
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarking.io.files import open_regular
from benchmarking.io.printable import printable
from benchmarking.pictures.names import (
    FORMATS,
    NO_CLASS,
    class_of_folder,
    info_from_name,
    is_system_name,
    kind_of_file,
)

# The first bytes of files. Sources: RFC 1952, the manuals of bzip2, xz and Zstandard, APPNOTE.TXT
# of zip, and the specifications of the other formats.
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}
_ARCHIVES = {b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"7z\xbc\xaf": "7z", b"Rar!": "rar"}
_TABLES = {
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3\0": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "an array of NumPy",
}
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_GIT_LFS = b"version https://git-lfs"
_TEXTS = {".csv", ".txt", ".json", ".tsv", ".npy", ".npz", ".safetensors", ".pt", ".mat", ".xml"}
_UNPACKED = ("gzip", "bzip2", "xz")
"""Compression programs whose files Python can decompress."""
_BEGINNING = 2**20  # decompressed bytes of an archive that are read
_MEMBERS = 20  # members of an archive that are listed
_SHOWN = 5


def refusal(where: str, known: str) -> str:
    """Explain why a place cannot be opened, and what to do.

    Args:
        where: the place that the user gave.
        known: description of the picture sets.
    """
    path = Path(where)
    expected = f"Expected a folder or a tar of pictures, or a picture set ({known})."
    if not where or not os.path.lexists(path):
        return f"{where!r} does not exist{_nearest(path, where)} {expected}"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink():
            target = path.readlink()
            return f"{where!r} is a link to {str(target)!r}, which cannot be found. {expected}"
        return f"{where!r} cannot be opened: {error.strerror}. {expected}"
    if not stat.S_ISREG(mode):
        return f"{where!r} is neither a folder nor a regular file. {expected}"
    try:
        with open_regular(path) as file:
            start = file.read(512)
    except OSError as error:
        return f"{where!r} cannot be read: {error.strerror}. {expected}"
    return compressed(path) or _file(path, start) or f"{where!r} is a file. {expected}"


def compressed(path: Path) -> str:
    """Explain what to do with a compressed tar or another archive; "" if the file is not one."""
    try:
        with open_regular(path) as file:  # a pipe would be waited for
            start = file.read(8)
    except OSError:
        return ""
    for first, name in _ARCHIVES.items():
        if start.startswith(first):
            return _archive(path, name)
    for first, name in _COMPRESSED.items():
        if start.startswith(first):
            return _compressed_tar(path, name)
    return ""


def mistaken(path: Path) -> str:
    """Explain what a file is, although its name ends like that of a tar or zip; "" if unknown."""
    try:
        with open_regular(path) as file:
            start = file.read(512)
    except OSError:
        return ""
    if not start:
        return f"{path} is empty; download it again."
    if path.suffix.lower() == ".zip" and start[257:262] == b"ustar":
        return f"{path} is a tar whose name ends in .zip; give tar:{path}, or rename it."
    is_zip = path.suffix.lower() == ".zip" and start.startswith(b"PK")
    return "" if is_zip else compressed(path) or _no_archive(path, start)


def _no_archive(path: Path, start: bytes) -> str:
    """Explain a file that a server sent in place of an archive; "" if it is another file."""
    if start.lstrip()[:1] == b"<":
        return f"{path} is a web page or XML, such as a page that asks for a login, not pictures."
    if start.startswith(_GIT_LFS):
        return f"{path} is a pointer that Git LFS left in place of the file; run 'git lfs pull'."
    return ""


def _compressed_tar(path: Path, program: str) -> str:
    names = _names_in_tar(path, program)
    if not names and program in _UNPACKED:
        return (
            f"{path} is compressed with {program}, and cannot be read as an uncompressed tar; "
            "its contents cannot be listed. Check that it is a complete tar of pictures."
        )
    return (
        f"{path} is compressed with {program}, and cannot be read as an uncompressed tar"
        f"{_example(names)}. Unpack it: mkdir val && tar -xf {shlex.quote(str(path))} -C val; then "
        f"give {_unpacked(names)}."
    )


def _archive(path: Path, name: str) -> str:
    if name == "zip":
        return f"{path} is a zip file whose name does not end in .zip; give zip:{path}."
    quoted = shlex.quote(str(path))
    command = f"7z x {quoted} -oval" if name == "7z" else f"unrar x {quoted} val/"
    return (
        f"{path} is a {name} file. Pictures in it are not read. Unpack it: {command}; then give "
        "the folder with the pictures."
    )


def _names_in_tar(path: Path, program: str) -> list[str]:
    """The first members of a compressed tar that are files; [] if it is not a tar.

    Only its beginning is decompressed, so a file with false headers does no harm.
    """
    names: list[str] = []
    if program not in _UNPACKED:
        return names
    with suppress(Exception):  # each module raises other errors for a damaged file
        import bz2
        import gzip
        import lzma

        opened: Any = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}[program]
        with opened(path) as file:
            start = BytesIO(file.read(_BEGINNING))
        with tarfile.open(fileobj=start, mode="r:") as tar:
            for member in islice(tar, _MEMBERS):
                names += [member.name] if member.isreg() else []
    return names


def _example(names: Sequence[str]) -> str:
    """Name an example of the files in an archive."""
    pictures = [name for name in names if _is_picture(name)]
    if not names:
        return ""
    if not pictures:
        return f"; its first file is {printable(names[0])!r}, which is not a picture"
    return f"; it contains, for example, {printable(pictures[0])!r}"


def _unpacked(names: Sequence[str]) -> str:
    """The folder to give to predict after an archive is unpacked into val."""
    folders = [PurePosixPath(name).parent for name in names if _is_picture(name)]
    if not folders:
        return "the folder with the pictures"
    roots = {f.parent if class_of_folder(f.name, "wnid") is not None else f for f in folders}
    several = len(roots) > 1 or any(part in ("..", "/") for one in roots for part in one.parts)
    return "the folder with the pictures" if several else f"{PurePosixPath('val', *roots)}"


def _is_picture(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return (
        bool(parts)
        and kind_of_file(parts[-1]) == "picture"
        and not any(is_system_name(part) for part in parts)
    )


def _file(path: Path, start: bytes) -> str:
    """Explain what a file is that is neither a tar nor an archive; "" if that is unknown."""
    if start[257:262] == b"ustar":
        return f"{path} is a tar whose name does not end in .tar; give tar:{path}, or rename it."
    if start.startswith(_PICTURES) or path.suffix.lower() in FORMATS:
        return f"{path} is one picture. {_home(path)}"
    for first, what in _TABLES.items():
        if start.startswith(first):
            return (
                f"{path} is {what}, which is not read as pictures. Write its pictures as files "
                "into folders named by WordNet id, and give the folder above these."
            )
    if explained := _no_archive(path, start):
        return explained
    if path.suffix.lower() in _TEXTS:
        return (
            f"{path} is a {path.suffix} file, not pictures. Give the folder or tar of the pictures "
            "here; labels go to 'table --labels', and stored predictions to 'import'."
        )
    return ""


def _home(path: Path) -> str:
    """Advice for a single picture: the folder to give instead, or the folder that it needs."""
    parent = path.resolve().parent
    if class_of_folder(parent.name, "wnid") is not None:
        return (
            f"Give the parent of its class folder: {parent.parent}; for a few pictures add --limit."
        )
    if info_from_name(path.name).label != NO_CLASS:
        return f"Give the folder that it is in: {parent}; for a few pictures add --limit."
    return (
        "A picture needs a folder named by the WordNet id of its class, such as "
        f"val/n01440764/{printable(path.name)}; then give val."
    )


def _nearest(path: Path, where: str) -> str:
    """Name the part of a path that exists, and a similar name that the user may mean."""
    parent = path.parent
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    missing = path.relative_to(parent).parts[:1] if path != parent else ()
    inside = _names_in(parent)
    close = get_close_matches(missing[0], inside, n=1) if missing else []
    if close:
        return f". Did you mean {str(parent / close[0])!r}?"
    if parent == path.parent:
        shown = ", ".join(map(printable, inside[:_SHOWN])) + ", …" * (len(inside) > _SHOWN)
        return f"; {str(parent)!r} holds {shown or 'nothing'}." if str(parent) != "." else "."
    return f"; {str(parent)!r} exists, but it does not contain {missing[0]!r}."


def _names_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in islice(entries, 1000) if not is_system_name(e.name))
    except OSError:
        return []
