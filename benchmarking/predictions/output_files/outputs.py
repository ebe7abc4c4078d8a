"""A model's outputs as a file has them, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLASSES = 1000
"""Number of ImageNet's classes."""
MOST_GUESSES = 10
"""Largest number of columns of an array of classes; an array with more has a value per class."""
MOST_BYTES = 2**32
"""Largest file, in bytes, also when it is unpacked; 50,000 x 1000 float64 need a tenth of it."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """The outputs of a model, with one entry per picture, as a file has them.

    Attributes:
        scores: (m, 1000) logits or probabilities; None if the file has classes.
        classes: (m, k) most probable classes, best first; None if the file has scores.
        probabilities: (m, k) probability of each of these classes; None if unknown.
        names: (m,) names of the pictures; None if the file has none.
        labels: (m,) true classes; None if the file has none.
        notes: what was found out, a line each, which starts with "note: ".
    """

    scores: NDArray[Any] | None = None
    classes: NDArray[np.int64] | None = None
    probabilities: NDArray[np.float64] | None = None
    names: tuple[str, ...] | None = None
    labels: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        found = self.classes if self.scores is None else self.scores
        return 0 if found is None else len(found)


@dataclass(frozen=True)
class Wanted:
    """What a reader has to know.

    Attributes:
        most: largest number of entries that the file can have.
        array: name of the array to read, of a file with several; None if there is only one choice.
        kind: "logits", "probabilities" or "classes", as the user says; None to find out.
    """

    most: int
    array: str | None = None
    kind: str | None = None
