"""Draw the figures of docs/gallery.md by its commands: python docs/gallery.py STORES FIGURES.

STORES is a folder in which the stores that the commands name are. A figure that cannot be drawn,
because the labels that it needs are missing, is left as it is.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
from pathlib import Path

from benchmarking.cli import main

PAGE = Path(__file__).parent / "gallery.md"


def commands() -> list[list[str]]:
    """The arguments of each command of the page that draws a figure; the last one is its file."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^```shell\nimagenet-benchmark (plot .+)\n```$", text, re.MULTILINE)
    return [shlex.split(command) for command in found]


def draw(command: list[str], stores: Path, figures: Path) -> int:
    """Run a command in the folder of the stores, and return its exit status."""
    *words, name = command
    target = figures.absolute() / name
    with contextlib.chdir(stores):
        return main([*words, str(target)])


if __name__ == "__main__":
    places = [Path(argument) for argument in sys.argv[1:]]
    statuses = [draw(command, *places) for command in commands()]
    raise SystemExit(max(statuses))
