"""A figure that is drawn: as SVG, PDF, PNG, offline HTML or a specification, light or dark."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarking.errors import BenchmarkError, requires
from benchmarking.io import files
from benchmarking.io.printable import printable
from benchmarking.reports.figures._page import page
from benchmarking.reports.figures._theme import Theme, config

SUFFIXES = (".svg", ".pdf", ".png", ".html", ".json")
"""Suffixes of files that a figure can be written to; .json is its specification."""

_BACKSLASH = "\N{SET MINUS}"  # looks like one
_WIDTH = 95  # characters of a line below the title
_SCALE = 2  # pixels of a PNG per unit of the figure


@dataclass(frozen=True, repr=False)
class Drawing:
    """A figure of stored runs; a notebook shows it.

    Attributes:
        name: name of the figure.
        title: what it shows.
        notes: lines below the title: the captions of the tables, then remarks.
        chart: specification in Vega-Lite, without title and colours.
    """

    name: str
    title: str
    notes: tuple[str, ...]
    chart: Mapping[str, Any]

    def spec(self, theme: Theme = "light") -> dict[str, Any]:
        """The complete specification in Vega-Lite, with all data."""
        lines = [part for note in self.notes for part in _wrapped(printable(note))]
        words = {
            "title": {"text": printable(self.title), "subtitle": lines},
            "description": self.description,
        }
        return {**_safe(self.chart), **_safe(words), "config": config(theme)}

    @property
    def description(self) -> str:
        """Title and notes in words, for screen readers."""
        return printable(". ".join([self.title, *self.notes]))

    def svg(self, theme: Theme = "light") -> str:
        """The figure as SVG.

        Raises:
            MissingDependency: vl-convert is not installed.
        """
        return str(_converted("vegalite_to_svg", self.spec(theme)))

    def save(self, path: Path | str, theme: Theme = "light") -> None:
        """Write the figure in the format of the path's suffix; see SUFFIXES.

        Raises:
            BenchmarkError: no format has this suffix, or the file cannot be written.
            MissingDependency: vl-convert is not installed.
        """
        target = Path(path)
        files.write_output(target, self.rendered(suffix_of(target), theme))

    def rendered(self, suffix: str, theme: Theme = "light") -> bytes:
        """The contents of a file with one of SUFFIXES.

        Raises:
            MissingDependency: vl-convert is not installed.
        """
        spec = self.spec(theme)
        formats: Mapping[str, Callable[[], bytes]] = {
            ".svg": lambda: self.svg(theme).encode(),
            ".pdf": lambda: _converted("vegalite_to_pdf", spec),
            ".png": lambda: _converted("vegalite_to_png", spec, scale=_SCALE),
            ".html": lambda: page(self.title, self.description, spec, theme).encode(),
            ".json": lambda: (json.dumps(spec, indent=1) + "\n").encode(),
        }
        return formats[suffix]()

    def _repr_mimebundle_(
        self, include: Sequence[str] = (), exclude: Sequence[str] = ()
    ) -> dict[str, str]:
        """The figure as SVG, which every notebook can show without a network."""
        return {"image/svg+xml": self.svg(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"{printable(self.title)} ({self.name}); save('{self.name}.svg') writes it"


def suffix_of(path: Path) -> str:
    """The suffix of a file, one of SUFFIXES.

    Raises:
        BenchmarkError: no format has it.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise BenchmarkError(f"{path} has no known suffix; use one of {', '.join(SUFFIXES)}.")
    return suffix


def _converted(how: str, spec: Mapping[str, Any], **options: object) -> Any:
    """A specification, drawn without reading anything from a network."""
    with requires("report"):
        import vl_convert
    convert = getattr(vl_convert, how)
    return convert(dict(spec), allowed_base_urls=[], **version(), **options)


def _safe(part: Any) -> Any:
    """A part of a specification whose texts can do no harm.

    Vega-Lite writes titles and names into expressions, which are code, and escapes their quotes but
    not their backslashes: a backslash before a quote would end the text. At a control character,
    vl-convert ends the process.
    """
    if isinstance(part, str):
        return printable(part).replace("\\", _BACKSLASH)
    if isinstance(part, Mapping):
        return {name: _safe(value) for name, value in part.items()}
    return [_safe(value) for value in part] if isinstance(part, list | tuple) else part


def version() -> dict[str, str]:
    """The version of Vega-Lite that Altair writes, as vl-convert names it."""
    with requires("report"):
        import altair
    return {"vl_version": ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])}


def _wrapped(text: str) -> list[str]:
    """Lines of a text; a word that is too long for one is cut, and a % is beside its number."""
    import textwrap

    whole = text.replace(" %", "\N{NO-BREAK SPACE}%")
    lines = textwrap.wrap(whole, _WIDTH, break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}%", " %") for line in lines]
