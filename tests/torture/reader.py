"""Fuzzed readers, and checks that must hold for all their results."""

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
    """One or several readers of the same kind of untrusted file.

    Attributes:
        name: name of the kind of file.
        seeds: returns valid files, given a folder for them and for other needed files.
        calls: functions that read a mutated file, given its path, and check the result.
        opens: whether the header of the bytes can be parsed; may raise if not.
        words: dictionary of the format, for edits.
        named: text that every error must contain, given the path; readers of bytes name nothing.
    """

    name: str
    seeds: Callable[[Path], Iterable[Seed]]
    calls: Sequence[Callable[[Path], object]]
    opens: Callable[[bytes], object]
    words: Sequence[bytes] = ()
    named: Callable[[Path], object] = str


def check_guesses(said: TopK) -> None:
    """Check that classes fit into a store, and that probabilities are valid, best first."""
    classes, sure = said.classes, said.probabilities
    assert classes.shape == sure.shape
    assert classes.dtype == np.uint16
    assert sure.dtype == np.float32
    assert ((sure >= 0) & (sure <= 1.001)).all()
    assert (sure[:, 1:] <= sure[:, :-1]).all()
    assert all(len(set(row)) == len(row) for row in classes.tolist())


def check_integers(found: np.ndarray) -> None:
    """Check for a one-dimensional array of integers."""
    assert found.ndim == 1
    assert found.dtype == np.int64


def check_labels(labels: LabelSet, n: int) -> None:
    """Check that each row occurs at most once, with at least one class."""
    assert labels.rows.dtype == labels.classes.dtype == np.int64
    assert ((labels.rows >= 0) & (labels.rows < n)).all()
    assert len(set(labels.rows.tolist())) == len(labels.rows) == len(labels.classes) > 0
    assert (labels.classes[:, 0] >= 0).all()
    assert ((labels.classes >= NO_CLASS) & (labels.classes < 2**16)).all()


def check_provenance(made: Provenance) -> None:
    """Check that all used fields have their declared types."""
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
    """Check that the file really has the listed pictures."""
    size = path.stat().st_size
    for picture in pictures:
        part = picture.place
        assert part.size is not None
        assert 0 <= part.offset <= part.offset + part.size <= size
        assert len(picture.read()) == part.size


def remove(folder: Path) -> None:
    """Remove a folder and its contents, if it exists."""
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
