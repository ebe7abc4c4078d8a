"""A tally of faults: what was tried, what survived, what was lost; one line each, then a table."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

FILE = "TORTURE_TALLY"
"""The environment variable that names the file of lines; without it nothing is written."""

_HEAD = ["| Fault | Tried | Survived | Lost | Note |", "|---|---:|---:|---:|---|"]


def record(fault: str, *, tried: int, survived: int, lost: int, note: str = "") -> None:
    """Add a line to the tally, if there is one; several processes may do so at a time.

    Args:
        fault: what was done, such as "kill -9 while writing".
        tried: how often.
        survived: after how many of these all was as it should be.
        lost: after how many it was not.
        note: what else to tell; lines with the same fault and note are summed.
    """
    place = os.environ.get(FILE)
    if not place:
        return
    line = {"fault": fault, "tried": tried, "survived": survived, "lost": lost, "note": note}
    handle = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, json.dumps(line).encode() + b"\n")  # at once: lines never mix
    finally:
        os.close(handle)


def table(lines: Iterable[str]) -> str:
    r"""The tally in Markdown, faults in the order of their first lines, then all of them.

    >>> line = '{"fault": "cut", "tried": 3, "survived": 2, "lost": 1, "note": "at | an end"}'
    >>> print(table([line, line]))
    | Fault | Tried | Survived | Lost | Note |
    |---|---:|---:|---:|---|
    | cut | 6 | 4 | 2 | at \| an end |
    | **total** | 6 | 4 | 2 |  |
    <BLANKLINE>
    """
    sums: dict[tuple[str, str], list[int]] = {}
    for line in lines:
        found = json.loads(line)
        counts = sums.setdefault((found["fault"], found["note"]), [0, 0, 0])
        for place, name in enumerate(("tried", "survived", "lost")):
            counts[place] += found[name]
    total = [sum(column) for column in zip(*sums.values(), strict=True)] or [0, 0, 0]
    rows = [_row(fault, counts, note) for (fault, note), counts in sums.items()]
    return "\n".join([*_HEAD, *rows, _row("**total**", total, ""), ""])


def main(arguments: Sequence[str]) -> int:
    """Write the table of a file of lines, or of all .jsonl files of a folder."""
    if len(arguments) != 2:
        print("usage: python -m tests.torture.tally FOLDER-or-FILE OUT.md", file=sys.stderr)
        return 2
    place, out = map(Path, arguments)
    files = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    out.write_text(table(lines), "utf-8")
    return 0


def _row(fault: str, counts: Sequence[int], note: str) -> str:
    cells = [fault, *map(str, counts), note]
    return "| {} |".format(" | ".join(cell.replace("|", "\\|") for cell in cells))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
