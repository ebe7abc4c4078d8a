"""What an array without headings has: scores of all classes, or the most probable classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.labels.label_tables import is_class_heading, is_name_heading
from benchmarking.predictions.output_files.outputs import CLASSES, MOST_GUESSES, Outputs, Wanted

_BACKGROUND = CLASSES + 1
_IMAGENET_21K = (21_841, 21_843)
_SHOWN = 10  # arrays that an error names


def outputs_of(array: NDArray[Any], wanted: Wanted) -> Outputs:
    """The outputs in one array: (m, 1000) scores, or (m,) or (m, k) classes, best first.

    Raises:
        BenchmarkError: it is none of these; the message gives the reason.
    """
    if array.dtype.kind not in "iuf":
        raise BenchmarkError(f"it holds {array.dtype}, and outputs are numbers{_hint(array)}")
    if array.ndim not in (1, 2):
        is_flat = array.size == len(array) * CLASSES if array.ndim else False
        advice = f": save array.reshape(-1, {CLASSES})" if is_flat else ""
        raise BenchmarkError(
            f"it has shape {array.shape}; expected two axes, pictures and classes{advice}"
        )
    if array.ndim == 1 or array.shape[1] <= MOST_GUESSES:
        return Outputs(classes=_classes_in(array))
    check_width(array.shape[1], len(array))
    if array.dtype.kind != "f" and wanted.kind is None:
        raise BenchmarkError(
            f"it holds whole numbers ({array.dtype}) for {CLASSES} classes; say with --outputs "
            "what they are, logits or probabilities, or save classes with np.argmax(array, axis=1)"
        )
    return Outputs(scores=array)


def outputs_among(arrays: Mapping[str, NDArray[Any]], wanted: Wanted) -> Outputs:
    """The outputs among several arrays with names; also names of pictures and labels.

    Raises:
        BenchmarkError: none is one of outputs, or more than one.
    """
    others = {name: array for name, array in arrays.items() if name != wanted.array}
    names, labels = _names_among(others), _labels_among(others)
    rest = {name: array for name, array in arrays.items() if name not in (names, labels)}
    read = _pair_among(rest, wanted) or outputs_of(rest[_chosen(rest, labels, wanted)], wanted)
    unused = [name for name in rest if rest[name] is not read.scores]
    found = Outputs(
        read.scores,
        read.classes,
        read.probabilities,
        None if names is None else texts(arrays[names]),
        None if labels is None else arrays[labels].astype(np.int64),
        (f"note: arrays that were not read: {', '.join(unused)}",)
        if unused and read.scores is not None
        else (),
    )
    for what, name in (("names", names), ("labels", labels)):
        if name is not None and len(arrays[name]) != len(found):
            raise BenchmarkError(
                f"its array {name!r} has {len(arrays[name])} {what} for {len(found)} outputs"
            )
    return found


def check_width(width: int, rows: int) -> None:
    """Refuse scores of another number of classes than 1,000.

    Raises:
        BenchmarkError: it is another number; the message says what that may mean.
    """
    if width == CLASSES:
        return
    if width == _BACKGROUND:
        why = "the first one is probably the class 'background': save array[:, 1:]"
    elif width in _IMAGENET_21K:
        why = "these are the classes of ImageNet-21k: save the columns of ImageNet's 1,000 classes"
    elif rows == CLASSES:
        why = f"it has {CLASSES} rows, so it is probably transposed: save array.T"
    else:
        why = "map the model's classes to ImageNet's, in the order of their WordNet ids"
    raise BenchmarkError(f"it has {width:,} columns; expected {CLASSES}, one per class; {why}")


def checked_classes(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Classes from 0 to 999, (m, k); others are refused.

    Raises:
        BenchmarkError: a class is none of these; the message names its row.
    """
    wrong = np.flatnonzero(((classes < 0) | (classes >= CLASSES)).any(axis=1))
    if wrong.size:
        row = classes[wrong[0]]
        value = int(row[(row < 0) | (row >= CLASSES)][0])
        counted = classes.min() >= 1 and classes.max() == CLASSES
        hint = "; they are probably counted from 1: subtract 1" if counted else ""
        raise BenchmarkError(
            f"{value} in row {wrong[0]} is no class; expected 0 to {CLASSES - 1}{hint}"
        )
    return classes


def texts(array: NDArray[Any]) -> tuple[str, ...]:
    """The texts in an array of text or of bytes."""
    if array.dtype.kind == "S":
        return tuple(cell.decode("utf-8", "surrogateescape") for cell in array.ravel().tolist())
    return tuple(map(str, array.ravel().tolist()))


def _hint(array: NDArray[Any]) -> str:
    if array.dtype.kind == "V" and array.dtype.itemsize == 2:
        return "; if this is bfloat16, save it as float32"
    if array.dtype.kind == "b":
        return "; save classes with np.argmax(array, axis=1)"
    return "; names of pictures belong into --names" if array.dtype.kind in "US" else ""


def _classes_in(array: NDArray[Any]) -> NDArray[np.int64]:
    """Classes of each row, (m, k); whole numbers with a point are classes as well."""
    rows = array if array.ndim == 2 else array[:, None]
    if array.dtype.itemsize == 1:
        raise BenchmarkError(
            f"it holds {array.dtype}, which has no classes above {np.iinfo(array.dtype).max}; save "
            "the classes before they are cut off, as int64"
        )
    if array.dtype.kind == "f":
        finite = np.isfinite(rows)
        if not finite.all():
            row = int(np.flatnonzero(~finite.all(axis=1))[0])
            raise BenchmarkError(f"row {row} has NaN or infinity")
        if not np.array_equal(rows, np.floor(rows)):
            shape = f"of shape {array.shape}"
            raise BenchmarkError(
                f"it holds {array.dtype} {shape}, which are no classes; expected {CLASSES} columns "
                "of logits or probabilities. Probabilities of the best classes alone need these "
                "classes too: write both into a .npz or a .csv"
            )
    return checked_classes(rows.astype(np.int64))


def _names_among(arrays: Mapping[str, NDArray[Any]]) -> str | None:
    found = [name for name, one in arrays.items() if one.dtype.kind in "US" and one.ndim == 1]
    if len(found) > 1:
        found = [name for name in found if is_name_heading(name)] or found
    if len(found) > 1:
        raise BenchmarkError(f"its arrays {', '.join(found)} may all be names; keep one of them")
    return next(iter(found), None)


def _labels_among(arrays: Mapping[str, NDArray[Any]]) -> str | None:
    found = [
        name
        for name, one in arrays.items()
        if one.ndim == 1 and one.dtype.kind in "iu" and is_class_heading(name)
    ]
    return found[0] if len(found) == 1 else None


def _pair_among(arrays: Mapping[str, NDArray[Any]], wanted: Wanted) -> Outputs | None:
    """Classes and a probability for each, if the arrays are such a pair."""
    few = [one for one in arrays.values() if one.ndim == 2 and one.shape[1] <= MOST_GUESSES]
    if wanted.array is not None or len(few) != 2 or len(arrays) != 2:
        return None
    classes, probabilities = sorted(few, key=lambda one: one.dtype.kind == "f")
    is_pair = classes.dtype.kind in "iu" and probabilities.dtype.kind == "f"
    if not is_pair or classes.shape != probabilities.shape:
        return None
    return Outputs(classes=_classes_in(classes), probabilities=probabilities.astype(np.float64))


def _chosen(arrays: Mapping[str, NDArray[Any]], labels: str | None, wanted: Wanted) -> str:
    """The name of the array with the outputs; `labels` is that of the true classes."""
    shown = [f"{name} {one.shape}" for name, one in arrays.items()]
    listed = ", ".join([*shown[:_SHOWN], *["…"] * (len(shown) > _SHOWN)]) or "none"
    if wanted.array is not None:
        if wanted.array not in arrays:
            raise BenchmarkError(f"it has no array {wanted.array!r} of numbers; it has {listed}")
        return wanted.array
    full = [n for n, one in arrays.items() if one.ndim == 2 and one.shape[1] == CLASSES]
    found = full or list(arrays)
    if len(found) != 1:
        taken = f"; {labels!r} is taken for the true classes" if labels else ""
        raise BenchmarkError(
            f"choose the array of outputs with --array NAME; it has {listed}{taken}"
        )
    return found[0]
