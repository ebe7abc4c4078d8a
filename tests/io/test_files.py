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


def test_a_file_that_is_too_large_for_memory_is_refused_and_not_truncated(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(bytes(11))
    assert files.read_regular(path, most=11) == bytes(11)
    with pytest.raises(OSError, match="it has 11 bytes, and no more than 10 are read"):
        files.read_regular(path, most=10)


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


def test_an_output_that_is_a_device_or_a_pipe_is_written_into(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write_output(pipe, b"data" * 10)
    assert os.read(reader, 100) == b"data" * 10
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_an_output_that_is_a_device_is_written_into_and_stays_one(tmp_path):
    device, link = tmp_path / "null", tmp_path / "link"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))  # like /dev/null
    except PermissionError:
        pytest.skip("a device can be made by root alone")
    link.symlink_to(device)
    for path in (device, link):
        files.write_output(path, b"data")
        assert stat.S_ISCHR(device.stat().st_mode)
    assert link.is_symlink()


def test_an_output_that_is_an_open_file_is_appended_to(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"earlier, ")
    with log.open("ab") as file:
        files.write_output(Path(f"/dev/fd/{file.fileno()}"), b"later")
    assert log.read_bytes() == b"earlier, later"


def test_an_output_that_is_an_open_pipe_is_written_into():
    reader, writer = os.pipe()
    files.write_output(Path(f"/dev/fd/{writer}"), b"data")
    assert os.read(reader, 100) == b"data"
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("exists", [True, False])
def test_an_output_that_is_a_link_is_followed_to_its_target(tmp_path, exists):
    target, link = tmp_path / "elsewhere" / "t.md", tmp_path / "t.md"
    target.parent.mkdir()
    if exists:
        target.write_bytes(b"old")
    link.symlink_to(target)
    files.write_output(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert [path.name for path in target.parent.iterdir()] == ["t.md"]


def test_a_file_that_is_replaced_keeps_its_mode_and_owner(tmp_path):
    path = tmp_path / "t.md"
    path.write_bytes(b"old")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 1235)
    before = path.stat()
    files.write_output(path, b"new")
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        *(before.st_mode, before.st_uid, before.st_gid),
    )
    assert path.read_bytes() == b"new"


def test_within_a_folder_of_ours_a_link_is_replaced_and_never_followed(tmp_path):
    mine, link = tmp_path / "mine", tmp_path / "store" / "run"
    mine.write_bytes(b"precious")
    link.parent.mkdir()
    link.symlink_to(mine)
    files.write(link, b"data")
    assert mine.read_bytes() == b"precious"
    assert not link.is_symlink()


def test_part_files_of_killed_processes_are_removed_but_not_those_being_written(tmp_path):
    left = tmp_path / ".t.md.0123456789abcdef.part"
    left.write_bytes(b"half")
    with files.replacing(tmp_path / "t.md") as file:
        file.write(b"first")
        being_written = Path(file.name)
        files.write(tmp_path / "t.md", b"second")
        assert being_written.exists()
        assert not left.exists()
    assert (tmp_path / "t.md").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["t.md"]


def test_a_part_file_that_is_a_link_or_a_pipe_does_no_harm(tmp_path):
    mine = tmp_path / "mine"
    mine.write_bytes(b"precious")
    (tmp_path / f".t.md.{os.getpid()}.part").symlink_to(mine)
    os.mkfifo(tmp_path / ".t.md.0.part")
    files.write(tmp_path / "t.md", b"data")
    assert mine.read_bytes() == b"precious"
    assert (tmp_path / "t.md").read_bytes() == b"data"


def test_a_part_file_of_another_program_is_not_removed(tmp_path):
    theirs = tmp_path / ".t.md.notes.part"
    theirs.write_bytes(b"precious")
    files.write(tmp_path / "t.md", b"data")
    assert theirs.read_bytes() == b"precious"


def test_a_name_of_255_bytes_can_be_written(tmp_path):
    path = tmp_path / ("ä" * 126 + ".md")
    files.write(path, b"data")
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
