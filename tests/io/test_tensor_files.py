"""Files of tensors are read as the library of their format reads them, and never mapped."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save, save_file

from benchmarking.io import tensor_files

TYPES = ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]
ARRAYS = {name: np.arange(12).reshape(3, 4).astype(name) for name in TYPES}


def test_tensors_of_every_type_and_metadata_are_those_of_the_library(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({**ARRAYS, "none": np.zeros((0, 5)), "one": np.array(3.5)}, path, {"a": "b é"})
    with tensor_files.opened(path) as file:
        assert file.metadata == {"a": "b é"}
        found = {name: file.tensor(name) for name in file.names}
        shapes = {name: file.shape(name) for name in file.names}
    expected = load_file(path)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
        assert shapes[name] == array.shape


@given(st.data())
def test_what_the_library_refuses_is_refused(tmp_path_factory, data):
    """One byte of the header is another one."""
    path = tmp_path_factory.mktemp("one") / "a.safetensors"
    whole = save({"a": np.ones((2, 3), np.float32), "b": np.ones(4, np.uint16)}, {"m": "x"})
    place = data.draw(st.integers(0, 7 + int.from_bytes(whole[:8], "little")))
    path.write_bytes(
        whole[:place] + data.draw(st.binary(min_size=1, max_size=1)) + whole[place + 1 :]
    )
    try:
        expected = load_file(path)
    except Exception:  # of several kinds
        with pytest.raises(ValueError), tensor_files.opened(path):  # noqa: PT011 - of msgspec too
            pass
        return
    with tensor_files.opened(path) as file:
        assert file.names == expected.keys()


def changed(offsets=(0, 24), shape=(2, 3), dtype="F32", more=b""):
    header = {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(24) + more


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "its header claims 0 bytes, and it has 0"),
        (b"\xff" * 8, "its header claims 18,446,744,073,709,551,615 bytes, and it has 8"),
        (changed(offsets=(4, 28)), "its tensors overlap, or leave a gap"),
        (changed(dtype="BF16"), "a is BF16, which is not supported"),
        (changed(more=b"more"), "its tensors have 24 bytes, and the file has 28 for them"),
        (changed(shape=(3, 3)), r"a is F32 of shape \(3, 3\) in 24 bytes"),
        (changed(shape=(-2, -3)), r"a is F32 of shape \(-2, -3\) in 24 bytes"),
        (changed(shape=(0, 2**64)), "a is F32 of shape"),
        (changed(shape=(2**63 - 1,) * 200_000), r"^a is F32 of shape \(922.{56} in 24 bytes$"),
        (changed(shape=(1,) * 65, offsets=(0, 4)), "a is F32 of shape"),
    ],
)
def test_a_file_that_lies_about_itself_is_refused(tmp_path, data, message):
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message), tensor_files.opened(path):
        pass


def test_a_file_that_another_program_truncates_is_an_error_and_not_the_end_of_the_process(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(ARRAYS, path)
    with tensor_files.opened(path) as file:
        path.write_bytes(b"")
        with pytest.raises(ValueError, match="another program has truncated it"):
            file.tensor("f8")
