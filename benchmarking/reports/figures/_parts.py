"""Parts that several figures have: encodings of platforms, sizes, and names beside points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PLATFORM = "platform:N"
ROW = 17
"""Height of a row with a name, in pixels."""

ON_BRIGHT, ON_DARK = "#010101", "#fefefe"
"""Colours of text in cells, which have a colour of their own in every theme."""


def by_platform() -> dict[str, Any]:
    """Colour and shape of a point by its platform, with one legend for both."""
    import altair as alt

    legend = alt.Legend(title=None, orient="top", direction="horizontal")
    return {
        "color": alt.Color(PLATFORM, legend=legend),
        "shape": alt.Shape(PLATFORM, legend=legend),
    }


def sorted_names(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names in the order of the records."""
    return [record["model"] for record in records]


def heights(names: Sequence[str]) -> int:
    """Height of a figure with a row per name."""
    return max(3, len(names)) * ROW
