"""Files of a split that are numbered as in NAME-00000-of-00014, all of which have to be there."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path

from benchmarking.errors import PictureError

SPLITS = ("validation", "val", "test")
"""Names of splits, the preferred one first, if a folder has several."""

SHOWN = 3
"""Largest number of missing files that a message names."""


def of_one_split(folder: Path, files: Sequence[Path], part: re.Pattern[str]) -> list[Path]:
    """The files of the split to use.

    Args:
        folder: the folder that the user gave.
        files: files in it.
        part: pattern of names with the groups split, number and count; if no name fits it, all
            files are meant.

    Raises:
        PictureError: some are missing, or there are several splits to choose from.
    """
    found = {file: part.fullmatch(file.name) for file in files}
    splits = {one["split"] for one in found.values() if one}
    if not splits:
        return list(files)
    known = [name for name in SPLITS if name in splits]
    if not known and len(splits) > 1:
        raise PictureError(
            f"{folder} has the splits {', '.join(sorted(splits))}; give one of the files, or a "
            "folder with one split."
        )
    split = known[0] if known else splits.pop()
    chosen = {file: one for file, one in found.items() if one and one["split"] == split}
    _refuse_missing(folder, list(chosen.values()))
    return list(chosen)


def _refuse_missing(folder: Path, found: Sequence[re.Match[str]]) -> None:
    """Refuse a folder that lacks files, or has files of several counts."""
    counts = {int(one["count"]) for one in found}
    count, first = max(counts), found[0]
    if len(counts) > 1:
        raise PictureError(
            f"{folder} has files of {' and of '.join(map(str, sorted(counts)))} in all; keep those "
            "of one download."
        )
    numbers = {int(one["number"]) for one in found}
    name, start, end = first.string, first.start("number"), first.end("number")
    n, missing = missing_numbers(numbers, count)
    if n:
        names = (f"{name[:start]}{one:0{end - start}d}{name[end:]}" for one in missing)
        more = ", …" * (n > len(missing))
        raise PictureError(
            f"{folder} lacks {n} of {count} files: {', '.join(names)}{more}; download them, or "
            "give one file to use it alone."
        )


def missing_numbers(found: Collection[int], count: int) -> tuple[int, list[int]]:
    """How many of the numbers from 0 to count - 1 are missing, and the first of them.

    Args:
        found: distinct numbers that are there.
        count: how many there should be; it is from the name of a file, and may be any.
    """
    n = count - sum(0 <= one < count for one in found)
    return n, list(islice((one for one in range(count) if one not in found), min(n, SHOWN)))
