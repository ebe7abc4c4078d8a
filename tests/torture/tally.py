"""A tally of faults: how many were tried, survived and lost; first as lines, then as tables."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

FILE = "TORTURE_TALLY"
"""Environment variable with the file of lines; without it, nothing is written."""

_COUNTS = ("tried", "survived", "lost")
_HEAD = ("| Fault | Tried | Survived | Lost |", "|---|---:|---:|---:|")


def record(fault: str, *, tried: int, survived: int, lost: int, note: str = "") -> None:
    """Add a line to the tally, if there is one; several processes may do so at the same time.

    Args:
        fault: the fault, such as "kill -9 while writing".
        tried: number of faults.
        survived: number of faults after which everything was correct.
        lost: number of faults after which something was wrong.
        note: further text; lines with the same fault and note are summed.
    """
    place = os.environ.get(FILE)
    if not place:
        return
    line = {"fault": fault, "tried": tried, "survived": survived, "lost": lost, "note": note}
    handle = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, json.dumps(line).encode() + b"\n")  # in one call, so that lines never mix
    finally:
        os.close(handle)


def report(lines: Iterable[str]) -> str:
    r"""The tally in Markdown: sums for each kind of fault, then every fault with its notes.

    >>> line = '{"fault": "cut: a", "tried": 3, "survived": 2, "lost": 1, "note": "at | an end"}'
    >>> print(report([line, line]))
    # What `make torture` found
    <BLANKLINE>
    | Fault | Tried | Survived | Lost |
    |---|---:|---:|---:|
    | cut | 6 | 4 | 2 |
    <BLANKLINE>
    ## In detail
    <BLANKLINE>
    | Fault | Tried | Survived | Lost | Note |
    |---|---:|---:|---:|---|
    | cut: a | 6 | 4 | 2 | at \| an end |
    <BLANKLINE>
    """
    kinds: Counter[tuple[str, ...]] = Counter()
    details: Counter[tuple[str, ...]] = Counter()
    for line in lines:
        found = json.loads(line)
        for count in _COUNTS:
            kinds[_kind(found["fault"]), count] += found[count]
            details[found["fault"], found["note"], count] += found[count]
    parts = [
        "# What `make torture` found",
        "",
        *_HEAD,
        *_rows({key[:-1] for key in kinds}, kinds),
        "",
        "## In detail",
        "",
        *(line + more for line, more in zip(_HEAD, (" Note |", "---|"), strict=True)),
        *_rows({key[:-1] for key in details}, details),
    ]
    return "\n".join(parts) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the tables of a file of lines, or of all .jsonl files in a folder."""
    if len(arguments) != 2:
        print("usage: python -m tests.torture.tally FOLDER-or-FILE OUT.md", file=sys.stderr)
        return 2
    place, out = map(Path, arguments)
    files = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    place_section(out, report(lines))
    return 0


def place_section(out: Path, section: str) -> None:
    """Put a section of Markdown, a title and what is below it, into a file with others.

    It takes the place of the one with its title, or comes last.
    """
    title = section.partition("\n")[0]
    sections = re.split(r"^(?=# )", out.read_text("utf-8") if out.exists() else "", flags=re.M)
    kept = [one.rstrip() + "\n" for one in sections if one.strip()]
    places = [at for at, one in enumerate(kept) if one.partition("\n")[0] == title]
    for at in places or [len(kept)]:
        kept[at : at + 1] = [section]
    out.write_text("\n".join(kept), "utf-8")


def _kind(fault: str) -> str:
    """The kind of a fault, without its moment or place."""
    return re.split(" while |: ", fault)[0]


def _rows(keys: Iterable[tuple[str, ...]], counts: Mapping[tuple[str, ...], int]) -> list[str]:
    """A line for each key (a fault and perhaps a note), sorted by name."""
    rows = []
    for fault, *note in sorted(keys, key=lambda key: [part.lower() for part in key]):
        numbers = [f"{counts[fault, *note, count]:,}" for count in _COUNTS]
        cells = (cell.replace("|", "\\|") for cell in (fault, *numbers, *note))
        rows.append(f"| {' | '.join(cells)} |")
    return rows


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
