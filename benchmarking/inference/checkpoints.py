"""Checkpoints: the rows of a run that are computed while it is not complete, in a hidden folder.

The folder holds a file for each checkpoint, `{first row}.npz`: the arrays of consecutive rows and a
JSON text with the conditions under which they were computed. A checkpoint that is damaged, or was
computed under other conditions, is left out, and its rows are computed again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from benchmarking.inference.job import Done, Environment
from benchmarking.io import files
from benchmarking.models.spec import Probabilities
from benchmarking.predictions.top_k import TopK, check_probabilities

_SUFFIX = ".npz"
_NAME = re.compile(rf"\d{{9,}}{re.escape(_SUFFIX)}")
# Names in the JSON text, which an earlier version wrote as well.
_STORED_AS = {"ingredients": "made_with", "environment": "setting"}


@dataclass(frozen=True)
class Conditions:
    """How rows were computed.

    Attributes:
        ingredients: what must be the same for them to be used: weights, recipe, pictures.
        environment: what the model ran on.
        input_shapes: distinct ones that the model was given so far.
        started: when the run was begun, in UTC, ISO 8601.
        seconds: that it has taken so far.
        incidents: what happened so far, in words.
    """

    ingredients: Mapping[str, Any]
    environment: Environment
    input_shapes: tuple[tuple[int, ...], ...]
    started: str
    seconds: float
    incidents: tuple[str, ...]

    def as_text(self) -> str:
        """As JSON."""
        return json.dumps({_STORED_AS.get(name, name): v for name, v in asdict(self).items()})

    @classmethod
    def from_text(cls, text: str) -> Conditions:
        """The inverse of `as_text`.

        Raises:
            ValueError: the text is no JSON, or describes something else.
        """
        import msgspec

        document = msgspec.json.decode(text, type=dict[str, Any])
        names = {stored: name for name, stored in _STORED_AS.items()}
        parts = {names.get(name, name): value for name, value in document.items()}
        found = msgspec.convert(parts, cls)
        # What another version records may decide whether the rows can be used.
        if (
            parts.keys() - vars(found).keys()
            or parts["environment"].keys() - vars(found.environment).keys()
        ):
            raise ValueError("conditions of another version")
        if found.environment.batch_size < 1:
            raise ValueError("a batch has one picture or more")
        return found


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Predictions of consecutive pictures that are kept on disk.

    Attributes:
        first: row of the first.
        top: the five most probable classes of each.
        probabilities: (n, classes), or None where they are not kept.
        conditions: how they were computed.
    """

    first: int
    top: TopK
    probabilities: Probabilities | None
    conditions: Conditions

    @property
    def rows(self) -> range:
        """Of its pictures."""
        return range(self.first, self.first + len(self.top))

    @property
    def done(self) -> Done:
        """What a job has to know of it."""
        return Done(self.rows, self.conditions.environment)


@dataclass(frozen=True)
class Checkpoints:
    """The folder of one run's checkpoints."""

    folder: Path

    def __len__(self) -> int:
        return len(self._paths())

    def read(self, ingredients: Mapping[str, Any], n: int) -> list[Checkpoint]:
        """Checkpoints with these ingredients, by row, without overlap, within a run of n rows."""
        found: list[Checkpoint] = []
        end = 0
        for path in self._paths():
            try:
                checkpoint = _read(path)
            except Exception:  # noqa: S112 - whatever a damaged file provokes in NumPy's readers
                continue
            rows = checkpoint.rows
            fits = checkpoint.conditions.ingredients == ingredients
            if fits and rows and end <= rows.start and rows.stop <= n:
                found.append(checkpoint)
                end = rows.stop
        return found

    def keep(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint.

        Raises:
            BenchmarkError: it cannot be written.
        """
        arrays: dict[str, Any] = {
            "top5_index": checkpoint.top.classes,
            "top5_prob": checkpoint.top.probabilities,
        }
        if checkpoint.probabilities is not None:
            arrays["probabilities"] = checkpoint.probabilities
        data = BytesIO()
        np.savez(data, **arrays, document=np.array(checkpoint.conditions.as_text()))
        files.write(self.folder / f"{checkpoint.first:09}{_SUFFIX}", data.getvalue())

    def clear(self) -> None:
        """Remove every checkpoint: the run is computed from its first row again."""
        for path in self._paths():
            path.unlink(missing_ok=True)
            files.sweep_up(path)

    def tidy(self) -> None:
        """Remove the folder if there is no checkpoint in it."""
        if not self._paths():
            self.discard()

    def discard(self) -> None:
        """Remove what is ours, and the folder if nothing else is in it: the run is complete."""
        self.clear()
        with suppress(OSError):
            (self.folder / "lock").unlink(missing_ok=True)
            self.folder.rmdir()

    def _paths(self) -> list[Path]:
        """Files of checkpoints, by row; those of another name were not made here."""
        if self.folder.is_symlink():
            return []
        found = (path for path in self.folder.glob(f"*{_SUFFIX}") if _NAME.fullmatch(path.name))
        return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _read(path: Path) -> Checkpoint:
    with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}  # each checked by the zip's CRC-32
    conditions = Conditions.from_text(str(found["document"]))
    top = TopK(found["top5_index"], found["top5_prob"])
    probabilities = found.get("probabilities")
    if top.classes.dtype.kind not in "iu":
        raise ValueError("classes have to be whole numbers")
    if probabilities is not None:
        check_probabilities(probabilities)
        if len(probabilities) != len(top):
            raise ValueError(f"{len(probabilities)} rows of probabilities for {len(top)} pictures")
    return Checkpoint(int(path.stem), top, probabilities, conditions)
