"""Findings: what is wrong with a set of pictures, how often, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarking.io.printable import printable

SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One kind of problem, with all that have it.

    Attributes:
        kind: its name, such as "truncated".
        what: the problem in a sentence without a full stop.
        count: how many pictures, folders or numbers have it.
        names: theirs, in order; or what stands for many, such as ranges of numbers.
        advice: what to do.
    """

    kind: str
    what: str
    count: int
    names: tuple[str, ...]
    advice: str

    @property
    def examples(self) -> tuple[str, ...]:
        """The first of the names, to be shown."""
        return self.names[:SHOWN]

    def __str__(self) -> str:
        more = ", …" * (len(self.names) > SHOWN)
        named = f" ({', '.join(self.examples)}{more})" if self.examples else ""
        return printable(f"{self.kind}: {self.what}{named}")


def finding(kind: str, what: str, names: Iterable[str], advice: str) -> list[Finding]:
    """A finding about names, or none where there are no names; `{n}` in `what` is their number.

    >>> print(*finding("empty-file", "empty files: {n}", ["b", "a"], "copy them again"))
    empty-file: empty files: 2 (a, b)
    >>> finding("empty-file", "empty files: {n}", [], "copy them again")
    []
    """
    ordered = sorted(names)
    if not ordered:
        return []
    told = what.replace("{n}", f"{len(ordered):,}")
    return [Finding(kind, told, len(ordered), tuple(ordered), advice)]
