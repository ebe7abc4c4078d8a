"""Aligned columns of cells, for a terminal."""

from __future__ import annotations

from collections.abc import Container, Sequence

from benchmarking.io.printable import printable


def aligned(lines: Sequence[Sequence[str]], left: int | Container[int]) -> str:
    """Lines of cells in columns.

    Args:
        lines: the cells; all lines have the same number of cells.
        left: how many of the first columns are flush left, or the positions of those columns, from
            0; the others are flush right.
    """
    flush_left = range(left) if isinstance(left, int) else left
    lines = [[printable(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ""
    for line in lines:
        padded = [
            cell.ljust(width) if position in flush_left else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text += "  ".join(padded).rstrip() + "\n"
    return text
