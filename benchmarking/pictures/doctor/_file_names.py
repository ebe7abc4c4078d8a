"""What is wrong with labelled files, by their names and sizes alone."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from benchmarking.labels.imagenet import (
    class_of_wnid,
    validation_key,
    validation_labels,
    validation_number,
)
from benchmarking.pictures.doctor._findings import Finding, finding
from benchmarking.pictures.image_set import FilePart, Picture, Place

# The label of a file whose place tells no class.
NO_CLASS = -1
# Pillow's formats by file suffix; a file without any suffix can be in each.
FORMATS: Mapping[str, Collection[str]] = {
    **dict.fromkeys([".jpeg", ".jpg", ".jpe", ".jfif"], ("JPEG", "MPO")),
    **dict.fromkeys([".tif", ".tiff"], ("TIFF",)),
    **dict.fromkeys([".ppm", ".pgm", ".pnm"], ("PPM",)),
    **{f".{name.lower()}": (name,) for name in ("PNG", "BMP", "GIF", "WEBP", "AVIF")},
}
_PREFIX = re.compile(r"(n\d{8})_")


def wrong(files: Sequence[Picture]) -> list[Finding]:
    """What is wrong with files, whichever way they are laid out."""
    numbered = [(file, number) for file in files if (number := _number(file))]
    suffixes = {file.key: PurePosixPath(file.key).suffix.lower() for file in files}
    empty, unreadable = _without_bytes(files)
    return [
        *finding(
            "wrong-folder",
            "pictures whose name belongs to a different class than their folder: {n}",
            [file.key for file in files if _belongs(file) not in (file.label, NO_CLASS)],
            "put each into the folder of its own class",
        ),
        *_repeated(numbered),
        *_missing([number for _, number in numbered]),
        *finding(
            "stray-file",
            "files without the name of a picture, which predict would read as pictures: {n}",
            [key for key, suffix in suffixes.items() if suffix and suffix not in FORMATS],
            "move them elsewhere",
        ),
        *finding(
            "odd-name",
            "names that are not in UTF-8, so that there is no fingerprint: {n}",
            [file.key for file in files if not _is_text(file.key)],
            "rename them",
        ),
        *finding("empty-file", "files without a byte: {n}", empty, "copy them again"),
        *finding(
            "unreadable-file", "files that cannot be read: {n}", unreadable, "copy them again"
        ),
    ]


def _number(file: Picture) -> int | None:
    return validation_number(PurePosixPath(file.key).name)


def _belongs(file: Picture) -> int:
    """The class that a file's own name tells, of a file in a folder that tells one too."""
    if file.label == NO_CLASS:
        return NO_CLASS
    if number := _number(file):
        return int(validation_labels()[number - 1])
    start = _PREFIX.match(PurePosixPath(file.key).name)
    return class_of_wnid().get(start[1], NO_CLASS) if start else NO_CLASS


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # from bytes in another encoding, which Python keeps as surrogates
        return False
    return True


def _without_bytes(files: Iterable[Picture]) -> tuple[list[str], list[str]]:
    """Files of no bytes, and files that are not there, such as links that lead nowhere."""
    empty, unreadable = [], []
    for file in files:
        try:
            size = _size(file.place)
        except OSError:
            unreadable.append(file.key)
            continue
        empty += [] if size else [file.key]
    return empty, unreadable


def _size(place: Place) -> int:
    """In bytes, as far as it can be told without reading; OSError if the file is not there."""
    if not isinstance(place, FilePart):
        return 1  # a row of another store is read by predict, which tells
    return place.path.stat().st_size if place.size is None else place.size


def _repeated(numbered: Iterable[tuple[Picture, int]]) -> list[Finding]:
    by_number = defaultdict(list)
    for file, number in numbered:
        by_number[number].append(file.key)
    return finding(
        "repeated-number",
        "validation pictures that occur more than once: {n}",
        [" = ".join(sorted(keys)) for keys in by_number.values() if len(keys) > 1],
        "keep one of each",
    )


def _missing(numbers: Collection[int]) -> list[Finding]:
    """Validation pictures that lack in what is meant to be whole: all of them, or some classes.

    A set with more than half of all pictures is meant to be whole. So are the classes of a smaller
    one, where more than half of them are; any other part of the set was meant as a part.
    """
    labels = validation_labels()
    there = set(numbers)
    whole = Counter(labels.tolist())
    held = Counter(int(labels[number - 1]) for number in there)
    expected = set(range(1, len(labels) + 1))
    if len(there) <= len(labels) / 2:
        if 2 * sum(held[label] == whole[label] for label in held) <= len(held):
            return []
        expected = {number for number in expected if labels[number - 1] in held}
    lacking = sorted(expected - there)
    if not lacking:
        return []
    short = len({labels[number - 1] for number in lacking})
    return [
        Finding(
            "missing-pictures",
            f"missing validation pictures: {len(lacking):,}, of {short:,} classes; the first is "
            f"{validation_key(lacking[0])}, and their numbers are",
            len(lacking),
            tuple(_ranges(lacking)),
            "copy or unpack them again: without them, accuracies are those of a different set",
        )
    ]


def _ranges(numbers: Sequence[int]) -> list[str]:
    """Runs of consecutive numbers, in words.

    >>> _ranges([1, 2, 3, 7])
    ['1-3', '7']
    """
    held = set(numbers)
    starts = [number for number in numbers if number - 1 not in held]
    ends = [number for number in numbers if number + 1 not in held]
    return [f"{a}-{b}" if a < b else str(a) for a, b in zip(starts, ends, strict=True)]
