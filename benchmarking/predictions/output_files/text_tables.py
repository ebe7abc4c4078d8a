"""Outputs in tables of text, .csv, .tsv and .txt, with or without headings."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarking.errors import BenchmarkError
from benchmarking.io.files import open_regular
from benchmarking.labels.class_values import classes_in_cell, is_wnid
from benchmarking.predictions.output_files.columns import (
    Columns,
    columns_of,
    columns_without_headings,
)
from benchmarking.predictions.output_files.outputs import CLASSES, MOST_GUESSES, Outputs, Wanted
from benchmarking.predictions.output_files.plain_arrays import checked_classes

_LONGEST = 2**20
"""Characters in a line; 1,000 numbers in full have 25,000."""
_NUMBER = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)(e[+-]?[0-9]+)?|nan|[+-]?inf", re.I)


def read(path: Path, wanted: Wanted) -> Outputs:
    """Read outputs line by line.

    Raises:
        BenchmarkError, OSError, ValueError, csv.Error: the file is broken, or has something else.
    """
    with open_regular(path) as file:
        start = file.read(2)
        file.seek(0)
        wide = start in (b"\xff\xfe", b"\xfe\xff")
        text = io.TextIOWrapper(file, "utf-16" if wide else "utf-8-sig", newline="")
        lines = _cells(text)
        first = next(lines, None)
        if first is None:
            raise BenchmarkError("it is empty")
        headings = _headings(first[1])
        if headings:
            second = next(lines, None)
            columns = columns_of(_with_index(headings, second[1] if second else ()))
            return _read(chain([second] if second else [], lines), columns, len(headings), wanted)
        cells = first[1]
        is_class = _NUMBER.fullmatch(cells[0]) or (len(cells) == 1 and is_wnid(cells[0]))
        columns = columns_without_headings(len(cells), has_names=not is_class)
        return _read(chain([first], lines), columns, len(cells), wanted)


def _read(
    lines: Iterator[tuple[int, list[str]]], columns: Columns, width: int, wanted: Wanted
) -> Outputs:
    # Only what is filled takes memory.
    scores = np.empty((wanted.most if columns.scores else 0, CLASSES))
    names: list[str] = []
    labels: list[int] = []
    classes: list[list[int]] = []
    probabilities: list[list[float]] = []
    count = 0
    for line, cells in lines:
        if len(cells) != width:
            raise BenchmarkError(f"line {line} has {len(cells)} cells, and the first has {width}")
        if count == wanted.most:
            raise BenchmarkError(f"it has more than {wanted.most:,} lines, far more than pictures")
        try:
            if columns.names is not None:
                names.append(cells[columns.names])
            if columns.labels is not None:
                labels.append(_class(cells[columns.labels]))
            if columns.scores:
                scores[count] = [cells[at] for at in columns.scores]
            else:
                classes.append([c for at in columns.classes for c in classes_in_cell(cells[at])])
                probabilities.append(_floats([cells[at] for at in columns.probabilities]))
        except (ValueError, KeyError) as error:
            raise BenchmarkError(f"line {line}: {error}{_hint(cells)}") from error
        if classes and len(classes[-1]) != (len(classes[0]) or 1):
            raise BenchmarkError(f"line {line} has {len(classes[-1])} predicted classes")
        if columns.probabilities and len(classes[-1]) != len(probabilities[-1]):
            raise BenchmarkError(
                f"line {line} has {len(classes[-1])} predicted classes and "
                f"{len(probabilities[-1])} probabilities"
            )
        count += 1
    if not count:
        raise BenchmarkError("it has headings alone")
    unused = ", ".join(map(repr, columns.unused))
    return Outputs(
        scores[:count] if columns.scores else None,
        None if columns.scores else checked_classes(np.array(classes, dtype=np.int64)),
        np.array(probabilities) if columns.probabilities else None,
        None if columns.names is None else tuple(names),
        None if columns.labels is None else np.array(labels, dtype=np.int64),
        (f"note: columns that were not read: {unused}",) if unused else (),
    )


def _floats(cells: Sequence[str]) -> list[float]:
    """The numbers in cells; a cell may have a list of them, in brackets."""
    return [float(word) for cell in cells for word in _words(cell)]


def _words(cell: str) -> list[str]:
    inner = re.fullmatch(r"\[(.*)\]", cell)
    return re.split(r"[\s,]+", inner[1].strip()) if inner else [cell]


def _class(cell: str) -> int:
    """The one class in a cell: a number or a WordNet id."""
    found = classes_in_cell(cell)
    if len(found) != 1:
        raise ValueError(f"{cell!r} is not one class")
    return found[0]


def _cells(text: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
    """The number and the cells of each line that is not empty."""
    lines = _bounded(text)
    first = next((line for line in lines if line.strip()), "")
    separator = next((one for one in "\t;," if one in first), " ")
    body: Iterator[str] = chain([first], lines)
    if separator == " ":
        body = (re.sub(r"[ \t]+", " ", line.strip()) + "\n" for line in body)
    reader = csv.reader(body, delimiter=separator, skipinitialspace=True)
    for cells in reader:
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield reader.line_num, cells


def _bounded(text: io.TextIOWrapper) -> Iterator[str]:
    while line := _line(text):
        if len(line) == _LONGEST:
            raise BenchmarkError(f"a line has more than {_LONGEST:,} characters")
        yield line


def _line(text: io.TextIOWrapper) -> str:
    try:
        return text.readline(_LONGEST)
    except UnicodeError as error:
        raise BenchmarkError(f"it is no text in UTF-8: {error}") from error


def _headings(cells: Sequence[str]) -> tuple[str, ...]:
    """The first line, if it has headings: no number, or the numbers of all classes."""
    if cells[0].startswith("#"):
        cells = [cells[0].lstrip("# "), *cells[1:]]
        return tuple(cells if cells[0] else cells[1:])
    numbers = [cell for cell in cells if cell.isdigit()]
    counts = ([str(at) for at in range(first, first + len(numbers))] for first in (0, 1))
    if len(numbers) > MOST_GUESSES and numbers in counts:
        return tuple(cells)
    return () if any(_NUMBER.fullmatch(cell) for cell in cells) else _unless_names(cells)


def _with_index(headings: Sequence[str], cells: Sequence[str]) -> Sequence[str]:
    """The headings; pandas writes an index, such as names of pictures, first and without one."""
    is_number = not cells or _NUMBER.fullmatch(cells[0])
    return headings if headings[0] or is_number else ["id", *headings[1:]]


def _unless_names(cells: Sequence[str]) -> tuple[str, ...]:
    """The first line, unless it has WordNet ids of classes, after the name of a picture or not."""
    is_data = len(cells) <= MOST_GUESSES + 1 and all(map(is_wnid, cells[1:] or cells))
    return () if is_data else tuple(cells)


def _hint(cells: Sequence[str]) -> str:
    """Advice about a decimal comma."""
    has_comma = any(re.fullmatch("-?[0-9]+,[0-9]+", cell) for cell in cells)
    return "; write numbers with a point" if has_comma else ""
