"""The figures of the page, as SVG within it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarking.errors import BenchmarkError, MissingDependency
from benchmarking.reports.figures import Subject, draw, figures
from benchmarking.reports.figures._theme import COLOURS

MOST = 60
"""Largest number of runs in a figure of the page; of more, the best ones are shown."""

_RUNS = {"calibration": 6, "classes": 2}  # figures that show some of the best runs
_FIRST = ("ranks", "published", "parameters", "macs", "difficulty", "agreement")
_SVG = "{http://www.w3.org/2000/svg}"
_NOISE = re.compile(r"class|role|aria-.*|pointer-events|version|width|height")


@dataclass(frozen=True)
class Shown:
    """A figure of the page.

    Attributes:
        title: its title.
        description: title and notes, for screen readers.
        svg: the figure as markup.
    """

    title: str
    description: str
    svg: Any


def shown_figures(subjects: Sequence[Subject], number: int) -> tuple[list[Shown], list[str]]:
    """Every figure that can show one of the subjects, and why others cannot.

    Figures that compare image sets are with the first subject.

    Args:
        subjects: all subjects of the page.
        number: place of the subject.
    """
    from markupsafe import Markup

    found, wrong = [], []
    known = figures()
    for name in dict.fromkeys([*(name for name in _FIRST if name in known), *known]):
        figure = known[name]
        chosen = [_best(subjects[number], _RUNS.get(name, MOST))]
        if name == "sets":
            if number > 0 or len(subjects) != 2:
                continue
            chosen = list(subjects)
        try:
            drawing = draw(figure, chosen)
            svg = inlined(drawing.svg(), f"set{number}-{name}-")
        except MissingDependency:
            raise
        except BenchmarkError as error:
            wrong.append(f"{name}: {error}")
            continue
        found.append(Shown(drawing.title, drawing.description, Markup(svg)))  # noqa: S704
    return found, wrong


def selection(subject: Subject) -> str:
    """Which runs the figures show; empty if they can show all."""
    n = len(subject.rows)
    return f"Figures show the best {MOST} of {n:,} runs, or fewer." if n > MOST else ""


def inlined(svg: str, prefix: str) -> str:
    """An SVG as a part of a page: its ids get a prefix, and it takes the width that there is.

    What only screen readers use is left out, because the page describes each figure as a whole.

    Args:
        svg: what vl-convert has drawn.
        prefix: the start of the ids, so that those of two figures differ.
    """
    from xml.etree import ElementTree

    ElementTree.register_namespace("", _SVG.strip("{}"))
    root = ElementTree.fromstring(svg)  # noqa: S314 - we have drawn it, and it has no entities
    # vl-convert counts ids on, so those of a figure depend on the figures before.
    ids = {one.attrib["id"]: f"{prefix}{n}" for n, one in enumerate(root.iterfind(".//*[@id]"))}
    width = root.attrib["width"]
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            is_size = name in ("width", "height") and element is not root
            if _NOISE.fullmatch(name) and not is_size:
                del element.attrib[name]
            elif name == "id":
                element.set(name, ids[value])
            elif value.startswith("url(#"):
                element.set(name, f"url(#{ids[value[5:-1]]})")
    root.set("style", f"max-width: {width}px")
    root.set("aria-hidden", "true")
    return ElementTree.tostring(root, encoding="unicode")


def dark_rules() -> str:
    """Rules that give figures the colours of the dark theme where the reader prefers it."""
    light, dark = COLOURS["light"], COLOURS["dark"]
    rules = "\n".join(
        f'  figure svg [{what}="{light[name]}"] {{ {what}: {dark[name]}; }}'
        for name in light
        for what in ("fill", "stroke")
    )
    return f"@media screen and (prefers-color-scheme: dark) {{\n{rules}\n}}\n"


def _best(subject: Subject, most: int) -> Subject:
    """The first runs of a subject."""
    return replace(subject, table=replace(subject.table, rows=subject.table.rows[:most]))
