"""What is done of a run that is not complete yet, kept in a folder beside the runs.

The folder holds pieces, one file each, `{first row}.npz`: the arrays of `Piece` and a JSON text
that says what they were made with. A piece that is damaged or made otherwise ends what is of use.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from benchmarking import files
from benchmarking.jobs import Setting
from benchmarking.predictions import TopK, check_probabilities
from benchmarking.specs import Probabilities

_SUFFIX = ".npz"


@dataclass(frozen=True)
class Circumstances:
    """How a piece came about.

    Attributes:
        made_with: what must be the same for the piece to be of use: weights, recipe, pictures.
        setting: what the model ran on.
        input_shapes: distinct ones that the model was given so far.
        started: when the run was begun, in UTC, ISO 8601.
        seconds: that it has taken so far.
        incidents: what happened so far, in words.
    """

    made_with: Mapping[str, Any]
    setting: Setting
    input_shapes: tuple[tuple[int, ...], ...]
    started: str
    seconds: float
    incidents: tuple[str, ...]

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Circumstances:
        """What `dataclasses.asdict` and JSON made of them; TypeError, LookupError if another's."""
        return cls(
            **{
                **document,
                "setting": Setting(**document["setting"]),
                "input_shapes": tuple(map(tuple, document["input_shapes"])),
                "incidents": tuple(document["incidents"]),
            }
        )


@dataclass(frozen=True, eq=False)
class Piece:
    """Answers to consecutive pictures.

    Attributes:
        first: row of the first.
        top: the five most probable classes of each.
        probabilities: (n, classes), or None where they are not kept.
        circumstances: how it came about.
    """

    first: int
    top: TopK
    probabilities: Probabilities | None
    circumstances: Circumstances


@dataclass(frozen=True)
class Unfinished:
    """The folder of one run's pieces."""

    folder: Path

    def pieces(self, made_with: Mapping[str, Any]) -> list[Piece]:
        """Pieces from row 0 on, without a gap, all made with these ingredients."""
        found: list[Piece] = []
        rows = 0
        for path in sorted(self.folder.glob(f"[0-9]*{_SUFFIX}")):
            try:
                piece = _read(path)
            except Exception:  # whatever a damaged piece provokes, in NumPy's many readers
                break
            if piece.first != rows or piece.circumstances.made_with != made_with:
                break
            found.append(piece)
            rows += len(piece.top)
        return found

    def keep(self, piece: Piece) -> None:
        """Add a piece; a first one takes the place of whatever there was.

        Raises:
            BenchmarkError: it cannot be written.
        """
        if piece.first == 0:
            for path in self.folder.glob(f"[0-9]*{_SUFFIX}"):
                path.unlink(missing_ok=True)
        arrays: dict[str, Any] = {
            "top5_index": piece.top.classes,
            "top5_prob": piece.top.probabilities,
        }
        if piece.probabilities is not None:
            arrays["probabilities"] = piece.probabilities
        document = json.dumps(asdict(piece.circumstances))
        data = BytesIO()
        np.savez(data, **arrays, document=np.array(document))
        files.write(self.folder / f"{piece.first:09}{_SUFFIX}", data.getvalue())

    def tidy(self) -> None:
        """Remove the folder if there is nothing of use in it."""
        if not any(self.folder.glob(f"[0-9]*{_SUFFIX}")):
            self.discard()

    def discard(self) -> None:
        """Remove it all: the run is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _read(path: Path) -> Piece:
    with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}  # each checked by the zip's CRC-32
    circumstances = Circumstances.from_document(json.loads(str(found["document"])))
    top = TopK(found["top5_index"], found["top5_prob"])
    probabilities = found.get("probabilities")
    if top.classes.dtype.kind not in "iu" or type(circumstances.setting.batch_size) is not int:
        raise ValueError("classes and the batch's size have to be whole numbers")
    if circumstances.setting.batch_size < 1:
        raise ValueError("there is no such batch")
    if probabilities is not None:
        check_probabilities(probabilities)
        if len(probabilities) != len(top):
            raise ValueError(f"{len(probabilities)} rows of probabilities for {len(top)} pictures")
    return Piece(int(path.stem), top, probabilities, circumstances)
