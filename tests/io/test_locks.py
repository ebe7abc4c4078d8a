"""Tests of `agreed`, for processes that share a folder; other locks are tested with their users."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from itertools import count

import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.io import locks
from benchmarking.io.locks import Disagreement, agreed, claim, remove_if_unlocked


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / ".use"


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(locks, "_TRIES", 3)


@pytest.mark.usefixtures("soon")
def test_processes_with_the_same_text_share_a_file_and_another_text_is_refused(path):
    with agreed(path, "a"), ExitStack() as other:
        other.enter_context(agreed(path, "a"))
        with pytest.raises(Disagreement, match="^a$"), agreed(path, "b"):
            pass
        other.close()
        with pytest.raises(Disagreement), agreed(path, "b"):
            pass
    assert not path.exists()
    with agreed(path, "b"):
        assert path.read_text() == "b"


def test_the_text_of_a_killed_process_is_ignored(path):
    code = "import os, sys\nfrom pathlib import Path\nfrom benchmarking.io.locks import agreed\n"
    code += "with agreed(Path(sys.argv[1]), 'longer than ours'): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == -9
    assert path.read_text() == "longer than ours"
    with agreed(path, "b"):
        assert path.read_text() == "b"
    assert not path.exists()


@pytest.mark.usefixtures("soon")
def test_a_file_that_another_process_locks_is_named(path):
    path.parent.mkdir()
    with path.open("wb") as file:
        locks.fcntl.flock(file, locks.fcntl.LOCK_EX)
        with pytest.raises(BenchmarkError, match=r"\.use is locked by another process"):
            agreed(path, "a").__enter__()


def test_a_pipe_or_a_link_is_refused_without_waiting(path):
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(BenchmarkError, match="is not a regular file"):
        agreed(path, "a").__enter__()
    path.unlink()
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(BenchmarkError, match="cannot be written"):
        agreed(path, "a").__enter__()
    assert not path.with_name("elsewhere").exists()


SHARED = """
import sys
from pathlib import Path
from benchmarking.io.locks import Disagreement, agreed, claim, remove_if_unlocked

path, text = Path(sys.argv[1]), sys.argv[2]
for _ in range(300):
    try:
        with agreed(path, text):
            assert path.read_text() == text, path.read_text()
            assert path.read_text() == text, path.read_text()
    except Disagreement as error:
        assert error.text != text
"""


def test_processes_with_different_texts_never_hold_a_file_at_the_same_time(path):
    commands = [[sys.executable, "-c", SHARED, path, text] for text in "aabb"]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for command in commands]
    errors = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0] * 4, errors
    assert not path.exists()


def test_the_error_says_that_the_folder_cannot_be_written(path, monkeypatch):
    real = os.open

    def refusing(place, flags, *mode):
        if flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", str(place))
        return real(place, flags, *mode)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(BenchmarkError, match=r"\.use cannot be written: Permission denied"):
        agreed(path, "a").__enter__()


def test_the_text_of_another_users_killed_process_is_replaced(path, monkeypatch):
    """The permissions of its file let others read it only."""
    path.parent.mkdir()
    path.write_text("of a killed process")
    real, whose = os.open, path.stat().st_ino

    def refusing(place, flags, *mode):
        if flags & os.O_RDWR and path.exists() and path.stat().st_ino == whose:
            raise PermissionError(13, "Permission denied", str(place))
        return real(place, flags, *mode)

    monkeypatch.setattr(os, "open", refusing)
    with path.open() as keeps_the_inode, agreed(path, "b"):
        assert path.read_text() == "b"
        assert keeps_the_inode.read() == "of a killed process"


def test_a_file_that_was_replaced_before_it_was_locked_is_kept(path, monkeypatch):
    """The file may be removed or replaced between its opening and its locking."""
    path.parent.mkdir()
    path.write_bytes(b"left by a kill")
    real = locks.fcntl.flock

    def slow(handle, how):
        path.unlink()
        path.write_bytes(b"of another process")
        real(handle, how)

    monkeypatch.setattr(locks.fcntl, "flock", slow)
    remove_if_unlocked(path)
    assert path.read_bytes() == b"of another process"


def test_a_file_that_cannot_be_removed_completely_is_kept_for_the_next_process(path):
    with agreed(path, "", last=lambda: False):
        pass
    assert path.exists()
    remove_if_unlocked(path, before=lambda: False)
    assert path.exists()
    remove_if_unlocked(path)
    assert not path.exists()


@pytest.mark.parametrize("at", [1, 2])
def test_a_folder_that_another_process_removes_meanwhile_is_created_again(path, monkeypatch, at):
    """A process that has stored a run removes the folder while another one locks the run."""
    real, times = os.open, count(1)

    def slow(place, flags, *mode, **more):
        if flags & os.O_CREAT and next(times) == at:
            shutil.rmtree(path.parent)
        return real(place, flags, *mode, **more)

    monkeypatch.setattr(os, "open", slow)
    with ExitStack() as stack:
        assert claim(path, stack)
        assert path.exists()
        with ExitStack() as other:
            assert not claim(path, other)
