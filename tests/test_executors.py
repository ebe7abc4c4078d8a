import os
import signal
import sys

import pytest

from benchmarking import executors
from benchmarking.errors import BenchmarkError
from benchmarking.executors import Failed, Finished, Piece
from benchmarking.plugins import discover

EVERY = pytest.mark.parametrize(
    "executor", discover(executors).values(), ids=lambda module: module.NAME
)


def act(job):
    """What jobs of these tests do, by name; runs in another process."""
    yield f"{job} began"
    print(f"{job} is chatty", file=sys.stderr)
    print(f"{job} says so")
    if job == "raise":
        raise ValueError("no luck")
    if job == "advise":
        raise BenchmarkError("do this instead")
    if job == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "exit":
        os._exit(3)
    yield os.getpid()


def outcome(executor, jobs):
    """The last event of each job."""
    return {event.job: event for event in executor.run(act, jobs) if not isinstance(event, Piece)}


@EVERY
def test_pieces_arrive_in_order_and_then_the_end(executor):
    events = list(executor.run(act, ["a", "b"]))
    assert [type(event) for event in events] == [Piece, Piece, Finished] * 2
    assert [event.job for event in events] == ["a"] * 3 + ["b"] * 3
    assert [events[0].value, events[3].value] == ["a began", "b began"]


@EVERY
@pytest.mark.parametrize(
    ("job", "reason"),
    [
        ("raise", "ValueError: no luck"),
        ("advise", "do this instead"),
        ("die", "its process was killed by SIGKILL"),
        ("exit", "its process ended with status 3"),
    ],
)
def test_a_job_that_fails_says_why_and_the_others_go_on(executor, job, reason):
    ends = outcome(executor, ["a", job, "b"])
    assert list(ends) == ["a", job, "b"]
    assert isinstance(ends["a"], Finished)
    assert isinstance(ends["b"], Finished)
    assert isinstance(ends[job], Failed)
    assert ends[job].reason == reason


@EVERY
def test_what_a_process_writes_is_shown_for_the_job_that_failed_alone(executor, capfd, monkeypatch):
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
        if isinstance(e, Piece) and isinstance(e.value, int)
    ]


def test_fresh_processes_are_shared_by_no_two_jobs():
    assert len({*pids(discover(executors)["fresh-process"], ["a", "b", "c"]), os.getpid()}) == 4


def test_a_worker_process_is_shared_by_all_jobs():
    (pid,) = set(pids(discover(executors)["worker-process"], ["a", "b", "c"]))
    assert pid != os.getpid()


def test_a_worker_that_met_an_unforeseen_error_is_not_used_again():
    first, second = pids(discover(executors)["worker-process"], ["a", "raise", "b"])[:2]
    assert first != second


class Mine:
    """A large job whose process dies when it reads it."""

    def __init__(self):
        self.weight = bytes(2**21)

    def __setstate__(self, state):
        os._exit(4)


@EVERY
def test_a_process_that_dies_at_its_start_is_a_failure_not_a_wait_for_ever(executor):
    job = Mine()
    (end,) = executor.run(act, [job])
    assert end.job is job
    assert end.reason == "its process ended with status 4"


def forever(job):
    while True:
        yield os.getpid()


@EVERY
def test_an_abandoned_sweep_leaves_no_process_behind(executor):
    events = executor.run(forever, ["a"])
    pid = next(events).value
    events.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
