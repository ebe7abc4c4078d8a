"""Findings about labelled files from their names and sizes only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from benchmarking.labels.imagenet import validation_key, validation_labels
from benchmarking.pictures.findings import Finding, finding
from benchmarking.pictures.image_set import FilePart, Picture, Place
from benchmarking.pictures.layout import misfiled, repeats
from benchmarking.pictures.names import number_within


def wrong(files: Sequence[Picture]) -> list[Finding]:
    """Findings about files in any layout."""
    numbers = [number for file in files if (number := number_within(_name(file)))]
    empty, unreadable = _without_bytes(files)
    return [
        *misfiled(files),
        *repeats(files),
        *_missing(numbers),
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


def _name(file: Picture) -> str:
    return file.key.rpartition("/")[2]


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # Python keeps bytes that are not UTF-8 as surrogates
        return False
    return True


def _without_bytes(files: Iterable[Picture]) -> tuple[list[str], list[str]]:
    """Names of empty files, and of files that do not exist, such as broken links."""
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
    """Size in bytes; 1 if it is unknown without reading, and OSError if the file is missing."""
    size = getattr(place, "size", None)
    if isinstance(place, FilePart) and size is None:
        return place.path.stat().st_size
    return 1 if size is None else int(size)  # a row of another store; predict reports its errors


def _missing(numbers: Collection[int]) -> list[Finding]:
    """Missing validation pictures of a set, or of its classes, that should be complete.

    A set with more than half of all pictures should be complete. In a smaller set, all classes
    should be complete if more than half of them are. Any other subset is assumed to be intended.
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
    """Ranges of consecutive numbers, as text.

    >>> _ranges([1, 2, 3, 7])
    ['1-3', '7']
    """
    held = set(numbers)
    starts = [number for number in numbers if number - 1 not in held]
    ends = [number for number in numbers if number + 1 not in held]
    return [f"{a}-{b}" if a < b else str(a) for a, b in zip(starts, ends, strict=True)]
