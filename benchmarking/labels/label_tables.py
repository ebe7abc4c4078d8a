"""Read text tables of pictures and their classes; headings identify the columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarking.labels.class_values import NOTHING, classes_in_cell, is_wnid

_NAMES = re.compile(
    r"(?!s?$)(image|img|picture|photo|sample|file)?(file)?(name|path|id|key|uri|url)?s?"
)
"""Headings of the column of pictures, reduced to letters in lower case."""

_CLASSES = re.compile(
    r"(true|given|original|corrected|correct|new|gt|groundtruth)?"
    r"(label|class|category|target|wnid|synset)(id|idx|index|number|num|no)?(e?s)?"
    r"|categories|y|ytrue|gt|groundtruth|truth|true|lbl|cls|predictionstring"
)
"""Headings of a column of classes, reduced in the same way; Kaggle uses PredictionString."""

_SEPARATOR_LINE = re.compile(r'\A\s*"?sep=[^\r\n]"?[ \t]*[\r\n]+', re.IGNORECASE)
_FEW = 4  # smallest number of lines at which a column is recognised as a line counter
_SHOWN = 8  # headings that an error names
_HOT = {"0": False, "0.0": False, "1": True, "1.0": True}

IsPicture = Callable[[str], bool]


@dataclass(frozen=True)
class LabelTable:
    """The pictures and classes in a table.

    Attributes:
        names: names of the pictures, one per line; None if the table is a list without names.
        classes: the classes of each line.
        unused: headings of the columns that were not read.
        joined: number of columns without headings whose classes all count as right, if they differ.
    """

    names: tuple[str, ...] | None
    classes: tuple[tuple[int, ...], ...]
    unused: tuple[str, ...] = ()
    joined: int = 0


def decoded(data: bytes) -> str:
    """Decode the text of a file: UTF-8, or UTF-16 if it has that byte order mark.

    Raises:
        ValueError: the bytes are not such a text.
    """
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    return data.decode("utf-16" if wide else "utf-8-sig")


def cells_of(text: str) -> list[list[str]]:
    """Split a text into lines of cells, without blanks around each cell.

    A first line such as "sep=;", which tells spreadsheets the separator, is left out. The separator
    is the first of tab, semicolon and comma that occurs in every line. If there is none, it is a
    comma that occurs in any line, or else a blank.

    Raises:
        csv.Error: a quoted cell does not end.
    """
    text = _SEPARATOR_LINE.sub("", text)
    lines = [line for line in text.splitlines() if line.strip()]
    found = next((one for one in "\t;," if all(one in line for line in lines)), None)
    if found is None and any("," in line for line in lines):
        found = ","  # some lines have only one cell
    separator = found or " "
    body = text if found else re.sub(r"[ \t]+", " ", text)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator, skipinitialspace=True)
    cells = [[cell.strip() for cell in line] for line in reader]
    return [_without_empty_ends(line, separator) for line in cells if any(line)]


def label_table(text: str, is_picture: IsPicture) -> LabelTable:
    """Read the pictures and classes of a table, with or without headings.

    Args:
        text: the table.
        is_picture: tells whether a cell is the name of a picture.

    Raises:
        KeyError, ValueError, OverflowError: a cell is not a class, or the meaning of the columns
            is ambiguous.
        csv.Error: a quoted cell does not end.
    """
    lines = cells_of(text)
    if not lines:
        raise ValueError("it is empty")
    headings = _headings(lines[0], is_picture)
    body = lines[1:] if headings else lines
    body = [line for line in body if line[0] != "#" and not line[0].startswith("# ")]
    if not body:
        raise ValueError("it has only headings")
    width = max(map(len, [headings, *body]))
    columns = [[line[at] if at < len(line) else "" for line in body] for at in range(width)]
    if headings:
        return _by_heading((*headings, *[""] * (width - len(headings))), columns, is_picture)
    return _without_headings(columns, is_picture)


def record_table(records: Sequence[Any], is_picture: IsPicture) -> LabelTable:
    """Read the pictures and classes of a list of JSON objects, whose keys are the headings.

    Raises:
        KeyError, TypeError, ValueError: as for `label_table`.
    """
    headings = tuple(dict.fromkeys(str(name) for record in records for name in record))
    columns = [[_cell(record.get(name)) for record in records] for name in headings]
    return _by_heading(headings, columns, is_picture)


def picture_column(text: str, is_picture: IsPicture, is_known: IsPicture) -> list[str]:
    """Read names of pictures: one per line of a text, or one column of a table.

    Args:
        text: the text of the file.
        is_picture: tells whether a cell is the name of a picture.
        is_known: tells whether a cell is the name of a picture of the set.

    Raises:
        csv.Error: a quoted cell does not end.
    """
    whole = [line.strip() for line in text.split("\n") if line.strip()]
    if whole and all(map(is_known, whole)):
        return whole
    lines = cells_of(text)
    if not lines:
        return []
    headings = _headings(lines[0], is_picture)
    at = column_of_names(headings) if headings else 0
    if not headings and all(len(line) > 1 for line in lines) and not is_picture(lines[0][0]):
        at = next((at for at, cell in enumerate(lines[0]) if is_picture(cell)), 0)
    return [line[at or 0] for line in lines[bool(headings) :] if len(line) > (at or 0)]


def _headings(line: Sequence[str], is_picture: IsPicture) -> tuple[str, ...]:
    """The first line if it contains headings, neither pictures nor classes; else ()."""
    is_comment = bool(line) and line[0].startswith("#")
    if is_comment:
        line = [line[0].lstrip("# "), *line[1:]]
        line = line if line[0] else line[1:]
    elif any(map(is_picture, line)) or any(map(_is_class, line)):
        return ()
    known = [is_name_heading(cell) or is_class_heading(cell) for cell in line]
    return tuple(line) if any(known) or (len(line) > 1 and not is_comment) else ()


def _by_heading(
    headings: tuple[str, ...], columns: Sequence[Sequence[str]], is_picture: IsPicture
) -> LabelTable:
    names_at = column_of_names(headings)
    if names_at is None or not any(map(is_picture, columns[names_at])):
        pictures = [at for at, cells in enumerate(columns) if all(map(is_picture, cells))]
        names_at = pictures[0] if len(pictures) == 1 else names_at
    meant = _classes_at(headings, names_at)
    if not meant:
        raise ValueError(f"none of its headings, {_listed(headings)}, is a heading of classes")
    at = [one for one in meant if _has_classes(columns[one])]
    if not at:
        raise ValueError(
            f"{columns[meant[0]][0]!r} is not a class; classes are numbers or WordNet ids"
        )
    for one in at:
        _refuse_boxes(headings[one], columns[one])
    classes = _joined(headings, [columns[one] for one in at], at)
    used = {*at, names_at}
    unused = tuple(name for one, name in enumerate(headings) if one not in used and name)
    if names_at is None:
        counted = [one for one, name in enumerate(headings) if _is_index(name, columns[one])]
        rest = set(range(len(headings))) - {*at, *counted}
        if rest and any(is_picture(columns[one][0]) for one in rest):
            raise ValueError(f"none of its headings, {_listed(headings)}, is a heading of pictures")
        return LabelTable(None, classes, unused)
    return LabelTable(tuple(columns[names_at]), classes, unused)


def _refuse_boxes(heading: str, cells: Sequence[str]) -> None:
    """Refuse bounding boxes behind numbers of classes, which would be read as further classes."""
    if _plain(heading) != "predictionstring":
        return
    for cell in cells:
        first, *more = cell.split() or [""]
        if more and not is_wnid(first):
            raise ValueError(
                f"{cell!r} can be a class and its bounding box, or several classes; write only the "
                "class, or its WordNet id before the box"
            )


def _without_headings(columns: Sequence[Sequence[str]], is_picture: IsPicture) -> LabelTable:
    if len(columns) == 1 and not is_picture(columns[0][0]):
        return LabelTable(None, tuple(tuple(classes_in_cell(cell)) for cell in columns[0]))
    names_at = next((at for at, cells in enumerate(columns) if all(map(is_picture, cells))), 0)
    rest = [cells for at, cells in enumerate(columns) if at != names_at]
    if not rest:
        raise ValueError("it has only names of pictures, and no classes")
    counted = [cells for cells in rest if _counts(cells)]
    if len(counted) < len(rest):  # MXNet's lists, for example, have a counter as their first column
        rest = [cells for cells in rest if cells not in counted]
    parsed = [[classes_in_cell(cell) for cell in cells] for cells in rest]
    with_ids = [any(map(is_wnid, cells)) for cells in rest]
    if any(with_ids) and not all(with_ids) and any(one != parsed[0] for one in parsed):
        raise ValueError(
            f"{len(rest)} columns beside the names are WordNet ids and numbers; write headings, or "
            "keep only one column of classes"
        )
    classes = _of_several(rest, parsed)
    differ = not _are_hot(rest) and len(rest) > 1 and any(len(one) > 1 for one in classes)
    return LabelTable(tuple(columns[names_at]), classes, joined=len(rest) if differ else 0)


def column_of_names(headings: Sequence[str]) -> int | None:
    """Index of the column of names: the first whose heading mentions files, or else the first."""
    found = [at for at, name in enumerate(headings) if is_name_heading(name)]
    telling = [
        at for at in found if re.search("file|path|name|image|img|key", _plain(headings[at]))
    ]
    return next(iter(telling or found), None)


def _classes_at(headings: Sequence[str], names_at: int | None) -> list[int]:
    """Indices of the columns of classes, found by their headings.

    Numbered columns, such as label1 and label2, are used together if there are no other columns.
    """
    others = [at for at, name in enumerate(headings) if at != names_at and name]
    plain = [at for at in others if is_class_heading(headings[at]) and not _number(headings[at])]
    stems = {_plain(headings[at]) for at in others}
    numbered = [at for at in others if _number(headings[at]) and is_class_heading(headings[at])]
    if len(stems) == 1 and len(numbered) == len(others) - len(plain):
        return others
    if numbered and not plain:
        raise ValueError(
            f"only some of its headings, {_listed(headings)}, are headings of classes; keep only "
            "the name of the picture and its classes"
        )
    return plain


def _joined(
    headings: Sequence[str], columns: Sequence[Sequence[str]], at: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    """Combine several columns of classes: join numbered columns; other columns must be equal."""
    parsed = [[tuple(classes_in_cell(cell)) for cell in cells] for cells in columns]
    if any(_number(headings[one]) for one in at):
        return _of_several(columns, parsed, [headings[one] for one in at])
    first, *others = parsed
    if any(
        sorted(one) != sorted(two)
        for other in others
        for one, two in zip(first, other, strict=True)
    ):
        names = _listed([headings[one] for one in at])
        raise ValueError(
            f"its columns {names} have different classes; keep only the name of the picture and "
            "one column of classes"
        )
    return tuple(first)


def _of_several(
    columns: Sequence[Sequence[str]],
    parsed: Sequence[Sequence[Sequence[int]]],
    headings: Sequence[str] = (),
) -> tuple[tuple[int, ...], ...]:
    """Join the classes of several columns; one-hot columns give the classes that have a 1.

    The class of a one-hot column is the number in its heading, or else its position.
    """
    if _are_hot(columns):
        numbers = [int(found[0]) for name in headings if (found := re.findall("[0-9]+", name))]
        known = numbers if len(set(numbers)) == len(columns) else range(len(columns))
        lines = zip(*columns, strict=True)
        return tuple(
            tuple(one for one, cell in zip(known, line, strict=True) if _HOT[cell])
            for line in lines
        )
    return tuple(map(_flat, zip(*parsed, strict=True)))


def _are_hot(columns: Sequence[Sequence[str]]) -> bool:
    """Whether columns have a 0 or 1 for each class."""
    return len(columns) > 2 and all(cell in _HOT for cells in columns for cell in cells)


def _has_classes(cells: Sequence[str]) -> bool:
    """Whether a column can contain classes rather than names of classes."""
    return any(_is_class(cell) for cell in cells) or all(cell.lower() in NOTHING for cell in cells)


def _is_class(cell: str) -> bool:
    try:
        return bool(classes_in_cell(cell)) or cell in ("-1", "[]")
    except (KeyError, ValueError, OverflowError):
        return False


def is_class_heading(name: str) -> bool:
    """Whether a heading is that of a column of classes, such as label or class_0."""
    return _CLASSES.fullmatch(_plain(name)) is not None


def is_name_heading(name: str) -> bool:
    """Whether a heading is that of a column of pictures, such as filename or image_id."""
    return _NAMES.fullmatch(_plain(name)) is not None


def _is_index(name: str, cells: Sequence[str]) -> bool:
    """Whether a column without a heading counts the lines, like the index column of pandas."""
    if name and not name.lower().startswith("unnamed"):
        return False
    return all(cell == str(at) for at, cell in enumerate(cells))


def _counts(cells: Sequence[str]) -> bool:
    """Whether a column numbers the lines from 0 or from 1, in any order."""
    if len(cells) < _FEW or not all(re.fullmatch("[0-9]{1,9}", cell) for cell in cells):
        return False
    numbers = sorted(map(int, cells))
    return numbers == list(range(numbers[0], numbers[0] + len(cells))) and numbers[0] in (0, 1)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _number(name: str) -> bool:
    """Whether a heading is numbered, such as label1 or class_0."""
    return re.search(r"[0-9]", name) is not None


def _listed(headings: Sequence[str]) -> str:
    named = [repr(name) for name in headings if name]
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return f"{', '.join(named[:_SHOWN])}{more}"


def _flat(lists: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(one for found in lists for one in found))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{list(value)}" if isinstance(value, list | tuple) else str(value)


def _without_empty_ends(line: list[str], separator: str) -> list[str]:
    """Remove the empty cells that blanks at the end of a line produce."""
    while separator == " " and len(line) > 1 and not line[-1]:
        line = line[:-1]
    return line
