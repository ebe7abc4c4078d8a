"""Damaged and hostile files: readers return valid data or raise one of our errors."""

import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from benchmarking.errors import BenchmarkError
from torture import limits
from torture.input_readers import INPUTS
from torture.model_readers import MODELS
from torture.mutations import Mutation, mutated, mutations
from torture.reader import Reader
from torture.stored_readers import STORED
from torture.tally import record

SECONDS = 5
"""Time limit for reading one file of a few hundred bytes, on a machine with other load."""


@dataclass
class Count:
    """Numbers of mutations by result."""

    tried: int = 0
    opened: int = 0
    survived: int = 0


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in memory if possible, where writing is ten times as fast as on a disk."""
    monkeypatch.setattr(os, "sync", lambda: None)
    # It would count all 50,000 validation pictures for every tar.
    monkeypatch.setattr("benchmarking.pictures.doctor._file_names._missing", lambda numbers: [])
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else tmp_path))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("reader", [*STORED, *INPUTS, *MODELS], ids=lambda reader: reader.name)
def test_a_mutated_file_is_read_soundly_or_refused_by_name(reader, place, full):
    seeds = list(reader.seeds(place))
    for seed in seeds:
        seed.path.write_bytes(seed.data)
        assert reader.opens(seed.data)
        assert "" in [_refusal(call, seed.path) for call in reader.calls]
    count = Count()

    @settings(
        max_examples=10_000 if full else 300,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutation=mutations())
    def every_mutation(mutation: Mutation) -> None:
        data = mutated(mutation, seeds, reader.words)
        path = seeds[mutation.seed % len(seeds)].path
        path.write_bytes(data)
        count.tried += 1
        count.opened += _opens(reader, data)
        with warnings.catch_warnings(), limits.memory():
            # A warning is an error in these tests, but not for users.
            warnings.simplefilter("error" if mutation.seed & 128 else "ignore")
            refusals = [_refusal(call, path) for call in reader.calls]
        assert all(str(reader.named(path)) in refusal for refusal in refusals if refusal)
        count.survived += 1

    try:
        every_mutation()
    finally:
        lost = count.tried - count.survived
        note = f"{count.opened / count.tried:.0%} past the header".replace("%", " %")
        record(
            f"mutated: {reader.name}",
            tried=count.tried,
            survived=count.survived,
            lost=lost,
            note=note,
        )


def _opens(reader: Reader, data: bytes) -> bool:
    """Whether the underlying library can parse the header."""
    try:
        with warnings.catch_warnings(), limits.memory():
            warnings.simplefilter("ignore")
            return bool(reader.opens(data))
    except Exception:
        return False


def _refusal(call: Callable[[Path], object], path: Path) -> str:
    """Why a call refuses a file; empty if it returns valid data. Both must be fast."""
    begun, refusal = time.perf_counter(), ""
    try:
        with limits.seconds(SECONDS):
            call(path)
    except BenchmarkError as error:
        refusal = str(error)
    assert time.perf_counter() - begun < SECONDS  # library code cannot be interrupted
    return refusal
