"""The design of a random sample: from which pictures it was drawn, and how likely each was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.io.names import check_name

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

MOST_STRATA = len(_DIGITS)
"""Largest number of strata of a design."""


@dataclass(frozen=True)
class Design:
    """How a sample of an image set's pictures was drawn: at random within each stratum.

    A picture's chance to be drawn is the number of drawn pictures of its stratum divided by the
    number of all pictures of its stratum.

    Attributes:
        whole: name of the image set that the sample is from.
        seed: seed of the draw.
        source: what the strata are made from, in words; designs are equal whatever it says.
        sizes: number of all pictures of each stratum.
        strata: stratum of each picture of the sample, in the order of its rows, from 0.

    Raises:
        BenchmarkError: a stratum has no drawn picture, or more than it has pictures.
    """

    whole: str
    seed: int
    source: str = field(compare=False)
    sizes: tuple[int, ...]
    strata: tuple[int, ...]

    def __post_init__(self) -> None:
        check_name(self.whole)
        if not 0 < len(self.sizes) <= MOST_STRATA:
            raise BenchmarkError(f"a sample has 1 to {MOST_STRATA} strata, not {len(self.sizes)}.")
        if set(self.strata) != set(range(len(self.sizes))):
            raise BenchmarkError("each stratum of a sample needs a picture, and no other has one.")
        for stratum, (n, size) in enumerate(zip(self.drawn, self.sizes, strict=True)):
            if n > size:
                raise BenchmarkError(f"stratum {stratum} has {n} drawn pictures of {size}.")

    @property
    def drawn(self) -> tuple[int, ...]:
        """Number of drawn pictures of each stratum."""
        return tuple(np.bincount(self.strata, minlength=len(self.sizes)).tolist())

    @property
    def n(self) -> int:
        """Number of drawn pictures."""
        return len(self.strata)

    @property
    def of(self) -> int:
        """Number of all pictures."""
        return sum(self.sizes)

    @property
    def inclusion(self) -> NDArray[np.float64]:
        """The chance of each row's picture to be drawn, (n,), in (0, 1]."""
        chances: NDArray[np.float64] = np.divide(self.drawn, self.sizes)
        return chances[list(self.strata)]

    @property
    def in_words(self) -> str:
        """The numbers of drawn pictures and of all."""
        return f"estimated from {self.n:,} of {self.of:,} pictures"

    def as_document(self) -> dict[str, Any]:
        """A JSON document; `strata` has a digit for each row, in base 36."""
        return {
            "whole": self.whole,
            "seed": self.seed,
            "source": self.source,
            "sizes": list(self.sizes),
            "strata": "".join(_DIGITS[stratum] for stratum in self.strata),
        }


def design_from(document: Mapping[str, Any]) -> Design:
    """Convert a JSON document to a Design; the inverse of `Design.as_document`.

    Raises:
        ValueError: the document is not a valid design.
    """
    import msgspec

    text = document.get("strata") if isinstance(document, dict) else None
    if not isinstance(text, str) or not set(text) <= set(_DIGITS):
        raise ValueError(f"the design of a sample is {document!r:.60}, without strata")
    unknown = document.keys() - {each.name for each in fields(Design)}
    if unknown:
        raise ValueError(f"the design of a sample has no {min(unknown)!r}")
    strata = tuple(_DIGITS.index(digit) for digit in text)
    try:
        return msgspec.convert({**document, "strata": strata}, Design, strict=True)
    except BenchmarkError as error:
        raise ValueError(str(error)) from error
