"""Find the rows of an image set by names of pictures, in the forms that label files use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.labels.imagenet import class_of_wnid, validation_number
from benchmarking.labels.picture_suffixes import PICTURE_SUFFIXES


class PictureNames:
    """The names of an image set's pictures, with a search that ignores differences in form.

    A name matches the picture whose path has the most parts in common with it, counted from the
    file name upwards. Backslashes count as slashes. A picture's suffix may differ or be missing. A
    validation picture is identified by its number, in any folder.
    """

    def __init__(self, keys: Sequence[str], original: NDArray[np.integer] | None = None) -> None:
        """Take the names of the pictures, one per row, and the class of each row if known."""
        self._keys = keys
        self._original = original
        self._rows = {key: row for row, key in enumerate(keys)}

    def find(self, name: str) -> int | None:
        """The row of the picture with this name; None if there is no such picture.

        Raises:
            BenchmarkError: several pictures have this name.
        """
        row = self._rows.get(name)
        return self._of_parts(_parts(name)) if row is None else row

    def has(self, key: str) -> bool:
        """Whether a picture of the set has exactly this name."""
        return key in self._rows

    def is_outside(self, name: str) -> bool:
        """Whether this is a name of a validation picture, and the set has only such pictures."""
        return bool(self._numbers) and _number(_parts(name)[-1]) is not None

    @cached_property
    def _numbers(self) -> dict[int, int]:
        """Rows by file number; empty unless all pictures of the set are validation pictures."""
        numbers = [_number(key.rstrip("/").rpartition("/")[2]) for key in self._keys]
        rows = {number: row for row, number in enumerate(numbers) if number is not None}
        return rows if len(rows) == len(self._keys) else {}

    @cached_property
    def _tails(self) -> dict[tuple[str, ...], list[int]]:
        """Rows by the last parts of their paths, for every number of parts.

        File names are included both with and without their suffix.
        """
        found: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for row, key in enumerate(self._keys):
            parts = _parts(key)
            for exact in {parts, (*parts[:-1], _stem(parts[-1]))}:
                for start in range(len(exact)):
                    found[exact[start:]].append(row)
        return found

    def _of_parts(self, parts: tuple[str, ...]) -> int | None:
        number = _number(parts[-1])
        if number is not None and number in self._numbers:
            return self._numbers[number]
        without_suffix = (*parts[:-1], _stem(parts[-1]))
        for start in range(len(parts)):
            for tail in (parts[start:], without_suffix[start:]):
                if rows := self._tails.get(tail):
                    return self._only(rows, parts)
        return None

    def _only(self, rows: Sequence[int], parts: tuple[str, ...]) -> int | None:
        """The one row that a name means; None if all rows are in folders of other classes."""
        folder = class_of_wnid().get(parts[-2].lower()) if len(parts) > 1 else None
        if folder is not None:
            rows = [row for row in rows if self._class_of(row) in (None, folder)]
        if len(rows) > 1:
            shown = ", ".join(repr(self._keys[row]) for row in rows[:4])
            more = ", …" if len(rows) > 4 else ""
            raise BenchmarkError(
                f"{'/'.join(parts)!r} is the name of {len(rows)} pictures ({shown}{more}); write "
                "the folder before it"
            )
        return next(iter(rows), None)

    def _class_of(self, row: int) -> int | None:
        """Class of a row: that of its folder, or else its known class; None if unknown."""
        parts = _parts(self._keys[row])
        folder = class_of_wnid().get(parts[-2].lower()) if len(parts) > 1 else None
        if folder is None and self._original is not None:
            return int(self._original[row])
        return folder


def rows_named(names: Sequence[str], known: PictureNames) -> tuple[dict[str, int], int]:
    """The row of each name, and the number of validation pictures that the set does not have.

    Raises:
        ValueError: a name does not match any picture, or no name matches.
        BenchmarkError: a name matches several pictures.
    """
    found, outside, unknown = {}, 0, []
    for name in names:
        row = known.find(name)
        if row is not None:
            found[name] = row
        elif known.is_outside(name):
            outside += 1
        else:
            unknown.append(name)
    if unknown or not found:
        example = f", such as {unknown[0]!r}" if unknown else ""
        raise ValueError(
            f"{len(unknown) or len(names)} of {len(names)} names match no picture of the set"
            f"{example}"
        )
    return found, outside


def looks_like_a_picture(name: str) -> bool:
    """Whether a name has the suffix of a picture, or is the name of a validation picture."""
    last = _parts(name)[-1]
    return _stem(last) != last or _number(last) is not None


def number_of(name: str) -> int | None:
    """Number of the validation picture that a name or path means; None if it means none."""
    return _number(_parts(name)[-1])


def _parts(name: str) -> tuple[str, ...]:
    parts = [part for part in name.strip().replace("\\", "/").split("/") if part not in ("", ".")]
    return tuple(parts) or ("",)


def _stem(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and f"{dot}{suffix}".lower() in PICTURE_SUFFIXES else name


def _number(name: str) -> int | None:
    """Number of a validation picture, with any suffix or none; None if it is not one."""
    return validation_number(f"{_stem(name)}.JPEG")
