"""Agreement of labels with known labels, and detection of other class numberings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.labels.imagenet import validation_number
from benchmarking.labels.label_set import NO_CLASS

LEAST = 0.05
"""Smallest share of equal labels at which two lists can agree."""
MOST = 0.5
"""Share of equal labels from which they agree, even if there are few different classes."""
DEVIATIONS = 3
"""Standard deviations above chance that are required below that share."""
RENUMBERED = 0.99
"""Share of equal labels, after renumbering, from which a numbering is accepted."""
EACH = 5
"""Smallest mean number of pictures per class from which a numbering can be found."""
OWN = "the set's own"
"""Default name of the known labels in messages."""
FEW = 4
"""Smallest number of pictures from which a count from 1 can be recognised."""
SEVERAL = 0.9
"""Share of pictures with several right classes that is told; in ReaL labels, it is 0.16."""
BYTE = 256
"""Number of classes that 8 bits can tell apart."""


@dataclass(frozen=True)
class Agreement:
    """Number of entries of a list that contain the known class of their picture.

    Attributes:
        hits: number of entries that contain it.
        n: number of entries that have a class.
        expected: expected hits if the same classes were in random order.
        spread: standard deviation of the hits in random order.
    """

    hits: int
    n: int
    expected: float
    spread: float

    @property
    def share(self) -> float:
        """Share of hits, in [0, 1]."""
        return self.hits / self.n if self.n else 0.0

    @property
    def is_chance(self) -> bool:
        """Whether the hits can be explained by a random order."""
        few = self.hits <= self.expected + DEVIATIONS * self.spread
        return self.share < MOST and few

    @property
    def fits(self) -> bool:
        """Whether the entries probably belong to these pictures."""
        return self.share >= LEAST and not self.is_chance

    def __str__(self) -> str:
        return f"{100 * self.share:.1f} % of {self.n}"


@dataclass(frozen=True, eq=False)
class Numbering:
    """A numbering of classes that differs from ImageNet's.

    Attributes:
        name: description of the numbering.
        classes: the class of each number; NO_CLASS for numbers without a class.
    """

    name: str
    classes: NDArray[np.int64]

    def of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Convert numbers to classes."""
        inside = (numbers >= 0) & (numbers < len(self.classes))
        return np.where(inside, self.classes[np.where(inside, numbers, 0)], NO_CLASS)


def numbers_of(keys: Sequence[str]) -> NDArray[np.intp] | None:
    """Number of each validation picture; None if any name is not that of a validation picture."""
    numbers = [validation_number(key.rpartition("/")[2]) for key in keys]
    return None if None in numbers else np.array(numbers, dtype=np.intp)


def agreement(classes: NDArray[np.integer], known: NDArray[np.integer]) -> Agreement:
    """Compare the entries of a list with the known class of each.

    Args:
        classes: (n, w) classes of each entry, padded with NO_CLASS.
        known: (n,) known class of the picture to which each entry is assumed to belong.
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
    *,
    other: Numbering | None = None,
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Convert the classes of a file to ImageNet's, with notes for the user.

    If the classes of validation pictures agree with the known classes only after renumbering, they
    are renumbered. If they agree only by chance, a warning is returned.

    Args:
        classes: (n, w) classes of some pictures, padded with NO_CLASS.
        keys: names of these pictures.
        known: (n,) known class of each.
        what: name of the file.
        known_as: name of the known classes, for the notes.
        other: their numbering, if it is known from other pictures of the same file; by default it
            is looked for in these pictures.

    Returns:
        (n, w) classes, and notes that start with "note: " or "warning: ".

    Raises:
        BenchmarkError: the classes were cut to 8 bits.
    """
    refuse_cut(classes, known, known_as)
    plain = agreement(classes, known)
    if plain.fits or (plain.n < 2 and other is None):
        return classes, ()
    other = other or numbering(classes, known)
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
    """A warning if labels agree with known labels only by chance; else empty.

    Args:
        found: their agreement.
        what: name of the labels.
        known_as: name of the known labels.
        cause: the cause, if it is known.
    """
    if found.fits or found.n < 2:
        return ()
    return (
        f"warning: {what}: labels agree with {known_as} in {found} pictures, about as by "
        f"chance: {cause or 'probably another order'}",
    )


def doubts(
    classes: NDArray[np.integer], known: NDArray[np.integer], what: str, known_as: str = OWN
) -> tuple[str, ...]:
    """What a user should know of labels that are used although they may be wrong; else empty.

    Labels of the same pictures usually agree in most of them. Several classes for nearly every
    picture are rather the most probable classes of a model, or columns of other numbers.

    Args:
        classes: (n, w) classes of each picture, padded with NO_CLASS.
        known: (n,) known class of each.
        what: name of the labels.
        known_as: name of the known classes.
    """
    found, notes = agreement(classes, known), []
    if found.n >= FEW and found.fits and found.share < MOST:
        notes.append(f"warning: {what}: labels agree with {known_as} in only {found} pictures")
    several = int(np.count_nonzero((classes != NO_CLASS).sum(axis=1) > 1))
    if len(classes) > 1 and several >= SEVERAL * len(classes):
        notes.append(
            f"note: {what}: {several:,} of {len(classes):,} pictures have several right classes, "
            f"up to {classes.shape[1]}, any of which counts; predictions are no labels"
        )
    return tuple(notes)


def refuse_cut(
    classes: NDArray[np.integer], known: NDArray[np.integer], known_as: str = OWN
) -> None:
    """Refuse classes that were stored in 8 bits, so that 256 became 0.

    Args:
        classes: (n, w) classes of some pictures, padded with NO_CLASS.
        known: (n,) known class of each.
        known_as: name of the known classes.

    Raises:
        BenchmarkError: no class is above 255, and higher ones are replaced by their remainders.
    """
    above = known >= BYTE
    if not above.any() or classes.max(initial=0) >= BYTE:
        return
    found = agreement(classes[above], known[above] % BYTE)
    if found.hits >= FEW and found.fits:
        raise BenchmarkError(
            f"its classes were cut to 8 bits: where {known_as} are {BYTE} or above, it has their "
            f"remainders modulo {BYTE}, in {found} pictures. Save it again from its source, as "
            "16-bit numbers or wider"
        )


def numbering(classes: NDArray[np.int64], known: NDArray[np.integer]) -> Numbering | None:
    """Find out whether a list uses another numbering of the same classes.

    Classes counted from 1 are recognised. Any other one-to-one numbering, such as that of the
    ILSVRC development kit, is found if there are several pictures of each class.

    Args:
        classes: (n, w) numbers, padded with NO_CLASS.
        known: (n,) known class of the picture to which each entry belongs.
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
    rising = np.argsort(counts, kind="stable")  # a dict keeps the last of equal keys
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
    return Numbering(name if whole else "classes in an unknown order", meant)
