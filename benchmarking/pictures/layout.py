"""The layout of labelled pictures: which of the things in a place are pictures, and of which class.

A reader of a form, such as a folder or a tar, lists what is there. This module decides what it
means, so that one layout is the same image set in every form.
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
from benchmarking.pictures.image_set import FilePart, Picture, in_order
from benchmarking.pictures.layout_refusals import refusals
from benchmarking.pictures.names import NO_CLASS, ClassFolders, number_within, original_of

EXPECTED = (
    "expected folders named by WordNet id (n01440764), or files named "
    "ILSVRC2012_val_00000001.JPEG to ILSVRC2012_val_00050000.JPEG"
)

_SHOWN = 10  # kinds of files that are no pictures, in a line
_MANY = 3  # files of a suffix, which are named together
_REPEATED = frozenset({"thumbs.db", "desktop.ini"})  # better known by their whole names


@dataclass(frozen=True)
class Reading:
    """What the things in a place mean.

    Attributes:
        pictures: in the order of an image set; () if the place cannot be used.
        files: all that are there to be pictures, if the place cannot be used, by their paths
            within it; with NO_CLASS where nothing tells their class.
        left_out: paths of files and folders that are no pictures of the set.
        refusals: why the place cannot be used, the plainest first; () if it can.
        findings: what is wrong with it all the same.
    """

    pictures: tuple[Picture, ...]
    files: tuple[Picture, ...]
    left_out: tuple[str, ...]
    refusals: tuple[Finding, ...]
    findings: tuple[Finding, ...]


def read(entries: Iterable[Entry], naming: ClassFolders = "wnid") -> Reading:
    """What the things in a place mean, in whichever form they came.

    Pictures are in folders of their classes, which lie in one folder, or their own names tell
    their classes. Folders stand for classes by their names, never by their place in a sorted list.

    Args:
        entries: all of the place; of folders that are no classes' it is enough what is in them.
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
        PictureError: there are none, or names do not tell their classes.
    """
    if reading.refusals:
        first, *more = reading.refusals
        also = " 'imagenet-benchmark doctor' lists the other problems." if more else ""
        raise PictureError(f"{where}: {_plainly(first)}; {first.advice}.{also}")
    if not reading.pictures:
        there = [f"{_plainly(one)}; {one.advice}" for one in reading.findings]
        there += [note(reading.left_out)] if reading.left_out else []
        besides = "".join(f" It has {one}." for one in there)
        raise PictureError(f"{where} holds no pictures; {EXPECTED}.{besides}")
    return reading.pictures


def _plainly(found: Finding) -> str:
    """A finding without the name of its kind."""
    return str(found).partition(": ")[2]


def note(left_out: Sequence[str]) -> str:
    """One line that names what was left out; many of one kind are named together.

    >>> note(["LICENSE", "@eaDir/", "a/._x.JPEG", "a/._y.JPEG", "a/Thumbs.db", "b/Thumbs.db"])
    'files that are no pictures, left out: LICENSE, @eaDir/, ._* (2), Thumbs.db (2)'
    """
    suffixes = Counter(_suffix(path) for path in left_out)
    kinds = Counter(_kind(path, suffixes) for path in left_out)
    named = {_kind(path, suffixes): path for path in left_out}
    told = [f"{kind} ({n:,})" if n > 1 else named[kind] for kind, n in kinds.items()]
    more = f" and {len(told) - _SHOWN} more kinds" if len(told) > _SHOWN else ""
    return printable(f"files that are no pictures, left out: {', '.join(told[:_SHOWN])}{more}")


def repeats(pictures: Iterable[Picture]) -> list[Finding]:
    """Findings about pictures that seem to be there more than once, by their names."""
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


def _place(entry: Entry) -> FilePart:
    assert entry.place is not None  # noqa: S101 - tells mypy; only files come this far
    return entry.place


def _files(groups: Groups) -> tuple[Picture, ...]:
    return (
        *(Picture(e.path, label, _place(e)) for e, label, _ in groups.in_classes),
        *(Picture(e.path, told.label, _place(e)) for e, told in groups.by_name),
        *(Picture(e.path, NO_CLASS, _place(e)) for e in groups.no_class),
    )


def _pictures(groups: Groups) -> tuple[Picture, ...]:
    """Pictures by their names within an image set; none has another's."""
    found = [(e, label, told.key) for e, label, told in groups.in_classes]
    found += [(e, told.label, told.key) for e, told in groups.by_name]
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
    """What paths that are named together have in common."""
    name = path.rstrip("/").rpartition("/")[2]
    if path.endswith("/"):
        return f"{name}/"
    if name.startswith("._"):
        return "._*"
    suffix = _suffix(path)
    return f"*{suffix}" if suffix and suffixes[suffix] >= _MANY else name


def _suffix(path: str) -> str:
    """Of a file, such as ".cls" or ":Zone.Identifier"; "" if it has none or is hidden."""
    name = path.rpartition("/")[2]
    if ":" in name:
        return f":{name.partition(':')[2]}"
    stem, dot, end = name.rpartition(".")
    return f"{dot}{end}" if stem and name.casefold() not in _REPEATED else ""
