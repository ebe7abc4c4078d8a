"""Verdicts on many faults: each is printed and tallied, and all failures are listed at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from torture import tally

_TOLD = 1500
"""Largest number of characters of a problem that are shown."""


@dataclass
class Verdicts:
    """The results of several faults.

    Attributes:
        n: number of faults.
        problems: problems of the faults that did harm.
    """

    n: int = 0
    problems: list[str] = field(default_factory=list)

    @contextmanager
    def on(self, fault: str, note: str) -> Iterator[None]:
        """Count a fault; the block asserts that it did no harm; `note` is for the tally."""
        self.n += 1
        problem = ""
        try:
            yield
        except AssertionError as error:
            problem = f"{fault} ({note}): {str(error)[:_TOLD]}"
            self.problems.append(problem)
        print(problem or f"{fault} ({note}): no harm")
        kind = fault.partition(",")[0]
        tally.record(kind, tried=1, survived=int(not problem), lost=int(bool(problem)), note=note)

    def check(self) -> None:
        """Report all problems.

        Raises:
            AssertionError: there are problems.
        """
        harm = "\n\n".join(self.problems)
        assert not self.problems, f"{len(self.problems)} of {self.n} did harm:\n{harm}"


def differences(found: dict[str, object], expected: dict[str, object]) -> str:
    """Files that are missing, unexpected or different, by name; empty if there are none."""
    kinds = {
        "missing": expected.keys() - found.keys(),
        "left over": found.keys() - expected.keys(),
        "other": {path for path in found.keys() & expected if found[path] != expected[path]},
    }
    return "; ".join(
        f"{kind}: {', '.join(sorted(paths))}" for kind, paths in kinds.items() if paths
    )
