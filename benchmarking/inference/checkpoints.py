"""Checkpoints: the computed rows of a run that is not complete yet, in a hidden folder.

The folder has a file for each checkpoint, `{first row}.npz`: the arrays of consecutive rows and a
JSON text with the conditions under which they were computed. A checkpoint that is damaged, or was
computed under other conditions, is ignored, and its rows are computed again.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from benchmarking.inference.job import Done, Environment
from benchmarking.io import files
from benchmarking.models.spec import Probabilities
from benchmarking.predictions.top_k import TopK, check_probabilities

_SUFFIX = ".npz"
_NAME = re.compile(rf"\d{{9,}}{re.escape(_SUFFIX)}")
# Names in the JSON text, the same as in an earlier version.
_STORED_AS = {"ingredients": "made_with", "environment": "setting"}


@dataclass(frozen=True)
class Conditions:
    """The conditions under which rows were computed.

    Attributes:
        ingredients: weights, recipe and pictures; rows are used again only if these are the same.
        environment: the environment that the model ran in.
        input_shapes: distinct input shapes so far.
        started: when the run was started, in UTC, ISO 8601.
        seconds: time that the run has taken so far.
        incidents: events so far, such as an interruption, in words.
    """

    ingredients: Mapping[str, Any]
    environment: Environment
    input_shapes: tuple[tuple[int, ...], ...]
    started: str
    seconds: float
    incidents: tuple[str, ...]

    def as_text(self) -> str:
        """The conditions as JSON text."""
        return json.dumps({_STORED_AS.get(name, name): v for name, v in asdict(self).items()})

    @classmethod
    def from_text(cls, text: str) -> Conditions:
        """The inverse of `as_text`.

        Raises:
            ValueError: the text is not JSON, or does not describe conditions.
        """
        import msgspec

        document = msgspec.json.decode(text, type=dict[str, Any])
        names = {stored: name for name, stored in _STORED_AS.items()}
        parts = {names.get(name, name): value for name, value in document.items()}
        found = msgspec.convert(parts, cls)
        # Unknown fields, of another version, may decide whether the rows can be used.
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
        first: row of the first picture.
        top: the five most probable classes of each picture.
        probabilities: (n, classes), or None if they are not kept.
        conditions: how they were computed.
        restricted: see `Part`.
    """

    first: int
    top: TopK
    probabilities: Probabilities | None
    conditions: Conditions
    restricted: TopK | None = None

    @property
    def rows(self) -> range:
        """Rows of its pictures."""
        return range(self.first, self.first + len(self.top))

    @property
    def done(self) -> Done:
        """Its rows and environment, as a job needs them."""
        return Done(self.rows, self.conditions.environment)


@dataclass(frozen=True)
class Checkpoints:
    """The folder of one run's checkpoints."""

    folder: Path

    def __len__(self) -> int:
        return len(self._paths())

    def read(self, ingredients: Mapping[str, Any], n: int) -> list[Checkpoint]:
        """Read the checkpoints with these ingredients, by row and without overlap, of n rows."""
        return self.matching(lambda found: found.ingredients == ingredients, n)

    def matching(self, fits: Callable[[Conditions], bool], n: int) -> list[Checkpoint]:
        """Read the checkpoints whose conditions fit, by row and without overlap, of n rows."""
        found: list[Checkpoint] = []
        end = 0
        for path in self._paths():
            try:
                checkpoint = _read(path)
            except Exception:  # noqa: S112 - NumPy may raise anything for a damaged file
                continue
            rows = checkpoint.rows
            if fits(checkpoint.conditions) and rows and end <= rows.start and rows.stop <= n:
                found.append(checkpoint)
                end = rows.stop
        return found

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint.

        Raises:
            BenchmarkError: it cannot be written.
        """
        arrays: dict[str, Any] = {
            "top5_index": checkpoint.top.classes,
            "top5_prob": checkpoint.top.probabilities,
        }
        if checkpoint.probabilities is not None:
            arrays["probabilities"] = checkpoint.probabilities
        if checkpoint.restricted is not None:
            arrays["restricted_index"] = checkpoint.restricted.classes
            arrays["restricted_prob"] = checkpoint.restricted.probabilities
        data = BytesIO()
        np.savez(data, **arrays, document=np.array(checkpoint.conditions.as_text()))
        files.write(self.folder / f"{checkpoint.first:09}{_SUFFIX}", data.getvalue())

    def clear(self) -> None:
        """Remove every checkpoint, so that the run is computed from its first row again."""
        for path in self._paths():
            path.unlink(missing_ok=True)
        if not self.folder.is_symlink():
            files.sweep_up_folder(self.folder)

    def tidy(self) -> None:
        """Remove the folder if it has no checkpoint."""
        if not self._paths():
            self.discard()

    def discard(self) -> None:
        """Remove checkpoints and lock of a complete run, and the folder if it is empty then."""
        self.clear()
        with suppress(OSError):
            (self.folder / "lock").unlink(missing_ok=True)
            self.folder.rmdir()

    def _paths(self) -> list[Path]:
        """Files of checkpoints, by row; files with other names are ignored."""
        if os.path.islink(self.folder):  # noqa: PTH114 - False if permissions hide it
            return []
        found = (path for path in self.folder.glob(f"*{_SUFFIX}") if _NAME.fullmatch(path.name))
        return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _read(path: Path) -> Checkpoint:
    data = files.read_regular(path)
    with ZipFile(BytesIO(data)) as members:
        if any(member.compress_type != ZIP_STORED for member in members.infolist()):
            raise ValueError("it is compressed, so it could be larger than the memory")
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}  # the zip's CRC-32 of each is checked
    conditions = Conditions.from_text(str(found["document"]))
    top = TopK(found["top5_index"], found["top5_prob"])
    probabilities = found.get("probabilities")
    if top.classes.dtype.kind not in "iu":
        raise ValueError("classes have to be whole numbers")
    if probabilities is not None:
        check_probabilities(probabilities)
        if len(probabilities) != len(top):
            raise ValueError(f"{len(probabilities)} rows of probabilities for {len(top)} pictures")
    return Checkpoint(int(path.stem), top, probabilities, conditions, _restricted(found, len(top)))


def _restricted(found: Mapping[str, Any], n: int) -> TopK | None:
    """The predictions among the classes of the image set, if they are kept."""
    if "restricted_index" not in found:
        return None
    restricted = TopK(found["restricted_index"], found["restricted_prob"])
    if len(restricted) != n or restricted.classes.dtype.kind not in "iu":
        raise ValueError(f"{len(restricted)} predictions among few classes for {n} pictures")
    return restricted
