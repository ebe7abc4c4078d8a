"""Arrays in .npy files: small ones are read, and large ones mapped."""

import numpy as np
import pytest

from benchmarking.errors import StoreError
from benchmarking.io import npy_files
from benchmarking.io.npy_files import read_array

ALL_KINDS = "biufcSUVmM"
ARRAYS = {
    "one row": np.arange(5),
    "columns first": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "other bytes first": np.arange(6, dtype=">i4").reshape(2, 3),
    "text": np.array([["a", "bé"], ["c", "d"]]),
    "a number": np.array(3.5),
    "days": np.array(["2026-01-01"], dtype="M8[D]"),
    "records": np.zeros(3, dtype=[("a", "<i8"), ("b", "S3")]),
    "nothing": np.zeros((0, 5), np.float16),
}


@pytest.mark.parametrize("most", [0, 2**26])
@pytest.mark.parametrize("what", ARRAYS)
def test_arrays_are_those_that_were_saved_whether_read_or_mapped(tmp_path, monkeypatch, most, what):
    monkeypatch.setattr(npy_files, "_MOST_READ", most)
    np.save(tmp_path / "a.npy", ARRAYS[what])
    found = read_array(tmp_path / "a.npy", ALL_KINDS)
    np.testing.assert_array_equal(found, ARRAYS[what], strict=True)


def test_a_file_that_another_program_truncates_later_changes_no_small_array(tmp_path):
    """With a memory map, the system would kill this process."""
    np.save(tmp_path / "a.npy", np.arange(5))
    found = read_array(tmp_path / "a.npy", "i")
    (tmp_path / "a.npy").write_bytes(b"")
    assert found.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("shape", ["(-1, 5)", "(-2, -5)"])
def test_a_shape_with_sides_below_zero_is_refused(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros((2, 5)))
    data = (tmp_path / "a.npy").read_bytes()
    spaces = " " * (len(shape) - len("(2, 5)"))
    changed = data.replace(b"(2, 5), }" + spaces.encode(), f"{shape}, }}".encode())
    assert len(changed) == len(data)
    (tmp_path / "a.npy").write_bytes(changed)
    with pytest.raises(StoreError, match=r"a.npy is no whole .npy file: its shape is \(-"):
        read_array(tmp_path / "a.npy", "f")
