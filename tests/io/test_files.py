import os
import stat
from pathlib import Path

import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.io import files


def test_a_file_is_synced_before_it_gets_its_name_and_its_folder_after(tmp_path, monkeypatch):
    steps = []
    sync, rename = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append("sync"), sync(handle)))
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (steps.append("rename"), rename(self, to))[1]
    )
    files.write(tmp_path / "new" / "file", b"data")
    assert steps == ["sync", "rename", "sync"]
    assert (tmp_path / "new" / "file").read_bytes() == b"data"


def test_a_folder_that_cannot_be_synced_does_not_undo_a_write(tmp_path, monkeypatch):
    sync = os.fsync

    def files_only(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(22, "Invalid argument")
        sync(handle)

    monkeypatch.setattr(os, "fsync", files_only)
    files.write(tmp_path / "file", b"data")
    assert (tmp_path / "file").read_bytes() == b"data"


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BenchmarkError, match="cannot be written: File exists"):
        files.write(tmp_path / "file" / "inside", b"data")


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(call, fail)
    with pytest.raises(BenchmarkError, match="file cannot be written: No space left on device"):
        files.write(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"
