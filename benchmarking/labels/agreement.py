"""How far classes agree with known ones, and what their numbers stand for if they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from benchmarking.labels.imagenet import validation_number
from benchmarking.labels.label_set import NO_CLASS

LEAST = 0.05
"""Share of entries from which classes can be told to agree with known ones."""
MOST = 0.5
"""Share from which they do so, however few different classes there are."""
DEVIATIONS = 3
"""Standard deviations above what chance gives, for anything less."""
RENUMBERED = 0.99
"""Share from which other numbers are taken for the same classes."""
EACH = 5
"""Pictures of each class, at least, that tell which number stands for it."""
OWN = "the set's own"
"""What labels are compared with, unless something else is said."""
FEW = 4
"""Pictures, from which classes can be told to be counted from 1."""


@dataclass(frozen=True)
class Agreement:
    """How many entries of a list contain the class that is known of their pictures.

    Attributes:
        hits: that many do.
        n: of so many that have any class.
        expected: hits that the same classes in a random order would give.
        spread: standard deviation of that number.
    """

    hits: int
    n: int
    expected: float
    spread: float

    @property
    def share(self) -> float:
        """Of the entries, in [0, 1]."""
        return self.hits / self.n if self.n else 0.0

    @property
    def is_chance(self) -> bool:
        """Whether a random order would agree about as well."""
        few = self.hits <= self.expected + DEVIATIONS * self.spread
        return self.share < MOST and few

    @property
    def fits(self) -> bool:
        """Whether the entries are of these pictures, as far as that can be told."""
        return self.share >= LEAST and not self.is_chance

    def __str__(self) -> str:
        return f"{100 * self.share:.1f} % of {self.n}"


@dataclass(frozen=True, eq=False)
class Numbering:
    """Which classes the numbers of a list stand for, if they are not ImageNet's own.

    Attributes:
        name: in words.
        classes: class of each number; NO_CLASS for one that stands for none.
    """

    name: str
    classes: NDArray[np.int64]

    def of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Classes that some numbers stand for."""
        inside = (numbers >= 0) & (numbers < len(self.classes))
        return np.where(inside, self.classes[np.where(inside, numbers, 0)], NO_CLASS)


def numbers_of(keys: Sequence[str]) -> NDArray[np.intp] | None:
    """Number of each validation picture; None if one of the names is of none."""
    numbers = [validation_number(PurePosixPath(key).name) for key in keys]
    return None if None in numbers else np.array(numbers, dtype=np.intp)


def agreement(classes: NDArray[np.integer], known: NDArray[np.integer]) -> Agreement:
    """Compare the entries of a list with the known class of each.

    Args:
        classes: (n, w) classes of each entry, filled up with NO_CLASS.
        known: (n,) class of the picture that each is taken to belong to.
    """
    filled = (classes != NO_CLASS).any(axis=1)
    classes, known = classes[filled], known[filled]
    n = len(classes)
    if not n:
        return Agreement(0, 0, 0.0, 0.0)
    hits = int((classes == known[:, None]).any(axis=1).sum())
    size = int(max(classes.max(), known.max())) + 1
    said = np.bincount(classes[classes >= 0].astype(np.int64), minlength=size) / n
    chance = min(1.0, float(said @ np.bincount(known.astype(np.int64), minlength=size) / n))
    return Agreement(hits, n, n * chance, sqrt(n * chance * (1 - chance)))


def understood(
    classes: NDArray[np.int64],
    keys: Sequence[str],
    known: NDArray[np.integer],
    what: str,
    known_as: str = OWN,
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """ImageNet's classes for those of a file, and what to tell of them.

    The classes of validation pictures are mapped where they agree with the known ones in another
    numbering alone. Of any that agree no more than by chance, a warning says so.

    Args:
        classes: (n, w) classes of some pictures, filled up with NO_CLASS.
        keys: names of these pictures.
        known: (n,) known class of each.
        what: name of the file.
        known_as: what the known classes are.

    Returns:
        (n, w) classes, and notes that start with "note: " or "warning: ".
    """
    plain = agreement(classes, known)
    if plain.fits or plain.n < 2:
        return classes, ()
    other = numbering(classes, known)
    if other and numbers_of(keys) is not None:
        mapped = other.of(classes)
        found = agreement(mapped, known)
        return mapped, (
            f"note: {what} has {other.name}: mapped to ImageNet's, 0 to 999, they agree with "
            f"{known_as} in {found} pictures",
        )
    cause = f"they look like {other.name}" if other else ""
    return classes, chance_warning(plain, what, known_as, cause)


def chance_warning(
    found: Agreement, what: str, known_as: str = OWN, cause: str = ""
) -> tuple[str, ...]:
    """The warning about labels that agree with a set's own by chance alone; empty if they do not.

    Args:
        found: how far they agree.
        what: name of the labels.
        known_as: what they are compared with.
        cause: what is known of it.
    """
    if found.fits or found.n < 2:
        return ()
    return (
        f"warning: {what}: labels agree with {known_as} in {found} pictures, about as by "
        f"chance: {cause or 'probably another order'}",
    )


def numbering(classes: NDArray[np.int64], known: NDArray[np.integer]) -> Numbering | None:
    """Another numbering of the same classes, if that is what a list has.

    Classes counted from 1 become those from 0. Any other one-to-one numbering, such as that of the
    ILSVRC development kit, is found where there are several pictures of each class.

    Args:
        classes: (n, w) numbers, filled up with NO_CLASS.
        known: (n,) class of the picture that each belongs to.
    """
    if len(classes) and (classes[:, 0] > 0).sum() >= FEW:
        less = np.arange(-1, int(classes.max()), dtype=np.int64)
        counted = Numbering("classes counted from 1", less)
        if agreement(counted.of(classes), known).share >= RENUMBERED:
            return counted
    return _one_to_one(classes, known)


def _one_to_one(classes: NDArray[np.int64], known: NDArray[np.integer]) -> Numbering | None:
    single = (classes >= 0).sum(axis=1) == 1
    numbers = classes[single].max(axis=1, initial=NO_CLASS).astype(np.int64)
    seen, places = np.unique(numbers, return_inverse=True)
    if len(seen) < 2 or len(numbers) < EACH * len(seen):
        return None
    width = int(known.max()) + 1
    pairs, counts = np.unique(places * width + known[single], return_counts=True)
    rising = np.argsort(counts, kind="stable")  # of equal keys, the last one stays in a dict
    most = dict(zip((pairs // width)[rising].tolist(), rising.tolist(), strict=True))
    chosen = np.array([most[place] for place in range(len(seen))])
    best = pairs[chosen] % width
    agreed = counts[chosen].sum() / int((classes >= 0).any(axis=1).sum())
    if agreed < RENUMBERED or len(np.unique(best)) < len(seen):
        return None
    meant = np.full(int(seen.max()) + 1, NO_CLASS, dtype=np.int64)
    meant[seen] = best
    whole = (int(seen[0]), int(seen[-1]), len(seen)) == (1, 1000, 1000)
    name = "the class numbers of the ILSVRC development kit, 1 to 1000"
    return Numbering(name if whole else "classes in an order of their own", meant)
