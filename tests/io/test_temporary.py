"""Temporary folders: only those of killed processes are removed."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from benchmarking.io import temporary

HOLDS = """
import os, signal, sys
from benchmarking.io import temporary

with temporary.folder() as folder:
    (folder / "task").write_bytes(b"pictures")
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "file").write_bytes(b"data")
    print(folder, flush=True)
    sys.stdin.read()
"""
IN_A_PID_NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The folder in which temporary folders are created."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def holding(*before):
    """A process that uses a folder until its standard input is closed."""
    command = [*before, sys.executable, "-c", HOLDS]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline()
    return process


def test_a_folder_is_removed_when_its_block_ends(place):
    with temporary.folder() as folder:
        (folder / "task").write_bytes(b"data")
        assert list(place.iterdir()) == [folder]
    assert list(place.iterdir()) == []


def test_the_folder_of_a_killed_process_is_removed(place):
    process = holding()
    process.kill()
    process.communicate()
    assert list(place.rglob("file"))
    temporary.remove_left_over()
    assert list(place.iterdir()) == []


def test_the_folder_of_a_running_process_is_kept(place):
    process = holding()
    temporary.remove_left_over()
    assert [path.name for path in place.rglob("*er*")] == ["er"]
    assert process.communicate("end")[0] == ""
    assert list(place.iterdir()) == []


def test_the_folder_of_a_process_in_another_pid_namespace_is_kept(place):
    if subprocess.run([*IN_A_PID_NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no pid namespace can be made here")
    process = holding(*IN_A_PID_NAMESPACE)
    (found,) = place.iterdir()
    temporary.remove_left_over()
    assert (found / "task").exists()
    process.communicate("end")
    assert list(place.iterdir()) == []


def test_a_folder_that_was_created_elsewhere_because_of_a_full_disk_is_removed(
    place, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    other.mkdir()
    folder = a_folder(other)
    monkeypatch.setenv("TEMP", str(other))
    temporary.remove_left_over()
    assert not folder.exists()


def test_nothing_is_removed_if_no_temporary_folder_can_be_created(monkeypatch):
    def none():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    temporary.remove_left_over()


def a_folder(place, name="imagenet-benchmarking-abcd_123"):
    """A folder like that of a killed process."""
    folder = place / name
    folder.mkdir()
    for file in ("lock", "task"):
        (folder / file).write_bytes(b"precious")
    return folder


@pytest.mark.parametrize(
    "name", ["imagenet-benchmarking-", "imagenet-benchmarking-notes", "imagenet-benchmarking-a/b"]
)
def test_a_folder_with_another_name_is_kept(place, name):
    (place / name).parent.mkdir(exist_ok=True)
    folder = a_folder(place, name)
    temporary.remove_left_over()
    assert (folder / "task").exists()


def test_a_folder_without_a_lock_is_kept(place):
    folder = a_folder(place)
    (folder / "lock").unlink()
    temporary.remove_left_over()
    assert (folder / "task").exists()
    (folder / "lock").symlink_to(folder / "task")
    temporary.remove_left_over()
    assert (folder / "task").exists()
    (folder / "lock").unlink()
    (folder / "lock").mkdir()
    temporary.remove_left_over()
    assert (folder / "task").exists()


def test_a_link_is_not_followed(place, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    folder = a_folder(tmp_path / "elsewhere")
    (place / folder.name).symlink_to(folder)
    temporary.remove_left_over()
    assert (folder / "task").exists()
    assert (place / folder.name).is_symlink()


def test_the_target_of_a_link_in_a_folder_is_kept(place, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_bytes(b"data")
    folder = a_folder(place)
    (folder / "link").symlink_to(precious)
    temporary.remove_left_over()
    assert not folder.exists()
    assert (precious / "file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_kept(place):
    folder = a_folder(place)
    os.chown(folder, 65534, 65534)
    temporary.remove_left_over()
    assert (folder / "task").exists()


def test_every_folder_is_kept_if_locks_are_not_supported(place, monkeypatch):
    def none(handle, how):
        raise OSError(95, "Operation not supported")

    folder = a_folder(place)
    monkeypatch.setattr("benchmarking.io.locks.fcntl.flock", none)
    temporary.remove_left_over()
    assert (folder / "task").exists()
    with temporary.folder() as made:
        assert made.is_dir()


def test_an_empty_folder_of_a_process_killed_at_its_first_moment_is_removed(place):
    (place / "imagenet-benchmarking-abcd_123").mkdir()
    temporary.remove_left_over()
    assert list(place.iterdir()) == []


BUSY = """
import sys
from benchmarking.io import temporary

for number in range(300):
    temporary.remove_left_over()
    with temporary.folder() as folder:
        (folder / "task").write_text(str(number))
        temporary.remove_left_over()
        assert (folder / "task").read_text() == str(number)
"""


def test_processes_never_remove_a_folder_that_another_one_uses(place):
    running = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", BUSY], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    errors = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0] * 4, errors
    assert list(place.iterdir()) == []


def test_if_a_process_is_killed_during_the_removal_the_next_one_removes_the_rest(place):
    folder = a_folder(place)
    dying = """
import os, signal
from pathlib import Path
from benchmarking.io import temporary

def unlink(path, *args, real=os.unlink, **kwargs):
    real(path, *args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)

Path.unlink = unlink
temporary.remove_left_over()
"""
    for _ in range(3):
        ended = subprocess.run([sys.executable, "-c", dying], check=False)
        assert ended.returncode in (-signal.SIGKILL, 0)
    assert not folder.exists()


def left_over(place):
    """What a killed process has left."""
    process = holding()
    process.kill()
    process.communicate()
    assert list(place.rglob("file"))


def test_measurements_of_speed_remove_what_a_killed_process_has_left(place, tmp_path):
    from benchmarking.experiments.speed.rounds import measured
    from benchmarking.predictions.speed_store import SpeedStore

    left_over(place)
    assert list(measured([], SpeedStore(tmp_path))) == []
    assert list(place.iterdir()) == []


def test_experiments_remove_what_a_killed_process_has_left(place):
    from benchmarking.experiments import in_fresh_processes

    left_over(place)
    assert in_fresh_processes("nothing", print, []) == []
    assert list(place.iterdir()) == []


def test_heads_remove_what_a_killed_process_has_left(place, tmp_path):
    from benchmarking.errors import BenchmarkError
    from benchmarking.experiments.transfer.sweep import finished

    left_over(place)
    with pytest.raises(BenchmarkError, match="no model can run"):
        finished([], {}, tmp_path)
    assert list(place.iterdir()) == []
