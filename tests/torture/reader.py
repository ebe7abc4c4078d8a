"""What a fuzzed reader is, and what must hold of anything that one gives."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarking.labels.label_set import NO_CLASS, LabelSet
from benchmarking.pictures.image_set import Picture
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.top_k import TopK
from torture.seeds import Seed


@dataclass(frozen=True)
class Reader:
    """A reader of files from outside, or several of the same kind of file.

    Attributes:
        name: of the kind of file.
        seeds: valid files, given a folder for them and for what else has to be there.
        calls: each gets the path of a mutated file, and checks what is read from it.
        opens: whether bytes get past the header; may raise if not.
        words: dictionary of the format, for edits.
        named: what every error has to name, given the path; readers of bytes can name nothing.
    """

    name: str
    seeds: Callable[[Path], Iterable[Seed]]
    calls: Sequence[Callable[[Path], object]]
    opens: Callable[[bytes], object]
    words: Sequence[bytes] = ()
    named: Callable[[Path], object] = str


def check_guesses(said: TopK) -> None:
    """Classes are those of a store; probabilities are some, best first."""
    classes, sure = said.classes, said.probabilities
    assert classes.shape == sure.shape
    assert classes.dtype == np.uint16
    assert sure.dtype == np.float32
    assert ((sure >= 0) & (sure <= 1.001)).all()
    assert (sure[:, 1:] <= sure[:, :-1]).all()
    assert all(len(set(row)) == len(row) for row in classes.tolist())


def check_integers(found: np.ndarray) -> None:
    """A row of whole numbers."""
    assert found.ndim == 1
    assert found.dtype == np.int64


def check_labels(labels: LabelSet, n: int) -> None:
    """Each row is there at most once, with at least one class."""
    assert labels.rows.dtype == labels.classes.dtype == np.int64
    assert ((labels.rows >= 0) & (labels.rows < n)).all()
    assert len(set(labels.rows.tolist())) == len(labels.rows) == len(labels.classes) > 0
    assert (labels.classes[:, 0] >= 0).all()
    assert ((labels.classes >= NO_CLASS) & (labels.classes < 2**16)).all()


def check_provenance(made: Provenance) -> None:
    """All that others ask of it has the type that it says."""
    assert isinstance(made.fingerprint, str)
    assert isinstance(made.is_random, bool)
    for name, value in asdict(made).items():
        if name in ("weights", "preprocessing", "images", "versions", "origin"):
            assert isinstance(value, dict), name
        if name in ("platform", "device", "precision", "executor", "started"):
            assert isinstance(value, str), name
        if name in ("batch_size", "process_id"):
            assert value is None or type(value) is int, name
    assert made.seconds is None or type(made.seconds) in (int, float)
    assert all(type(side) is int for shape in made.input_shapes for side in shape)
    assert all(isinstance(argument, str) for argument in made.arguments)


def check_pictures(pictures: Iterable[Picture], path: Path) -> None:
    """What is said to be in the file is."""
    size = path.stat().st_size
    for picture in pictures:
        part = picture.place
        assert part.size is not None
        assert 0 <= part.offset <= part.offset + part.size <= size
        assert len(picture.read()) == part.size


def remove(folder: Path) -> None:
    """A folder and all that is in it, if it is there."""
    if folder.exists():
        shutil.rmtree(folder)


def past_npy(data: bytes) -> bool:
    """Whether NumPy can parse the header."""
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file)[0] == 1:
        np.lib.format.read_array_header_1_0(file)
    else:
        np.lib.format.read_array_header_2_0(file)
    return True


def past_json(data: bytes) -> bool:
    """Whether it is JSON."""
    json.loads(data.decode())
    return True


def past_csv(data: bytes) -> bool:
    """Whether it is text with a line of several cells."""
    return any(len(line) > 1 for line in csv.reader(io.StringIO(data.decode(), newline="")))
