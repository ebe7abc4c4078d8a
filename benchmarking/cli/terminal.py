"""Colours of a command's text, on a terminal that shows them.

There are none in a file, in a pipe, on a terminal without colours (TERM=dumb), or if the
environment variable NO_COLOR is not empty; see no-color.org. No colour tells what the text does
not.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Literal

from benchmarking.cli.safe_output import PrintableStream
from benchmarking.io.printable import printable_lines

Style = Literal["bold", "dim", "red", "green", "yellow"]
Rules = Mapping[str, Style]
"""The style of each text that a regular expression matches, within a line; the first one counts."""

_CODES: Mapping[Style, int] = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33}
_END = "\x1b[0m"


def print_styled(text: str, rules: Rules) -> None:
    """Print a text; on a terminal, what a rule matches has its style."""
    output = sys.stdout
    if not (rules and isinstance(output, PrintableStream) and _shows_colours(output)):
        print(text)
        return
    codes = list(map(_CODES.__getitem__, rules.values()))
    pattern = re.compile("|".join(f"({rule})" for rule in rules), re.MULTILINE)

    def styled(found: re.Match[str]) -> str:
        number = found.lastindex or 1
        return f"\x1b[{codes[number - 1]}m{found[0]}{_END}"

    # Names are escaped first, so that all control characters are ours.
    output.write_styled(pattern.sub(styled, printable_lines(text)) + "\n")


def _shows_colours(stream: PrintableStream) -> bool:
    told_not_to = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not told_not_to


def width() -> int | None:
    """Columns of the terminal that standard output is; None if it is none."""
    if not sys.stdout.isatty():
        return None
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except OSError:
        return None
