"""Aligned columns of cells, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.io.printable import printable


def aligned(lines: Sequence[Sequence[str]], left: int) -> str:
    """Lines of cells in columns; the first `left` columns are flush left, the others right."""
    lines = [[printable(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ""
    for line in lines:
        padded = [
            cell.ljust(width) if position < left else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text += "  ".join(padded).rstrip() + "\n"
    return text
