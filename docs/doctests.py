"""Griffe extension that turns examples in docstrings (lines with >>>) into sections "Examples"."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^|(?<=\n\n))>>> .+?(?=\n\n|\Z)", re.DOTALL)


class Doctests(griffe.Extension):
    """Adds headings to examples, which Markdown would read as quotations without one."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Add a heading to the examples in an object's docstring."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(_section, obj.docstring.value)


def _section(found: re.Match[str]) -> str:
    return "Examples:\n" + textwrap.indent(found[0], "    ")
