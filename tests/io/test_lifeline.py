"""Child processes end with the process that has started them, whatever they do."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarking.pictures.sets import _tfrecord_listing as tfrecord

MODEL = """
import os, time
from pathlib import Path
Path(__file__).with_suffix(".pid").write_text(str(os.getpid()))
time.sleep(1000)
"""
READER = """
import os, time
from pathlib import Path
from benchmarking.models.sources._library_listing import print_listing

def read():
    Path("{pid}").write_text(str(os.getpid()))
    time.sleep(1000)

print_listing(read)
"""
PARENTS = {
    "a Python file with a model": """
from pathlib import Path
from benchmarking.models.own.python_files import described
described(Path("{folder}/model.py"))
""",
    "the listing of a library": """
import sys
sys.path.insert(0, "{folder}")
from benchmarking.models.sources._library_listing import Library
Library("x", "reader", None, None, None)._asked()
""",
}


def lives(pid: int) -> bool:
    """Whether a process runs; one that nobody has buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def waited(happens, seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not (found := happens()) and time.monotonic() < end:
        time.sleep(0.05)
    return bool(found)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("what", PARENTS)
def test_a_child_that_hangs_ends_when_its_parent_is_killed(what, tmp_path):
    place = tmp_path / "model.pid"
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "reader.py").write_text(READER.format(pid=place))
    parent = subprocess.Popen([sys.executable, "-c", PARENTS[what].format(folder=tmp_path)])
    assert waited(lambda: place.exists() and place.read_text())
    pid = int(place.read_text())
    assert lives(pid)
    parent.kill()
    parent.wait()
    try:
        assert waited(lambda: not lives(pid))
    finally:
        if lives(pid):
            os.kill(pid, signal.SIGKILL)


def test_the_reader_of_tfrecords_has_such_a_lifeline(tmp_path, monkeypatch):
    """It gets an end of a pipe whose other end is here, and closed with it."""
    given = {}

    class Watched(subprocess.Popen):
        def __init__(self, command, **options):
            (given["end"],) = options["pass_fds"]
            given["argument"] = command[4]
            super().__init__([sys.executable, "-c", CHILD], **options)

    (tmp_path / "x").write_bytes(b"\1" + bytes(16))
    monkeypatch.setattr(tfrecord.subprocess, "Popen", Watched)
    found = tfrecord.listed([tmp_path / "x"])
    assert [record.name for record in next(found)] == ["a"]
    assert str(Path(f"/proc/self/fd/{given['end']}").readlink()).startswith("pipe:")
    assert given["argument"] == str(given["end"])
    found.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(given["end"])


CHILD = """
from benchmarking.pictures.sets._tfrecord_listing import _say
_say({"records": [[[], -1, 0, None, "a", ""]]})
"""
