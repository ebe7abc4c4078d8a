import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarking.errors import BenchmarkError, PictureError
from benchmarking.inference.ahead import first_preparation, import_libraries, preparation
from benchmarking.inference.events import Stored
from benchmarking.inference.executors import Accepted, Finished, Output, executors
from benchmarking.inference.executors._ahead import Ahead, Foreseen, Preparation
from benchmarking.inference.plan import Options, plan
from benchmarking.models import frameworks
from benchmarking.models.sources import the_spec
from benchmarking.pictures.sets import listed
from benchmarking.predictions.store import Store

BOTH = pytest.mark.parametrize("executor", ["fresh-process", "worker-process"])
PREPARED = []
"""In a worker process, what it was prepared with."""


def note(what):
    PREPARED.append(what)
    return ()


def note_process(file):
    Path(f"{file}.part").write_text(str(os.getpid()))
    Path(f"{file}.part").rename(file)
    return note(file)


def fail(how):
    note(how)
    if how == "raise":
        raise ValueError("no luck")
    if how == "advise":
        raise BenchmarkError("do this instead")
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        os._exit(0)
    if how == "yield":
        return ["more than nothing"]
    time.sleep(1000)
    return ()


def tell(job):
    """The function of all jobs: yield the process, and what it was prepared with."""
    yield os.getpid(), list(PREPARED)


@pytest.fixture
def ahead():
    with closing(Ahead(has_room=lambda: True)) as made:
        yield made


def run(executor, ahead, jobs, *, following=(), timeout=None):
    """Run jobs whose first letter is their kind; the outputs, which no job may lack."""
    coming = iter(following)
    foreseen = Foreseen(iter(jobs), ahead, lambda job: job[0], lambda: next(coming, None))
    events = list(executors()[executor].run(tell, foreseen, timeout))
    assert [event.job for event in events if isinstance(event, Accepted)] == jobs
    assert [event.job for event in events if isinstance(event, Finished)] == jobs
    return [event.value for event in events if isinstance(event, Output)]


def the_process(file):
    """The id of the process that has written its id to a file."""
    end = time.monotonic() + 60
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return int(file.read_text())


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@BOTH
def test_a_process_that_was_started_ahead_takes_the_first_job(executor, ahead, tmp_path):
    ahead.prepare(Preparation("a", note_process, tmp_path / "process"))
    ((process, prepared),) = run(executor, ahead, ["a1"])
    assert (process, prepared) == (the_process(tmp_path / "process"), [tmp_path / "process"])


def test_a_fresh_process_is_started_ahead_of_each_job_and_no_two_jobs_share_one(ahead):
    following = [Preparation("a", note, f"for a{n}") for n in (2, 3)]
    outputs = run("fresh-process", ahead, ["a1", "a2", "a3"], following=following)
    processes, prepared = zip(*outputs, strict=True)
    assert prepared == ([], ["for a2"], ["for a3"])
    assert len({*processes, os.getpid()}) == 4


def test_the_jobs_of_a_worker_share_the_process_that_was_started_ahead(ahead):
    ahead.prepare(Preparation("a", note, "once"))
    following = [Preparation("a", note, "never")] * 3
    first, *others = run("worker-process", ahead, ["a1", "a2", "b1"], following=following)
    assert first[1] == ["once"]
    assert others == [first, first]


@pytest.mark.parametrize("how", ["raise", "advise", "die", "exit", "yield"])
def test_a_preparation_that_fails_fails_no_job(ahead, how):
    ahead.prepare(Preparation("a", fail, how))
    assert [prepared for _, prepared in run("fresh-process", ahead, ["a1"])] == [[]]


def test_a_preparation_that_fails_fails_no_job_of_a_worker(ahead):
    ahead.prepare(Preparation("a", fail, "die"))
    assert [prepared for _, prepared in run("worker-process", ahead, ["a1", "a2"])] == [[], []]


def test_a_preparation_that_hangs_fails_no_job(ahead):
    ahead.prepare(Preparation("a", fail, "hang"))
    ((_, prepared),) = run("fresh-process", ahead, ["a1"], timeout=5)
    assert prepared == []


def test_a_preparation_that_cannot_be_sent_fails_no_job(ahead):
    ahead.prepare(Preparation("a", lambda what: (), "no name"))
    ((_, prepared),) = run("fresh-process", ahead, ["a1"])
    assert prepared == []


def test_a_process_that_dies_while_it_waits_fails_no_job(ahead, tmp_path):
    ahead.prepare(Preparation("a", note_process, tmp_path / "process"))
    process = the_process(tmp_path / "process")
    time.sleep(0.2)  # it says that it is prepared
    os.kill(process, signal.SIGKILL)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)  # it is seen to be dead from now on
    ((other, prepared),) = run("fresh-process", ahead, ["a1"])
    assert prepared == []
    assert other != process


def test_a_job_of_another_kind_gets_a_process_of_its_own(ahead):
    ahead.prepare(Preparation("b", note, "for b"))
    outputs = run("fresh-process", ahead, ["a1", "b1"])
    assert [prepared for _, prepared in outputs] == [[], ["for b"]]


@pytest.mark.parametrize("change", ["variable", "folder", "path"])
def test_a_process_that_inherited_something_else_is_not_used(ahead, change, monkeypatch, tmp_path):
    ahead.prepare(Preparation("a", note, "before"))
    if change == "variable":
        monkeypatch.setenv("OMP_NUM_THREADS", "7")
    elif change == "folder":
        monkeypatch.chdir(tmp_path)
    else:
        monkeypatch.syspath_prepend(tmp_path)
    ((_, prepared),) = run("fresh-process", ahead, ["a1"])
    assert prepared == []


def test_no_process_waits_without_room(tmp_path):
    with closing(Ahead(has_room=lambda: False)) as ahead:
        ahead.prepare(Preparation("a", note_process, tmp_path / "process"))
        ((_, prepared),) = run("fresh-process", ahead, ["a1"])
    assert prepared == []
    assert not (tmp_path / "process").exists()


def test_only_one_process_waits(ahead, tmp_path):
    files = [tmp_path / name for name in "aab"]
    ahead.prepare(Preparation("a", note_process, files[0]))
    first = the_process(files[0])
    ahead.prepare(Preparation("a", note_process, files[1]))
    ahead.prepare(Preparation("b", note_process, files[2]))
    assert not lives(first)
    second = the_process(files[2])
    ahead.close()
    assert not lives(second)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_an_abandoned_job_leaves_neither_its_process_nor_the_next_one(ahead, tmp_path):
    ahead.prepare(Preparation("a", note_process, tmp_path / "first"))
    following = Preparation("a", note_process, tmp_path / "second")
    foreseen = Foreseen(iter(["a1", "a2"]), ahead, lambda job: job[0], lambda: following)
    events = executors()["fresh-process"].run(tell, foreseen, None)
    next(event for event in events if isinstance(event, Output))
    processes = [the_process(tmp_path / name) for name in ("first", "second")]
    events.close()
    ahead.close()
    assert [lives(process) for process in processes] == [False, False]


PARENT = """
import sys, time
from pathlib import Path
from benchmarking.inference.executors._ahead import Ahead, Preparation
from test_ahead import note_process
ahead = Ahead(has_room=lambda: True)
ahead.prepare(Preparation("a", note_process, sys.argv[1]))
time.sleep(1000)
"""


def test_a_process_that_waits_ends_when_its_parent_is_killed(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "process")], cwd=Path(__file__).parent
    )
    process = the_process(tmp_path / "process")
    assert lives(process)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 20
    while lives(process) and time.monotonic() < end:
        time.sleep(0.05)
    assert not lives(process)


class Watched(Ahead):
    """An Ahead that remembers which processes were prepared and taken."""

    def __init__(self):
        super().__init__(has_room=lambda: True)
        self.prepared, self.taken = [], []

    def prepare(self, what):
        super().prepare(what)
        self.prepared.append(what and what.kind)

    def take(self, kind, stack):
        found = super().take(kind, stack)
        self.taken.append(found is not None)
        return found

    @property
    def waits(self):
        return self._waiting is not None


@pytest.fixture
def importing(light, monkeypatch):
    """Models from brightness, whose framework can import its libraries ahead of a job."""
    framework = frameworks.frameworks()["arithmetic"]
    monkeypatch.setattr(framework, "import_libraries", lambda: None, raising=False)


def planned(tree, store, *models, executor="fresh-process"):
    contents, name = listed(tree)
    names = [f"brightness/{model}" for model in models]
    made = plan(names, name, len(contents.pictures), store, Options(executor=executor))
    return replace(made, ahead=Watched()), contents


def stored(made, contents):
    """The classes that a plan stores, by model."""
    with ExitStack() as stack:
        ready, images = made.read(contents, stack)
        events = [event for event in ready.sweep(images) if isinstance(event, Stored)]
    return {event.job.run.model: event.top.classes.tolist() for event in events}


@pytest.mark.usefixtures("importing")
def test_a_sweep_starts_each_process_ahead_and_predicts_the_same(tree, tmp_path):
    models = ("steady", "steadier", "darker")
    made, contents = planned(tree, Store(tmp_path / "store"), *models)
    found = stored(made, contents)
    assert made.ahead.taken == [True] * 3
    assert made.ahead.prepared == ["arithmetic brightness"] * 3 + [None]
    assert not made.ahead.waits
    plain, contents = planned(tree, Store(tmp_path / "plain"), *models, executor="in-process")
    assert found == stored(plain, contents)
    assert plain.ahead.prepared == [None]
    assert plain.ahead.taken == []


@pytest.mark.usefixtures("importing")
def test_no_process_is_started_ahead_if_every_run_is_stored(tree, tmp_path):
    store = Store(tmp_path / "store")
    made, contents = planned(tree, store, "steady", executor="in-process")
    stored(made, contents)
    made, contents = planned(tree, store, "steady")
    assert stored(made, contents) == {}
    assert made.ahead.prepared == [None]


@pytest.mark.usefixtures("importing")
def test_a_broken_picture_ends_the_process_and_nothing_is_stored(tree, tmp_path):
    made, contents = planned(tree, Store(tmp_path / "store"), "steady")
    next(tree.glob("*/*.png")).write_bytes(b"no picture")
    with pytest.raises(PictureError, match="1 of 6 pictures"):
        stored(made, contents)
    assert made.ahead.prepared == ["arithmetic brightness"]
    assert not made.ahead.waits
    assert not list((tmp_path / "store").rglob("*.safetensors"))


def test_the_first_process_is_that_of_the_model_with_which_a_sweep_begins():
    specs = [the_spec(f"{name}/efficientnet-lite0") for name in SOURCES]
    assert first_preparation(specs, None).argument == specs[1]
    assert first_preparation(specs, "worker-process").argument == specs[1]
    assert first_preparation(specs[:1], None).argument == specs[0]
    assert first_preparation(specs, "in-process") is None
    assert first_preparation([], None) is None


SOURCES = ("efficientnet-lite-pytorch", "efficientnet-lite-keras")


def test_models_of_one_framework_that_need_other_libraries_are_of_another_kind():
    """PyTorch reads the weights of some models of Keras; it is not imported for the others."""
    names = ("efficientnet-lite-keras/efficientnet-lite0", "keras/MobileNet")
    kinds = [preparation(the_spec(name), "fresh-process").kind for name in names]
    assert len(set(kinds)) == 2


@pytest.mark.usefixtures("light")
def test_a_framework_that_has_nothing_to_import_needs_no_preparation():
    spec = the_spec("brightness/steady")
    assert preparation(spec, "fresh-process") is None
    assert import_libraries(spec) == ()
