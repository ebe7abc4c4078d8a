import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from benchmarking.errors import BenchmarkError, OutOfMemory
from benchmarking.inference import executors
from benchmarking.inference.executors import Accepted, Failed, Finished, Output, Quiet

PROCESSES = ("fresh-process", "worker-process")


@pytest.fixture(params=sorted(executors.executors().keys() - {"ray"}))
def executor(request):
    """Every executor that runs one job after the other."""
    return executors.executors()[request.param]


@pytest.fixture
def in_process():
    return executors.executors()["in-process"]


# For jobs that would end the process of the tests, or whose process is examined.
ELSEWHERE = pytest.mark.parametrize("executor", PROCESSES, indirect=True)


def act(job):
    """The function of the jobs in these tests; it acts by the name of the job."""
    yield f"{job} began"
    print(f"{job} is chatty", file=sys.stderr)
    print(f"{job} says so")
    if job == "raise":
        raise ValueError("no luck")
    if job == "advise":
        raise BenchmarkError("do this instead")
    if job == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "starve":
        raise MemoryError("no room")
    if job == "want":
        raise OutOfMemory("out of memory: of the device")
    if job == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if job == "hang":
        time.sleep(1000)
    if job == "exit":
        os._exit(3)
    yield os.getpid()


ENDS = (Finished, Failed)


def loud(events):
    """All events but Quiet, which occurs whenever the machine is slow."""
    return [event for event in events if not isinstance(event, Quiet)]


def outcome(executor, jobs):
    """The last event of each job."""
    return {event.job: event for event in executor.run(act, jobs) if isinstance(event, ENDS)}


def test_outputs_arrive_in_order_and_then_the_end(executor):
    events = loud(executor.run(act, ["a", "b"], None))
    assert [type(event) for event in events] == [Accepted, Output, Output, Finished] * 2
    assert [event.job for event in events] == ["a"] * 4 + ["b"] * 4
    assert [events[1].value, events[5].value] == ["a began", "b began"]


@ELSEWHERE
@pytest.mark.parametrize(
    ("job", "reason", "cause"),
    [
        ("raise", "ValueError: no luck", "error"),
        ("advise", "do this instead", "error"),
        ("starve", "MemoryError: no room", "memory"),
        ("want", "out of memory: of the device", "memory"),
        ("die", "its process was killed by SIGKILL", "killed"),
        ("crash", "its process was killed by SIGSEGV", "died"),
        ("exit", "its process ended with status 3", "died"),
    ],
)
def test_a_job_that_fails_says_why_and_the_others_continue(executor, job, reason, cause):
    ends = outcome(executor, ["a", job, "b"])
    assert list(ends) == ["a", job, "b"]
    assert isinstance(ends["a"], Finished)
    assert isinstance(ends["b"], Finished)
    assert isinstance(ends[job], Failed)
    assert (ends[job].reason, ends[job].cause) == (reason, cause)


@ELSEWHERE
def test_output_of_a_process_is_shown_only_for_the_failed_job(executor, capfd, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    ends = outcome(executor, ["a", "raise", "die", "advise"])
    assert "raise is chatty" in ends["raise"].details
    assert "raise says so" in ends["raise"].details
    assert "ValueError: no luck" in ends["raise"].details
    assert "a is chatty" not in ends["raise"].details
    assert "die is chatty" in ends["die"].details
    assert ends["advise"].details == ""
    assert capfd.readouterr() == ("", "")


def pids(executor, jobs):
    return [
        e.value
        for e in executor.run(act, jobs)
        if isinstance(e, Output) and isinstance(e.value, int)
    ]


def test_no_two_jobs_share_a_fresh_process():
    assert len({*pids(executors.executors()["fresh-process"], ["a", "b", "c"]), os.getpid()}) == 4


def test_a_worker_process_is_shared_by_all_jobs():
    (pid,) = set(pids(executors.executors()["worker-process"], ["a", "b", "c"]))
    assert pid != os.getpid()


def test_a_worker_is_not_used_again_after_an_unexpected_error():
    first, second = pids(executors.executors()["worker-process"], ["a", "raise", "b"])[:2]
    assert first != second


@ELSEWHERE
def test_a_job_that_hangs_is_stopped_and_the_others_continue(executor):
    events = list(executor.run(act, ["hang", "b"], timeout=2))
    first, second = (event for event in events if isinstance(event, ENDS))
    assert (first.job, first.cause) == ("hang", "silent")
    assert first.reason == "nothing came from its process for 2 s, so it was stopped"
    assert "hang says so" not in first.reason
    assert isinstance(second, Finished)
    assert sum(isinstance(event, Quiet) and event.job == "hang" for event in events) >= 3


def test_a_job_is_taken_only_when_the_one_before_has_ended(executor):
    seen = []

    def jobs():
        for job in ("a", "raise", "b"):
            seen.append(job)
            yield job

    for event in executor.run(act, jobs()):
        assert event.job == seen[-1]
    assert seen == ["a", "raise", "b"]


class Mine:
    """A large job that kills the process which unpickles it."""

    def __init__(self):
        self.weight = bytes(2**21)

    def __setstate__(self, state):
        os._exit(4)


@ELSEWHERE
def test_a_process_that_dies_at_its_start_is_a_failure(executor):
    job = Mine()
    *_, end = executor.run(act, [job])
    assert end.job is job
    assert end.reason == "its process ended with status 4"


def forever(job):
    while True:
        yield os.getpid()


@ELSEWHERE
def test_an_abandoned_sweep_leaves_no_process_behind(executor):
    events = executor.run(forever, ["a"])
    pid = next(event.value for event in events if isinstance(event, Output))
    events.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_ctrl_c_is_delayed_until_a_process_has_started(monkeypatch):
    """Any thread can receive the signal, and a half-started process would be left running."""
    started = []

    class Popen(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            signal.pthread_kill(other.ident, signal.SIGINT)
            time.sleep(0.1)
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        list(executors.executors()["fresh-process"].run(act, ["a"]))
    end.set()
    assert [process.poll() for process in started] == [-signal.SIGKILL]


@pytest.mark.parametrize(
    ("job", "reason", "cause"),
    [
        ("raise", "ValueError: no luck", "error"),
        ("advise", "do this instead", "error"),
        ("starve", "MemoryError: no room", "memory"),
        ("want", "out of memory: of the device", "memory"),
    ],
)
def test_a_job_that_fails_in_this_process_says_why(in_process, job, reason, cause):
    ends = outcome(in_process, ["a", job, "b"])
    assert [type(end) for end in ends.values()] == [Finished, Failed, Finished]
    assert (ends[job].reason, ends[job].cause) == (reason, cause)


def test_in_this_process_functions_need_no_name(in_process):
    events = in_process.run(lambda job: [job, os.getpid()], ["a"])
    assert [e.value for e in events if isinstance(e, Output)] == ["a", os.getpid()]


SCRIPT = """
from benchmarking.inference.executors import Output, executors
from math import modf
print("the script runs")
events = executors()[{name!r}].run(modf, [0.5, 1.25], None)
print([event.value for event in events if isinstance(event, Output)])
"""


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("how", ["file", "standard input", "-c"])
def test_a_script_without_a_guard_is_run_once(name, how, tmp_path):
    script = SCRIPT.format(name=name)
    file = tmp_path / "script.py"
    file.write_text(script)
    arguments = {"file": [str(file)], "standard input": ["-"], "-c": ["-c", script]}[how]
    done = subprocess.run(
        [sys.executable, *arguments],
        input=script if how == "standard input" else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "the script runs\n[0.5, 0.0, 0.25, 1.0]\n"


def forks(job):
    yield "forked"
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)
    yield "on"
    time.sleep(1000)


@ELSEWHERE
@pytest.mark.skipif(not hasattr(os, "fork"), reason="systems without fork")
def test_stopping_a_job_that_has_forked_does_not_block(executor):
    begun = time.monotonic()
    *_, end = executor.run(forks, ["a"], 1)
    assert end.cause == "silent"
    assert time.monotonic() - begun < 25


def outlasts_ctrl_c(job):
    yield os.getpid()
    time.sleep(0.5)
    yield "and on"


@ELSEWHERE
def test_ctrl_c_reaches_only_the_process_that_started_the_workers(executor):
    """A terminal sends it to all processes; the parent decides when its workers stop."""
    values = []
    for event in executor.run(outlasts_ctrl_c, ["a"], None):
        if isinstance(event, Output):
            values.append(event.value)
            if len(values) == 1:
                os.kill(event.value, signal.SIGINT)
    assert values[1:] == ["and on"]
    assert isinstance(event, Finished)


class Odd:
    """An object that can be pickled but not unpickled."""

    def __reduce__(self):
        return int, ("no number",)


def sends_what_is_odd(job):
    yield Odd()
    yield from range(10**6)


@ELSEWHERE
def test_a_message_that_cannot_be_read_is_a_failure_that_says_so(executor):
    *_, end = executor.run(sends_what_is_odd, ["a"], None)
    assert end.reason.startswith("a message of its process cannot be read: ValueError: invalid lit")


PARENT = """
import os, sys, time
import test_executors
from benchmarking.inference.executors import Output, executors
function = getattr(test_executors, sys.argv[1])
for event in executors()["worker-process"].run(function, ["a"], None):
    if isinstance(event, Output):
        print(event.value, flush=True)
"""


def hang(job):
    yield os.getpid()
    time.sleep(1000)


def hang_in_native_code(job):
    """No thread of Python can run meanwhile, as if a driver did not answer."""
    yield os.getpid()
    ctypes.PyDLL(None).sleep(1000)


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    "function",
    [
        "hang",
        pytest.param(
            "hang_in_native_code",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="signals of Linux"),
        ),
    ],
)
def test_a_hung_worker_ends_when_its_parent_is_killed(function):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, function],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(parent.stdout.readline())
    assert lives(pid)
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 20
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.05)
    if lives(pid):
        os.kill(pid, signal.SIGKILL)
        pytest.fail("the worker has outlived its parent")


def test_no_file_in_the_current_folder_shadows_a_library(tmp_path, monkeypatch):
    (tmp_path / "pickle.py").write_text("raise AssertionError('not the library')")
    monkeypatch.chdir(tmp_path)
    events = executors.executors()["fresh-process"].run(act, ["a"])
    assert isinstance(list(events)[-1], Finished)


@ELSEWHERE
def test_that_no_temporary_folder_can_be_made_is_told(executor, monkeypatch):
    def none(*args, **kwargs):
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "mkdtemp", none)
    monkeypatch.setattr(tempfile, "gettempdir", none)
    wanted = r"the temporary folder cannot be written: No usable .*; set TMPDIR to another"
    with pytest.raises(BenchmarkError, match=wanted):
        list(executor.run(act, ["a"]))
