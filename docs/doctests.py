"""Griffe extension: examples in docstrings, lines with >>>, become sections "Examples"."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^|(?<=\n\n))>>> .+?(?=\n\n|\Z)", re.DOTALL)


class Doctests(griffe.Extension):
    """Our docstrings have examples without a heading, which Markdown takes for quotations."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Give the examples of an object's docstring a heading."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(_section, obj.docstring.value)


def _section(found: re.Match[str]) -> str:
    return "Examples:\n" + textwrap.indent(found[0], "    ")
