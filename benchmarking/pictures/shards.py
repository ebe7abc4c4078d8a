"""Shards: consecutive parts of an image set, which are predicted apart and merged afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import ceil
from typing import Any

from benchmarking.errors import BenchmarkError, PictureError
from benchmarking.io.names import check_name

SIZE = 256
"""Shards have a multiple of so many pictures, if there are enough.

The usual batch sizes divide it, so that the batches of shards are those of the undivided set.
"""

_TEXT = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
_NAME = re.compile(r"(?P<whole>.+)-shard-(?P<number>[1-9][0-9]*)-of-(?P<of>[1-9][0-9]*)")


@dataclass(frozen=True)
class ShardNumber:
    """Which of several shards of an image set is meant, such as the second of eight.

    Attributes:
        number: number of the shard, from 1.
        of: number of shards.
        batch_size: pictures per forward pass; None for the default of a framework.

    Raises:
        BenchmarkError: there is no such shard, or the batch size is below one.
    """

    number: int
    of: int
    batch_size: int | None = None

    def __post_init__(self) -> None:
        if not all(type(value) is int for value in (self.number, self.of)):
            raise BenchmarkError(
                f"{self.number!r}/{self.of!r} is no shard; expected two whole numbers, such as 2/8."
            )
        if not 1 <= self.number <= self.of:
            raise BenchmarkError(
                f"there is no shard {self.number}/{self.of}; expected I/N with I from 1 to N, such "
                "as 2/8 for the second of eight. If your numbers begin at 0, add 1."
            )
        batch = self.batch_size
        if batch is not None and (type(batch) is not int or batch < 1):
            raise BenchmarkError(f"batch size is {batch!r}; expected a whole number from 1 up.")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def name(self, whole: str) -> str:
        """Name of the shard of an image set."""
        return f"{whole}-shard-{self.number}-of-{self.of}"

    def rows(self, n: int) -> range:
        """Its rows in a set of n pictures.

        Shards are consecutive and as equal as their unit permits, and every picture is in exactly
        one. All but the last have a multiple of the unit: 256 pictures, or half of it and so on
        where a shard would be empty otherwise; always a multiple of the batch size, if it is given.

        Raises:
            PictureError: there are too few pictures for so many shards.

        >>> [ShardNumber(number, 3).rows(1000) for number in (1, 2, 3)]
        [range(0, 256), range(256, 512), range(512, 1000)]
        """
        unit = self._unit(n)
        first, end = (
            units_before * ceil(n / unit) // self.of * unit
            for units_before in (self.number - 1, self.number)
        )
        return range(first, min(end, n))

    def _unit(self, n: int) -> int:
        """The largest number of pictures of which shards can be multiples, so that none is empty.

        Raises:
            PictureError: there is none.
        """
        batch = self.batch_size or 1
        usual = [SIZE >> halved for halved in range(SIZE.bit_length())]
        units = [unit for unit in usual if unit % batch == 0] or [batch]
        fitting = [unit for unit in units if ceil(n / unit) >= self.of]
        if not fitting:
            batches = "" if batch == 1 else f" of whole batches of {batch}"
            raise PictureError(
                f"{n:,} pictures cannot be divided into {self.of:,} shards{batches}; the most is "
                f"{ceil(n / units[-1]):,}."
            )
        return fitting[0]


GivenShard = ShardNumber | str | tuple[int, int]
"""A shard as a user gives it: "2/8" or (2, 8) for the second of eight."""


def shard_number(given: GivenShard, batch_size: int | None = None) -> ShardNumber:
    """Which shard a user means.

    Args:
        given: text such as "2/8", or its two numbers.
        batch_size: pictures per forward pass; None for the default of a framework.

    Raises:
        BenchmarkError: it is not of this form, or there is no such shard.

    >>> shard_number("2/8") == shard_number((2, 8))
    True
    """
    if isinstance(given, ShardNumber):
        return given if given.batch_size else replace(given, batch_size=batch_size)
    pair: Any = given
    if isinstance(given, str):
        found = _TEXT.fullmatch(given.strip())
        pair = tuple(map(int, found.groups())) if found else ()
    if not isinstance(pair, Sequence) or len(pair) != 2:
        raise BenchmarkError(
            f"{given!r:.60} is no shard; expected I/N, such as 2/8 for the second of eight."
        )
    return ShardNumber(pair[0], pair[1], batch_size)


@dataclass(frozen=True)
class Shard:
    """Which part of which image set the pictures of a shard are.

    Attributes:
        whole: name of the image set of all pictures.
        n: number of all pictures.
        number: number of the shard, from 1.
        of: number of shards.
        first: row of its first picture among all.
        list_sha256: sha256 of the list of all pictures with their classes, which is the images.csv
            of the whole set.

    Raises:
        BenchmarkError: a number is out of its range, or the name is not valid.
    """

    whole: str
    n: int
    number: int
    of: int
    first: int
    list_sha256: str

    def __post_init__(self) -> None:
        check_name(self.whole)
        if not (1 <= self.number <= self.of and 0 <= self.first < self.n):
            raise BenchmarkError(
                f"shard {self.number} of {self.of} begins at row {self.first} of {self.n} "
                "pictures, which is not possible."
            )

    def __str__(self) -> str:
        return f"shard {self.number} of {self.of}"

    def as_document(self) -> dict[str, Any]:
        """A JSON document."""
        return asdict(self)


def shard_from(document: Mapping[str, Any]) -> Shard:
    """Convert a JSON document to a Shard; the inverse of `Shard.as_document`.

    Raises:
        ValueError: the document is not a valid shard.
    """
    import msgspec

    if not isinstance(document, dict):
        raise ValueError(f"the shard is {document!r:.60}, no names and values")
    unknown = document.keys() - {each.name for each in fields(Shard)}
    if unknown:
        raise ValueError(f"a shard has no {min(unknown)!r}")
    try:
        return msgspec.convert(document, Shard, strict=True)
    except BenchmarkError as error:
        raise ValueError(str(error)) from error


def whole_of(images: str) -> str:
    """Name of the image set that a shard is of, according to the shard's name; else "".

    >>> whole_of("val-shard-2-of-8"), whole_of("val")
    ('val', '')
    """
    found = _NAME.fullmatch(images)
    return found["whole"] if found else ""
