"""Rules for names of files and folders: is it a picture, of which class, with which file number?

The same rules apply to every form of a picture set, such as a folder or a tar.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import Literal, NamedTuple

from benchmarking.labels.imagenet import (
    class_of_wnid,
    validation_key,
    validation_labels,
    validation_number,
    wnids,
)
from benchmarking.labels.picture_suffixes import SUFFIXES_BY_FORMAT

ClassFolders = Literal["wnid", "index"]
"""How class folders are named: by WordNet id, or by class index, 0 to 999."""

FileKind = Literal["picture", "no-suffix", "partial", "other"]
"""Kind of a file according to its name.

A file without a suffix may be a picture. A partial file is an unfinished download or copy.
"""

NO_CLASS = -1
"""The label of a file whose class is unknown."""

FORMATS: Mapping[str, Collection[str]] = {
    suffix: ("JPEG", "MPO") if name == "JPEG" else (name,)
    for name, suffixes in SUFFIXES_BY_FORMAT.items()
    for suffix in suffixes
}
"""Pillow's names of the formats that a picture with each file name suffix may have."""

# Suffixes that browsers and other programs give to unfinished downloads.
_PARTIAL = (
    *(".part", ".partial", ".crdownload", ".download", ".opdownload", ".filepart", ".aria2"),
    *(".tmp", ".temp"),
)
# Files and folders of operating systems and programs; names that begin with a dot are not listed.
_OF_SYSTEMS = frozenset(
    {
        *("__macosx", "@eadir", "#recycle", "#snapshot", "@recycle", "@tmp", "lost+found"),
        *("@recently-snapshot", "@sharebin", "@synofinder-log"),
        *("$recycle.bin", "recycler", "recycled", "system volume information"),
        *(f"found.{number:03d}" for number in range(10)),
        *("__pycache__", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini"),
    }
)
# Text files without a suffix.
_NOTES = frozenset(
    {
        *("readme", "license", "licence", "copying", "copyright", "notice", "authors", "citation"),
        *(
            "changelog",
            "changes",
            "contributing",
            "install",
            "version",
            "todo",
            "manifest",
            "notes",
        ),
        *("makefile", "dockerfile", "checksums", "md5sums", "sha1sums", "sha256sums", "sha512sums"),
        *("md5sum", "sha1sum", "sha256sum", "sha512sum", "filelist", "labels", "synsets", "words"),
    }
)
_USUAL = re.compile(r"ILSVRC2012_val_([0-9]{8})\.JPEG")
_NUMBER = re.compile(r"ILSVRC2012_val_(\d{8})(?!\d)", re.IGNORECASE)
_TEST = re.compile(r"ILSVRC20\d\d_test_\d{8}", re.IGNORECASE)
_OF_CLASS = re.compile(r"(n\d{8})_", re.IGNORECASE | re.ASCII)
_WNID = re.compile(r"_(n\d{8})(?![0-9a-z])", re.IGNORECASE | re.ASCII)
_WNID_FOLDER = re.compile(r"(n\d{8})(?:[-_. ].*)?", re.IGNORECASE | re.ASCII)
_COPY = re.compile(
    r"^(?:copy|kopie|copie|copia)(?: \(\d+\))? (?:of|von|de|di) "
    r"| ?\(\d+\)$"
    r"|(?: - |[ _-])(?:copy|kopie|copie|copia)(?: ?\(?\d+\)?)?$"
    r"| \((?:another |\d+(?:st|nd|rd|th) )?copy(?: \d+)?\)$"
    r"| \d+$",
    re.IGNORECASE,
)


class NameInfo(NamedTuple):
    """What the file name of a picture says about it.

    Attributes:
        label: class of the picture; NO_CLASS if the name contains no class.
        number: file number of the validation picture; 0 if it is not one.
        key: name of the picture within an image set. Other names of validation pictures, as Hugging
            Face has them, or with .jpg or without a suffix, are replaced by the original ones, so
            that all give the same image set.
        contradicts: whether the name contains two different classes.
    """

    label: int
    number: int
    key: str
    contradicts: bool


def kind_of_file(name: str) -> FileKind:
    """Kind of a file according to its name.

    >>> [kind_of_file(name) for name in ("a.JPEG", "a", "a.JPEG.part", "a.txt", "._a.JPEG")]
    ['picture', 'no-suffix', 'partial', 'other', 'other']
    """
    if is_system_name(name):
        return "other"
    stem, dot, end = name.rpartition(".")
    if not dot:
        return "other" if name.strip().casefold() in _NOTES else "no-suffix"
    suffix = f".{end.strip().lower()}"
    if suffix in FORMATS:
        stream = ":" in name and _has_picture_suffix(name.partition(":")[0])
        return "other" if stream else "picture"
    return "partial" if suffix in _PARTIAL and stem else "other"


def is_system_name(name: str) -> bool:
    """Whether a file or folder is hidden, or belongs to the operating system.

    >>> [is_system_name(name) for name in (".DS_Store", "@eaDir", "lost+found", "n01440764")]
    [True, True, True, False]
    """
    return name.startswith(".") or name.casefold() in _OF_SYSTEMS


def is_partial_picture(name: str) -> bool:
    """Whether a file is an unfinished download or copy of a picture.

    >>> is_partial_picture("a.JPEG.part"), is_partial_picture("ILSVRC2012_img_val.tar.part")
    (True, False)
    """
    return kind_of_file(name) == "partial" and _has_picture_suffix(name.rpartition(".")[0])


def info_from_name(name: str) -> NameInfo:
    """What the file name of a picture says about it; its folder is ignored.

    >>> info_from_name("ILSVRC2012_val_00000293_n01440764.JPEG")
    NameInfo(label=0, number=293, key='ILSVRC2012_val_00000293.JPEG', contradicts=False)
    >>> info_from_name("ILSVRC2012_val_00000293 (1).JPEG").number
    293
    >>> info_from_name("n01440764_10026.JPEG").label
    0
    """
    number = validation_number(name) or validation_number(f"{name}.JPEG")
    if number:
        key = validation_key(number) if _is_original(name) else name
        return NameInfo(_labels()[number - 1], number, key, contradicts=False)
    number = number_within(name)
    if number:
        label = _labels()[number - 1]
        other = [wnid.lower() for wnid in _WNID.findall(name)]
        return NameInfo(
            label, number, name, contradicts=any(one != wnids()[label] for one in other)
        )
    start = _OF_CLASS.match(name)
    label = class_of_wnid().get(start[1].lower(), NO_CLASS) if start else NO_CLASS
    behind = _WNID.search(name, start.end() - 1) if start else None
    contradicts = bool(start and behind and behind[1].lower() != start[1].lower())
    return NameInfo(label, 0, name, contradicts and label != NO_CLASS)


def _is_original(name: str) -> bool:
    """Whether a validation picture with this name can be the original one, which is a JPEG."""
    suffix = f".{name.rpartition('.')[2].lower()}"
    return "." not in name or suffix in SUFFIXES_BY_FORMAT["JPEG"] or bool(_WNID.search(name))


def info_from_usual_name(name: str) -> NameInfo | None:
    """A faster `info_from_name` for original names of validation pictures; None for all others."""
    match = _USUAL.fullmatch(name)
    number = int(match[1]) if match else 0
    if 0 < number <= len(_labels()):
        return NameInfo(_labels()[number - 1], number, name, contradicts=False)
    return None


def number_within(name: str) -> int:
    """Number of the validation picture, or of its copy, that has this name; 0 if it is neither.

    >>> number_within("Copy of ILSVRC2012_val_00000037.JPEG"), number_within("tench.jpg")
    (37, 0)
    """
    match = _NUMBER.search(name)
    number = int(match[1]) if match else 0
    return number if number <= len(_labels()) else 0


def is_test_picture(name: str) -> bool:
    """Whether this is a picture of the test set, whose labels are not published."""
    return _TEST.match(name) is not None


def original_of(name: str) -> str:
    """Name of the file of which a file is a copy; the same name if it is not a copy.

    >>> original_of("a (1).JPEG"), original_of("a copy.JPEG"), original_of("Copy of a.JPEG")
    ('a.JPEG', 'a.JPEG', 'a.JPEG')
    """
    if " " not in name and "cop" not in name.lower() and "(" not in name:
        return name
    stem, dot, suffix = name.rpartition(".")
    found = _COPY.sub("", stem if dot else name)
    return f"{found}{dot}{suffix}" if dot else found


def class_of_folder(name: str, naming: ClassFolders) -> int | None:
    """The class that a folder is named after; None if the name is not that of a class.

    >>> [class_of_folder(name, "wnid") for name in ("n01440764", "N01440764-tench", "0", "tench")]
    [0, 0, None, None]
    >>> class_of_folder("000", "index"), class_of_folder("1000", "index")
    (0, None)
    """
    if naming == "index":
        index = int(name) if is_index(name) else -1
        return index if 0 <= index < len(wnids()) else None
    match = _WNID_FOLDER.fullmatch(name)
    if match is None or original_of(name) != name:
        return None
    return class_of_wnid().get(match[1].lower())


def is_index(name: str) -> bool:
    """Whether a folder's name is a number that could be the index of a class, from 0 or from 1."""
    return name.isascii() and name.isdecimal() and len(name) <= 4 and int(name) <= len(wnids())


def may_be_class_folder(name: str) -> bool:
    """Whether a folder could be a class folder, named by WordNet id or by index."""
    return class_of_folder(name, "wnid") is not None or is_index(name)


def _has_picture_suffix(name: str) -> bool:
    _, dot, end = name.rpartition(".")
    return bool(dot) and f".{end.lower()}" in FORMATS


@cache
def _labels() -> tuple[int, ...]:
    return tuple(validation_labels().tolist())
