"""Predictions shown as pictures with probabilities: a sheet as PNG, SVG, PDF or an offline page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, requires
from benchmarking.io.printable import printable
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.thumbnail import thumbnail
from benchmarking.reports.figures import Drawing

MOST = 24
"""Default number of pictures on a sheet."""

_COLUMNS, _SIDE, _GAP, _LINE = 6, 128, 20, 15  # pictures beside each other; sizes in pixels
_GUESSES = 3  # classes that are named for each picture
_LIMIT = _SIDE + _GAP - 8  # width of a text


def predictions_sheet(
    pictures: Sequence[Picture],
    classes: Sequence[str],
    probabilities: NDArray[np.floating[Any]],
    *,
    about: str = "",
    most: int = MOST,
) -> Drawing:
    """Some pictures with their classes and the most probable predictions.

    The result shows itself in a notebook; `save("sheet.png")` or `save("sheet.html")` writes it.
    Names from folders and files are only text in it.

    Args:
        pictures: the pictures, with indices of classes as labels.
        classes: names of the classes.
        probabilities: predictions for the pictures, (n, classes), each in [0, 1].
        about: what predicted, such as the name of the model.
        most: largest number of pictures; see `chosen`.

    Raises:
        BenchmarkError: the arguments do not fit together.
        PictureError: a picture cannot be read.
        MissingDependency: Altair is not installed.
    """
    if probabilities.shape != (len(pictures), len(classes)):
        raise BenchmarkError(
            f"probabilities have shape {probabilities.shape}; expected ({len(pictures)}, "
            f"{len(classes)}), a line for each picture and a column for each class."
        )
    labels = np.array([picture.label for picture in pictures])
    rows = chosen(labels, probabilities, most)
    wrong = int((probabilities.argmax(axis=1) != labels).sum())
    shown = int((probabilities[rows].argmax(axis=1) != labels[rows]).sum())
    notes = (
        f"{wrong:,} of {len(labels):,} predictions are wrong. Shown are the {shown} most confident "
        f"of these, then {len(rows) - shown} right ones, evenly spaced over the classes.",
        "Below each picture: its class, then the most probable classes.",
    )
    records = [
        record
        for place, row in enumerate(rows.tolist())
        for record in _records(place, pictures[row], classes, probabilities[row])
    ]
    title = f"Predictions of {about}" if about else "Predictions"
    return Drawing("predictions", title, notes, _chart(records, len(rows)).to_dict())


def chosen(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]], most: int
) -> NDArray[np.int64]:
    """Rows to show: up to half are the most confident mistakes, the others right predictions.

    Args:
        labels: true class of each row, (n,).
        probabilities: (n, classes).
        most: largest number of rows.

    >>> sure = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    >>> chosen(np.array([0, 0, 0, 1]), sure, most=3)
    array([2, 0, 3])
    """
    guesses, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong, right = np.flatnonzero(guesses != labels), np.flatnonzero(guesses == labels)
    taken = wrong[np.argsort(-sure[wrong], kind="stable")][: max(most // 2, most - len(right))]
    right = right[np.argsort(labels[right], kind="stable")]
    n = min(most - len(taken), len(right))
    return np.concatenate([taken, right[np.arange(n) * len(right) // max(1, n)]]).astype(np.int64)


def _records(
    place: int,
    picture: Picture,
    classes: Sequence[str],
    probabilities: NDArray[np.floating[Any]],
) -> list[dict[str, Any]]:
    """What is drawn of a picture: itself, then a line of text for each class that is named."""
    row, column = divmod(place, _COLUMNS)
    x = column * (_SIDE + _GAP)
    y = row * _height(len(classes))
    small = base64.b64encode(thumbnail(picture.read(), 2 * _SIDE)).decode()
    right = int(probabilities.argmax()) == picture.label
    found: list[dict[str, Any]] = [
        {"x": x, "y": y, "kind": "picture", "url": f"data:image/jpeg;base64,{small}"}
        | {"picture": printable(picture.key)}
    ]
    texts = [(printable(classes[picture.label]), "class")]
    best = np.argsort(-probabilities, kind="stable")[:_GUESSES].tolist()
    verdicts = ["right" if right else "wrong", *["other"] * _GUESSES]
    texts += [
        (f"{100 * probabilities[one]:.1f} % {printable(classes[one])}", verdict)
        for one, verdict in zip(best, verdicts, strict=False)
    ]
    for line, (text, kind) in enumerate(texts):
        below = y + _SIDE + (line + 1) * _LINE
        found.append({"x": x, "y": below, "kind": kind, "text": text})
    return found


def _height(classes: int) -> int:
    """Height of a picture with its text and the gap below, in pixels."""
    return _SIDE + (min(classes, _GUESSES) + 1) * _LINE + _GAP


def _chart(records: Sequence[dict[str, Any]], n: int) -> Any:
    with requires("report"):
        import altair as alt

    columns, lines = min(n, _COLUMNS), -(-n // _COLUMNS)
    classes = sum("text" in one for one in records) // n - 1
    width, height = columns * (_SIDE + _GAP), lines * _height(classes)
    ends = {"x": alt.Scale(domain=[0, width]), "y": alt.Scale(domain=[height, 0])}
    place = {
        "x": alt.X("x:Q", axis=None, scale=ends["x"]),
        "y": alt.Y("y:Q", axis=None, scale=ends["y"]),
    }
    verdict = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=["right", "wrong"]),
        legend=alt.Legend(title="most probable class", orient="top"),
    )

    def of_kind(*kinds: str) -> Any:
        return alt.Chart(
            alt.InlineData(values=[one for one in records if one["kind"] in kinds])
        ).encode(**place)

    text = {"align": "left", "baseline": "bottom", "limit": _LIMIT}
    layers = [
        of_kind("picture")
        .mark_image(width=_SIDE, height=_SIDE, align="left", baseline="top")
        .encode(url="url:N", tooltip="picture:N"),
        of_kind("class").mark_text(fontWeight="bold", **text).encode(text="text:N"),
        of_kind("other").mark_text(**text).encode(text="text:N"),
        of_kind("right", "wrong").mark_text(**text).encode(text="text:N", color=verdict),
    ]
    return alt.layer(*layers).properties(width=width, height=height)
