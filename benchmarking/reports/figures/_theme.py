"""Colours and sizes of figures, as the configuration of Vega-Lite, light and dark.

The colours of categories follow M. Okabe and K. Ito (2008), Color Universal Design, some of them
darker for contrast: readers with any kind of colour blindness can tell them apart. Each category
also has a shape of its own, so that a figure can be read in grey.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Theme = Literal["light", "dark"]

THEMES: tuple[Theme, ...] = ("light", "dark")

_LIGHT = {
    "background": "#ffffff",
    "ink": "#1b1b1b",
    "soft": "#595959",
    "grid": "#e4e4e4",
    "band": "#dcebf5",
    "1": "#0072b2",
    "2": "#d55e00",
    "3": "#007a5a",
    "4": "#aa3f7c",
    "5": "#6b6b00",
    "6": "#4f4f4f",
}
_DARK = {
    "background": "#16191d",
    "ink": "#ececec",
    "soft": "#b0b0b0",
    "grid": "#33383e",
    "band": "#22384a",
    "1": "#56b4e9",
    "2": "#e69f00",
    "3": "#1fa884",
    "4": "#e591c1",
    "5": "#f0e442",
    "6": "#c4c4c4",
}
COLOURS: Mapping[Theme, Mapping[str, str]] = {"light": _LIGHT, "dark": _DARK}
"""The colours of each theme, by their use; the numbers are those of categories."""

FONT = "Helvetica, Arial, sans-serif"


def config(theme: Theme) -> dict[str, Any]:
    """Configuration of Vega-Lite for a theme."""
    colour = COLOURS[theme]
    ink, soft = colour["ink"], colour["soft"]
    labels = {"labelColor": ink, "titleColor": ink, "labelFontSize": 11, "titleFontSize": 12}
    names = {"labelLimit": 280, "titleFontWeight": "normal"}
    return {
        "background": colour["background"],
        "font": FONT,
        "padding": 12,
        "view": {"stroke": None},
        "title": {
            **{"anchor": "start", "frame": "group", "color": ink, "fontSize": 15, "offset": 14},
            **{"subtitleColor": soft, "subtitleFontSize": 11, "subtitlePadding": 6},
        },
        "axis": {**labels, **names, "gridColor": colour["grid"], "domainColor": soft}
        | {"tickColor": soft},
        "legend": {**labels, **names, "symbolSize": 80},
        "header": {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "labelLimit": 280},
        "mark": {"color": colour["1"]},
        "text": {"color": ink, "fontSize": 11},
        "range": {
            "category": [colour[name] for name in "123456"],
            "symbol": ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"],
        },
        "style": {
            "interval": {"color": soft, "strokeWidth": 1.5, "opacity": 1},
            "faint": {"color": soft, "strokeWidth": 1.5, "opacity": 0.5},
            "reference": {"color": soft, "strokeWidth": 1, "strokeDash": [4, 3]},
            "band": {"color": colour["band"], "fillOpacity": 1},
            "range": {"color": colour["1"], "strokeWidth": 8, "opacity": 0.45}
            | {"strokeCap": "round"},
            "small": {"size": 32, "opacity": 1, "filled": True},
            "rank": {"color": ink, "size": 22, "opacity": 1, "filled": True},
            "front": {"color": soft, "strokeWidth": 1.5},
            "point": {"size": 60, "opacity": 1, "filled": True},
            "note": {"color": ink, "fontSize": 10},
        },
    }
