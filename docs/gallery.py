"""Draw the figures of docs/gallery.md by its commands: python docs/gallery.py STORES FIGURES.

STORES is a folder in which the stores that the commands name are. A figure that cannot be drawn,
because the labels that it needs are missing, is left as it is.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "gallery.md"


def commands() -> list[list[str]]:
    """The arguments of each command of the page that draws a figure; the last one is its file."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^```shell\nimagenet-benchmark (plot .+)\n```$", text, re.MULTILINE)
    return [shlex.split(command) for command in found]


def draw(command: list[str], stores: Path, figures: Path) -> int:
    """Run a command in the folder of the stores, and return its exit status.

    In a process of its own, because vl-convert counts the ids of all figures of a process.
    """
    *words, name = command
    program = [sys.executable, "-m", "benchmarking"]
    target = figures.absolute() / name
    return subprocess.run([*program, *words, target], cwd=stores, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    places = [Path(argument) for argument in sys.argv[1:]]
    statuses = [draw(command, *places) for command in commands()]
    raise SystemExit(max(statuses))
