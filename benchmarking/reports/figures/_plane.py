"""Points in a plane: their axes, and names beside as many of them as have room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

_LETTER, _LINE, _GAP = 5.6, 12.0, 6.0  # pixels of a name's letter and line, and beside a point

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""


@dataclass(frozen=True)
class Axis:
    """One axis of the plane.

    Attributes:
        field: name of the values in the records.
        title: its title.
        low: the lowest value that it shows.
        high: the highest one.
        pixels: its length.
        log: whether it is logarithmic.
    """

    field: str
    title: str
    low: float
    high: float
    pixels: int
    log: bool = False

    def at(self, value: float) -> float:
        """The place of a value, in pixels from the low end."""
        low, high, here = (log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.pixels * (here - low) / (high - low)

    def encoded(self, channel: Any) -> Any:
        """The axis as a channel of Altair, with these ends."""
        import altair as alt

        kind = "log" if self.log else "linear"
        scale = alt.Scale(type=kind, domain=[self.low, self.high], nice=False, zero=False)
        return channel(f"{self.field}:Q", title=self.title, scale=scale)


def axis(
    field: str, title: str, values: Iterable[float], pixels: int, *, log: bool = False
) -> Axis:
    """An axis that shows all values, with some room at both ends."""
    shown = list(values)
    low, high = min(shown), max(shown)
    if log:
        room = (high / low) ** 0.06 if high > low else 2.0
        return Axis(field, title, low / room, high * room, pixels, log)
    room = 0.06 * (high - low) if high > low else 1.0
    return Axis(field, title, low - room, high + room, pixels)


def names(records: Sequence[dict[str, Any]], x: Axis, y: Axis) -> list[Any]:
    """Layers with the names of the records, the first ones first, where there is room.

    A name hides neither a point nor another name.
    """
    import altair as alt

    corners = {"left": [], "right": []}  # type: dict[str, list[dict[str, Any]]]
    taken = [_point(record, x, y) for record in records]
    for record, point in zip(records, list(taken), strict=True):
        for align, above in (("right", True), ("left", False), ("right", False), ("left", True)):
            box = _name(record["model"], point, align, above)
            inside = box[0] >= 0 and box[2] <= x.pixels and box[1] >= 0 and box[3] <= y.pixels
            if inside and not any(_meet(box, other) for other in taken if other is not point):
                taken.append(box)
                corners[align].append({**record, "above": above})
                break
    layers = []
    for align, found in corners.items():
        for above in (True, False):
            some = [record for record in found if record["above"] is above]
            mark = alt.Chart(alt.InlineData(values=some)).mark_text(
                style="note",
                align=align,
                dx=_GAP if align == "left" else -_GAP,
                dy=-_GAP if above else _GAP,
            )
            if some:
                layers.append(mark.encode(x=x.encoded(alt.X), y=y.encoded(alt.Y), text="model:N"))
    return layers


def _point(record: dict[str, Any], x: Axis, y: Axis) -> Box:
    across, down = x.at(record[x.field]), y.pixels - y.at(record[y.field])
    return across - 4, down - 4, across + 4, down + 4


def _name(text: str, point: Box, align: str, above: bool) -> Box:
    across, down = (point[0] + point[2]) / 2, (point[1] + point[3]) / 2
    down += -_GAP if above else _GAP
    width = _LETTER * len(text)
    left = across + _GAP if align == "left" else across - _GAP - width
    return left, down - _LINE / 2, left + width, down + _LINE / 2


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
