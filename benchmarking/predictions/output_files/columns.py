"""Which column of a table of outputs has what, by the headings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarking.errors import BenchmarkError
from benchmarking.labels.class_values import is_wnid
from benchmarking.labels.imagenet import class_of_wnid
from benchmarking.labels.label_tables import column_of_names, is_name_heading
from benchmarking.predictions.output_files.outputs import CLASSES, MOST_GUESSES
from benchmarking.predictions.output_files.plain_arrays import check_width

_LABELS = re.compile(
    r"(true|given|original|actual|gt|groundtruth|target|y)"
    r"(label|class|category|target|wnid|synset|y)?(id|idx|index)?"
    r"|(correct|right)(label|class|category|target|wnid|synset)(id|idx|index)?"
    r"|(label|target|wnid|synset|category)(id|idx|index)?s?|ytrue|truth"
)
"""Headings of a column of true classes, in lower case and without anything but letters.

A column that is called "correct" alone says whether a prediction is right.
"""

_GUESSES = re.compile(
    r"(model)?(pred|predicted|prediction|predictions|top|top[k]?pred|guess|yhat|ypred|argmax)"
    r"(label|class|category|wnid|synset)?(id|idx|index|es)?|class"
)
"""Headings of columns of predicted classes, likewise."""

_PROBABILITIES = re.compile(
    r"(top|pred|prediction|max)?(p|prob|probs|probability|probabilities|conf|confidence|softmax)"
)
"""Headings of columns of the probabilities of these classes, likewise."""


_INDEX = "index"
"""Heading of predicted classes in tables that timm writes, if no other column has these."""


@dataclass(frozen=True)
class Columns:
    """Places of the columns of a table.

    Attributes:
        names: place of the names of pictures; None if there are none.
        labels: place of the true classes; None if there are none.
        classes: places of the predicted classes, best first; empty if there are scores.
        probabilities: places of the probabilities of these classes; empty if unknown.
        scores: places of the scores of classes 0 to 999; empty if there are classes.
        unused: headings of all other columns.
    """

    names: int | None
    labels: int | None = None
    classes: tuple[int, ...] = ()
    probabilities: tuple[int, ...] = ()
    scores: tuple[int, ...] = ()
    unused: tuple[str, ...] = ()


def columns_of(headings: Sequence[str]) -> Columns:
    """The columns that headings name: scores of all classes, or the most probable classes.

    Raises:
        BenchmarkError: no column is one of outputs, or columns can be taken in more than one way.
    """
    groups = _groups(headings)
    scores = _scores(headings, groups)
    used: set[int | None] = set(scores)
    names = _names(["" if at in used else name for at, name in enumerate(headings)])
    used.add(names)
    rest = [at for at, name in enumerate(headings) if at not in used and name]
    labels = next((at for at in rest if _is_alone(headings[at], _LABELS)), None)
    classes, probabilities = ((), ()) if scores else _guesses(headings, groups, labels)
    if not scores and not classes:
        listed = ", ".join(map(repr, headings[:6])) + ", …" * (len(headings) > 6)
        hint = "" if labels is None else f"; {headings[labels]!r} is taken for the true class"
        raise BenchmarkError(
            f"none of its headings, {listed}, is one of outputs; expected 'prediction', 'pred1' to "
            f"'pred5', or 'c0' to 'c{CLASSES - 1}'{hint}"
        )
    used |= {labels, *classes, *probabilities}
    unused = tuple(name for at, name in enumerate(headings) if at not in used and name)
    return Columns(names, labels, classes, probabilities, scores, unused)


def columns_without_headings(width: int, *, has_names: bool) -> Columns:
    """The columns of a table without headings: the name of the picture, if any, and outputs.

    Raises:
        BenchmarkError: there are too many or too few columns.
    """
    first = int(has_names)
    outputs = tuple(range(first, width))
    if not outputs:
        raise BenchmarkError("it has names of pictures alone")
    if len(outputs) <= MOST_GUESSES:
        return Columns(0 if has_names else None, classes=outputs)
    check_width(len(outputs), 0)
    return Columns(0 if has_names else None, scores=outputs)


def _names(headings: Sequence[str]) -> int | None:
    """Place of the names of pictures: of several such columns, the one that speaks of files."""
    of_files = [
        name if is_name_heading(name) and re.search("file|path|name", name.lower()) else ""
        for name in headings
    ]
    found = column_of_names(of_files)
    return column_of_names(headings) if found is None else found


def _groups(headings: Sequence[str]) -> dict[str, dict[int, int]]:
    """Numbered headings by what is around the number, as top1_class: the place of each number."""
    found: dict[str, dict[int, int]] = {}
    for at, name in enumerate(headings):
        match = re.fullmatch(r"(.*?)[\W_]*([0-9]{1,5})[\W_]*([a-z_]*)", name, re.IGNORECASE)
        if match and not is_wnid(name):
            group = found.setdefault((match[1] + match[3]).lower(), {})
            if int(match[2]) in group:
                raise BenchmarkError(f"two of its columns have the heading {name!r}")
            group[int(match[2])] = at
    return found


def _scores(headings: Sequence[str], groups: dict[str, dict[int, int]]) -> tuple[int, ...]:
    """Places of the scores of all classes, in the order of the classes; empty if there are none."""
    wnids = {name.lower(): at for at, name in enumerate(headings) if is_wnid(name)}
    if len(wnids) > MOST_GUESSES:
        check_width(len(wnids), 0)
        unknown = wnids.keys() - class_of_wnid().keys()
        if unknown:
            raise BenchmarkError(f"its heading {min(unknown)!r} is none of ImageNet's classes")
        return tuple(wnids[wnid] for wnid in class_of_wnid())
    large = {stem: group for stem, group in groups.items() if len(group) > MOST_GUESSES}
    if len(large) > 1:
        pairs = " and ".join(f"{headings[min(group.values())]!r}…" for group in large.values())
        raise BenchmarkError(f"its columns {pairs} are both scores of classes; keep one of them")
    for group in large.values():
        check_width(len(group), 0)
        numbers = sorted(group)
        if numbers not in (list(range(CLASSES)), list(range(1, CLASSES + 1))):
            raise BenchmarkError(
                f"its columns of scores are numbered {numbers[0]} to {numbers[-1]}, not 0 to "
                f"{CLASSES - 1}"
            )
        return tuple(group[number] for number in numbers)
    return ()


def _guesses(
    headings: Sequence[str], groups: dict[str, dict[int, int]], labels: int | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Places of the predicted classes, best first, and of their probabilities."""
    stems = [stem for stem in groups if _GUESSES.fullmatch(_letters(stem)) or stem == _INDEX]
    numbered = [groups[stem] for stem in stems]
    alone = [at for at, name in enumerate(headings) if _is_alone(name, _GUESSES)]
    if len(numbered) + len(alone) > 1:
        places = [*alone, *(min(group.values()) for group in numbered)]
        names = " and ".join(repr(headings[at]) for at in places)
        raise BenchmarkError(f"its columns {names} may both be predictions; keep one of them")
    if alone and _letters(headings[alone[0]]) == "class" and labels is None:
        raise BenchmarkError(
            "its column 'class' may be the true class or the predicted one; call it 'label' or "
            "'prediction'"
        )
    if numbered:
        (classes,) = numbered
        sure = [g for stem, g in groups.items() if _PROBABILITIES.fullmatch(_letters(stem))]
        has_all = len(sure) == 1 and sorted(sure[0]) == sorted(classes)
        order = sorted(classes)
        return tuple(classes[at] for at in order), tuple(sure[0][at] for at in order if has_all)
    alone = alone or [at for at, name in enumerate(headings) if name.lower() == _INDEX]
    sure_alone = [at for at, name in enumerate(headings) if _is_alone(name, _PROBABILITIES)]
    return tuple(alone), tuple(sure_alone) if alone and len(sure_alone) == 1 else ()


def _is_alone(name: str, pattern: re.Pattern[str]) -> bool:
    return pattern.fullmatch(_letters(name)) is not None and not re.search("[0-9]", name)


def _letters(name: str) -> str:
    return re.sub("[^a-z]", "", name.lower())
