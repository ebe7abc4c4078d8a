"""The layout of a picture set: which files are pictures, and of which class.

The picture sets, such as `folder` and `tar`, list the entries of a place. This module interprets
the entries, so that the same layout gives the same image set in every form.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarking.errors import PictureError
from benchmarking.io.printable import printable
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.entries import Entry, Groups, grouped
from benchmarking.pictures.findings import Finding, finding
from benchmarking.pictures.image_set import Picture, Place, in_order
from benchmarking.pictures.layout_refusals import refusals
from benchmarking.pictures.names import (
    NO_CLASS,
    ClassFolders,
    class_of_folder,
    info_from_name,
    info_from_usual_name,
    number_within,
    original_of,
)

EXPECTED = (
    "expected folders named by WordNet id (n01440764), or files named "
    "ILSVRC2012_val_00000001.JPEG to ILSVRC2012_val_00050000.JPEG"
)

ARCHIVES = (
    *(".tar", ".zip", ".7z", ".rar", ".tgz", ".tbz2", ".txz"),
    *(".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst"),
)
"""Suffixes of archives, in lower case."""

_SHOWN = 10  # largest number of kinds of files that a note names
_MANY = 3  # smallest number of files that a note groups by their suffix
_REPEATED = frozenset({"thumbs.db", "desktop.ini"})  # grouped by their whole names


@dataclass(frozen=True)
class Reading:
    """The interpretation of the entries of a place.

    Attributes:
        pictures: the pictures, in the row order of an image set; () if the place is refused.
        files: if the place is refused, all files that are probably pictures, with their paths
            within the place as keys; the label is NO_CLASS if the class is unknown.
        left_out: paths of files and folders that are not pictures of the set.
        refusals: the reasons why the place is refused, the clearest first; () if it is not.
        findings: other problems; the pictures can be used nevertheless.
    """

    pictures: tuple[Picture, ...]
    files: tuple[Picture, ...]
    left_out: tuple[str, ...]
    refusals: tuple[Finding, ...]
    findings: tuple[Finding, ...]


def read(entries: Iterable[Entry], naming: ClassFolders = "wnid") -> Reading:
    """Interpret the entries of a place.

    Either all pictures are in class folders with the same parent folder, or their file names
    contain their classes. The class of a folder is identified by its name, never by its position
    in a sorted list.

    Args:
        entries: all entries of the place. Folders that are not class folders need not be listed;
            see `Entry`.
        naming: how folders are named after their classes.
    """
    groups = grouped(entries, naming)
    refused = tuple(refusals(groups, naming))
    return Reading(
        () if refused else _pictures(groups),
        _files(groups) if refused else (),
        tuple(dict.fromkeys(groups.left_out)),
        refused,
        tuple(_findings(groups)),
    )


def usable(where: str, reading: Reading) -> tuple[Picture, ...]:
    """The pictures of a place.

    Raises:
        PictureError: the place is refused, or it has no pictures.
    """
    if reading.refusals:
        first, *more = reading.refusals
        also = " 'imagenet-benchmark doctor' lists the other problems." if more else ""
        raise PictureError(f"{where}: {_without_kind(first)}; {first.advice}.{also}")
    if not reading.pictures:
        present = [f"{_without_kind(one)}; {one.advice}" for one in reading.findings]
        present += [note(reading.left_out)] if reading.left_out else []
        present += _on_archives(reading.left_out)
        more_text = "".join(f" It has {one}." for one in present)
        raise PictureError(f"{where} holds no pictures; {EXPECTED}.{more_text}")
    return reading.pictures


def _on_archives(left_out: Sequence[str]) -> list[str]:
    """What to do with the archives among these paths; [] if there are none."""
    packed = [name.rpartition("/")[2] for name in left_out if name.lower().endswith(ARCHIVES)]
    if not packed:
        return []
    stem = packed[0].partition(".")[0]
    if class_of_folder(stem, "wnid") is None:
        return [
            "archives, which are not read there: unpack them, and give the folder of the pictures"
        ]
    return [
        "archives of classes, which are not read there: unpack each into a folder of its name, "
        f"such as {stem}, and give the folder above these"
    ]


def _without_kind(found: Finding) -> str:
    """The text of a finding without its kind."""
    return str(found).partition(": ")[2]


def note(left_out: Sequence[str]) -> str:
    """One line that names the files and folders that were left out, grouped by kind.

    >>> note(["LICENSE", "@eaDir/", "a/._x.JPEG", "a/._y.JPEG", "a/Thumbs.db", "b/Thumbs.db"])
    'files that are no pictures, left out: LICENSE, @eaDir/, ._* (2), Thumbs.db (2)'
    """
    suffixes = Counter(_suffix(path) for path in left_out)
    kinds = Counter(_kind(path, suffixes) for path in left_out)
    named = {_kind(path, suffixes): path for path in left_out}
    texts = [f"{kind} ({n:,})" if n > 1 else named[kind] for kind, n in kinds.items()]
    more = f" and {len(texts) - _SHOWN} more kinds" if len(texts) > _SHOWN else ""
    return printable(f"files that are no pictures, left out: {', '.join(texts[:_SHOWN])}{more}")


def repeats(pictures: Iterable[Picture]) -> list[Finding]:
    """Findings about pictures that occur more than once, according to their names."""
    by_number, by_name = defaultdict(list), defaultdict(list)
    copies = []
    for picture in pictures:
        folder, slash, name = picture.key.rpartition("/")
        if number := number_within(name):
            by_number[number].append(picture.key)
            continue
        by_name[picture.label, folder, name].append(picture.key)
        original = original_of(name)
        if original != name:
            copies.append((picture, (picture.label, folder, original), f"{folder}{slash}"))
    return [
        *finding(
            "repeated-number",
            "validation pictures that occur more than once, and count each time: {n}",
            [" = ".join(sorted(keys)) for keys in by_number.values() if len(keys) > 1],
            "keep one of each",
        ),
        *finding(
            "copied-file",
            "copies beside their originals, which count as pictures of their own: {n}",
            [
                f"{picture.key} of {prefix}{place[2]}"
                for picture, place, prefix in copies
                if place in by_name
            ],
            "remove the copies",
        ),
    ]


def misfiled(pictures: Iterable[Picture]) -> list[Finding]:
    """Findings about pictures whose file names contain another class than their own."""
    return finding(
        "wrong-folder",
        "pictures whose name belongs to a different class than their folder: {n}",
        [
            picture.key
            for picture in pictures
            if picture.label != NO_CLASS
            and _class_in(picture.key.rpartition("/")[2]) not in (NO_CLASS, *picture.right)
        ],
        "put each into the folder of its own class",
    )


def _class_in(name: str) -> int:
    return (info_from_usual_name(name) or info_from_name(name)).label


def _place(entry: Entry) -> Place:
    assert entry.place is not None  # noqa: S101 - for mypy: every file here has a place
    return entry.place


def _files(groups: Groups) -> tuple[Picture, ...]:
    return (
        *(Picture(e.path, label, _place(e)) for e, label, _ in groups.in_classes),
        *(Picture(e.path, info.label, _place(e)) for e, info in groups.by_name),
        *(Picture(e.path, NO_CLASS, _place(e)) for e in groups.no_class),
    )


def _pictures(groups: Groups) -> tuple[Picture, ...]:
    """The pictures of the image set.

    Pictures that would get the same key in a class keep their file names.
    """
    found = [(e, label, info.key) for e, label, info in groups.in_classes]
    found += [(e, info.label, info.key) for e, info in groups.by_name]
    taken = Counter((label, key) for _, label, key in found)
    return in_order(
        (
            Picture(key if taken[label, key] == 1 else entry.name, label, _place(entry))
            for entry, label, key in found
        ),
        wnids(),
    )


def _findings(groups: Groups) -> list[Finding]:
    filled = {entry.folder for entry, _, _ in groups.in_classes}
    return [
        *finding(
            "partial-download",
            "partial downloads, which do not count as pictures: {n}",
            groups.partial,
            "download or copy them again, and remove these files",
        ),
        *finding(
            "empty-folder",
            "class folders without a picture: {n}",
            [folder for folder in groups.class_folders if folder not in filled],
            "copy their pictures again, or remove them",
        ),
    ]


def _kind(path: str, suffixes: Counter[str]) -> str:
    """The kind of a path in a note: a folder, "._*", a suffix, or the file name."""
    name = path.rstrip("/").rpartition("/")[2]
    if path.endswith("/"):
        return f"{name}/"
    if name.startswith("._"):
        return "._*"
    suffix = _suffix(path)
    return f"*{suffix}" if suffix and suffixes[suffix] >= _MANY else name


def _suffix(path: str) -> str:
    """Suffix of a file, such as ".cls" or ":Zone.Identifier"; "" if it has none or is hidden."""
    name = path.rpartition("/")[2]
    if ":" in name:
        return f":{name.partition(':')[2]}"
    stem, dot, end = name.rpartition(".")
    return f"{dot}{end}" if stem and name.casefold() not in _REPEATED else ""
