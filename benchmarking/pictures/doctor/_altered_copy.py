"""Signs that a set of pictures is an altered copy: resized or encoded again.

Each threshold lies between the values measured on 500 original pictures, one for each of 500
classes, and on altered copies of them. `docs/is-my-copy-intact.md` has the figures.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from benchmarking.pictures.decode import PictureFacts
from benchmarking.pictures.findings import Finding, finding

_RESIZED = "accuracies on resized pictures cannot be compared with others; get the originals"
_ENCODED = "accuracies on pictures encoded again cannot be compared with others; get the originals"


@dataclass(frozen=True)
class _Sign:
    """A value that too many pictures share.

    Attributes:
        kind: name of the finding.
        share: the smallest share of the pictures that is a finding.
        least: the smallest set to test; in a smaller one, chance alone could reach the share.
        what: the text of the finding; `{n}`, `{of}` and `{value}` are filled in.
        advice: what to do.
    """

    kind: str
    share: float
    least: int
    what: str
    advice: str

    def look(self, values: Mapping[str, Hashable]) -> list[Finding]:
        """The finding about the values of the pictures; [] if too few share one.

        Args:
            values: value of each picture by name; None for a picture without one.
        """
        counts = Counter(value for value in values.values() if value is not None)
        if len(values) < self.least or not counts:
            return []
        value, n = counts.most_common(1)[0]
        if n < self.share * len(values):
            return []
        what = self.what.replace("{of}", f"{len(values):,}").replace("{value}", str(value))
        return finding(self.kind, what, (k for k, v in values.items() if v == value), self.advice)


_ONE_SIZE = _Sign(
    kind="one-size",
    share=0.8,
    least=20,
    what="{n} of {of} pictures have the same size, {value}; 21 % of originals do",
    advice=_RESIZED,
)
_ONE_SHORTER_SIDE = _Sign(
    kind="one-shorter-side",
    share=0.8,
    least=20,
    what="{n} of {of} pictures have the same shorter side, {value} pixels; 27 % of originals do",
    advice=_RESIZED,
)
_ONE_LONGER_SIDE = _Sign(
    kind="one-longer-side",
    share=0.95,
    least=50,
    what="{n} of {of} pictures have the same longer side, {value} pixels; 70 % of originals do",
    advice=_RESIZED,
)
_ONE_TABLE = _Sign(
    kind="one-quantisation-table",
    share=0.95,
    least=50,
    what="{n} of {of} JPEGs have the same quantisation table; 67 % of originals do",
    advice=_ENCODED,
)
_PROGRESSIVE = _Sign(
    kind="progressive",
    share=0.5,
    least=20,
    what="{n} of {of} JPEGs are progressive; none of 500 originals is",
    advice=_ENCODED,
)
_ONE_TOOL = _Sign(
    kind="one-tool",
    share=0.25,
    least=20,
    what="{n} of {of} pictures were written by {value}; no tool wrote more than 3 % of originals",
    advice=_ENCODED,
)
# Chance that two random pictures have the same size; for originals it is 6 %.
_FEW_SIZES, _LEAST_FOR_FEW_SIZES = 0.25, 50


def signs(pictures: Mapping[str, PictureFacts]) -> list[Finding]:
    """Findings about a whole set, from the facts of each picture by name.

    Of the signs in sizes only the first is reported, because the others follow from it: pictures
    of the same size have the same shorter side too.
    """
    jpegs = {name: facts for name, facts in pictures.items() if facts.table}
    sizes = {name: facts.size for name, facts in pictures.items()}
    in_sizes = (
        _ONE_SIZE.look({name: "{}x{}".format(*size) for name, size in sizes.items()})
        or _ONE_SHORTER_SIDE.look({name: min(size) for name, size in sizes.items()})
        or _ONE_LONGER_SIDE.look({name: max(size) for name, size in sizes.items()})
        or _few_sizes(sizes)
    )
    return [
        *in_sizes,
        *_ONE_TABLE.look({name: facts.table for name, facts in jpegs.items()}),
        *_PROGRESSIVE.look({name: facts.progressive or None for name, facts in jpegs.items()}),
        *(
            _ONE_TOOL.look({name: tool(facts.software) for name, facts in pictures.items()})
            or _ONE_TOOL.look({name: tool(facts.comment) for name, facts in pictures.items()})
        ),
    ]


def same_size(sizes: Mapping[str, tuple[int, int]]) -> float:
    """Chance that two different pictures, chosen at random, have the same size.

    Unlike the number of different sizes, it does not depend on the number of pictures.

    >>> round(same_size({"a": (500, 375), "b": (500, 375), "c": (375, 500)}), 2)
    0.33
    """
    n = len(sizes)
    return sum(c * (c - 1) for c in Counter(sizes.values()).values()) / max(n * (n - 1), 1)


def tool(mark: str) -> str | None:
    """The program that a comment or EXIF names, without its version; None if there is none.

    >>> tool("CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 95")
    'CREATOR: gd-jpeg v'
    """
    start = re.match(r"\D{1,60}", mark)
    return (start[0] if start else mark[:60]).strip() or None


def _few_sizes(sizes: Mapping[str, tuple[int, int]]) -> list[Finding]:
    chance = same_size(sizes)
    if len(sizes) < _LEAST_FOR_FEW_SIZES or chance < _FEW_SIZES:
        return []
    common = [f"{w}x{h}" for (w, h), _ in Counter(sizes.values()).most_common(4)]
    what = f"two random pictures have the same size in {chance:.0%} of cases; two originals, in 6 %"
    return [Finding("few-sizes", what, len(set(sizes.values())), tuple(common), _RESIZED)]
