"""Findings: problems of a set of pictures, with their number, place and advice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarking.io.printable import printable

SHOWN = 5
"""Largest number of examples that are shown."""


@dataclass(frozen=True)
class Finding:
    """One kind of problem, with everything that it affects.

    Attributes:
        kind: name of the kind, such as "truncated".
        what: the problem in a sentence without a full stop.
        count: number of pictures, folders or numbers that are affected.
        names: their names, sorted, or a shorter form such as ranges of numbers.
        advice: what to do.
    """

    kind: str
    what: str
    count: int
    names: tuple[str, ...]
    advice: str

    @property
    def examples(self) -> tuple[str, ...]:
        """The first names, up to SHOWN."""
        return self.names[:SHOWN]

    def __str__(self) -> str:
        more = ", …" * (len(self.names) > SHOWN)
        named = f" ({', '.join(self.examples)}{more})" if self.examples else ""
        return printable(f"{self.kind}: {self.what}{named}")


def finding(kind: str, what: str, names: Iterable[str], advice: str) -> list[Finding]:
    """A finding about names; [] if there are no names. `{n}` in `what` becomes their number.

    >>> print(*finding("empty-file", "empty files: {n}", ["b", "a"], "copy them again"))
    empty-file: empty files: 2 (a, b)
    >>> finding("empty-file", "empty files: {n}", [], "copy them again")
    []
    """
    ordered = sorted(names)
    if not ordered:
        return []
    text = what.replace("{n}", f"{len(ordered):,}")
    return [Finding(kind, text, len(ordered), tuple(ordered), advice)]
