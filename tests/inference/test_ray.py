"""The executor `ray` on two nodes of this machine, which a fixture starts and kills."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import ray_nodes
from conftest import PLUGINS, digests, forget_plugins
from PIL import Image
from ray_nodes import NODE, lives
from safetensors import safe_open
from test_executors import ENDS, act, forever, loud, outcome

from benchmarking import plugins
from benchmarking.errors import BenchmarkError, MissingDependency
from benchmarking.inference.events import Stored
from benchmarking.inference.executors import Accepted, Failed, Finished, Output, executors
from benchmarking.inference.executors._ray import connection, tasks
from benchmarking.inference.executors._ray.nodes import Verdicts
from benchmarking.inference.job import Environment, Job
from benchmarking.inference.plan import Options, plan
from benchmarking.inference.predict import answer
from benchmarking.inference.retries import PutAside
from benchmarking.inference.sweep import Sweep
from benchmarking.labels.imagenet import wnids
from benchmarking.models.sources import spec_of
from benchmarking.pictures.image_set import FilePart, Picture
from benchmarking.pictures.reading import image_set
from benchmarking.pictures.sets import open_pictures
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install ray")

HERE = Path(__file__).parent
FILES = [*sorted(PLUGINS.glob("*/*.py")), HERE / "abaci.py", HERE / "sociable.py"]
FOLDER = "RAY_TEST_PICTURES"
"""Variable with a node's folder of pictures."""


@pytest.fixture(scope="module", autouse=True)
def sociable():
    """The models of `sociable` and the framework `abaci`, also on the nodes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(plugins.FILES_VARIABLE, os.pathsep.join(map(str, FILES)))
        patch.setenv("OMP_NUM_THREADS", "1")
        plugins._discovered.cache_clear()
        yield
    forget_plugins()


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """A folder of pictures for each node, with equal contents; files are named by their text."""
    made = [tmp_path_factory.mktemp(name) for name in ("head", "other")]
    for folder in made:
        for number in range(6):
            (folder / f"{number}.txt").write_text(f"{number}")
    return made


@pytest.fixture(scope="module")
def cluster(copies):
    """Two nodes with a core each, joined by this process; none of their processes stays."""
    head = ray_nodes.start(**{FOLDER: str(copies[0])})
    nodes = [head]
    try:
        nodes.append(ray_nodes.start(head, **{FOLDER: str(copies[1])}))
        ray.init(address=head.address, log_to_driver=False, logging_level="ERROR")
        yield nodes
        ray.shutdown()
    finally:
        for node in reversed(nodes):
            node.kill()
    assert [one for one in ray_nodes.running() if one[1] in {node.name for node in nodes}] == []


@pytest.fixture
def executor(cluster):
    return executors()["ray"]


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """22 pictures of noise."""
    folder, random = tmp_path_factory.mktemp("noise"), np.random.default_rng(0)
    for number in range(22):
        path = folder / wnids()[number % 3] / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture(scope="module")
def images(noise):
    pictures = open_pictures(str(noise)).pictures
    return image_set("noise", pictures, digests(pictures))


def a_job(images, model="a", **changes):
    run = Run(images.name, "sociable", model, "published")
    spec = spec_of("sociable", model)
    job = Job(run, spec, images.pictures, 2, gpu=-1, workers=1, fingerprint=images.fingerprint)
    return replace(job, **changes)


def tensors(store, run):
    with safe_open(store.path(run), "np") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


def eventually(is_true):
    """Whether something becomes true within a minute; a loaded machine is slow."""
    end = time.monotonic() + 60
    while not is_true() and time.monotonic() < end:
        time.sleep(0.05)
    return is_true()


def meet(folder, job):
    """Yield the name of this node when another node has begun a job too."""
    (folder / os.environ[NODE]).touch()
    assert eventually(lambda: len(list(folder.iterdir())) == 2)
    yield os.environ[NODE]


def test_jobs_run_on_both_nodes_at_the_same_time(executor, cluster, tmp_path):
    events = loud(executor.run(partial(meet, tmp_path), ["a", "b"], None))
    for job in "ab":
        mine = [type(event) for event in events if event.job == job]
        assert mine == [Accepted, Output, Finished]
    nodes = {event.value for event in events if isinstance(event, Output)}
    assert nodes == {node.name for node in cluster}


def test_a_job_that_fails_says_why_and_where_and_the_others_continue(executor):
    reasons = {
        "raise": ("ValueError: no luck", "error"),
        "advise": ("do this instead", "error"),
        "die": ("its process was killed by SIGKILL", "killed"),
        "want": ("out of memory: of the device", "memory"),
        "exit": ("its process ended with status 3", "died"),
    }
    ends = outcome(executor, ["a", *reasons, "b"])
    assert ends.keys() == {"a", *reasons, "b"}
    assert isinstance(ends.pop("a"), Finished)
    assert isinstance(ends.pop("b"), Finished)
    host = socket.gethostname()
    for job, end in ends.items():
        where, _, reason = end.reason.partition(": ")
        assert where.startswith(f"on node {host} (")
        assert (reason, end.cause) == reasons[job]
    assert "raise says so" in ends["raise"].details


def test_a_job_that_hangs_is_stopped(executor):
    *_, end = executor.run(act, ["hang"], 1)
    assert end.cause == "silent"
    assert end.reason.endswith(": nothing came from its process for 1 s, so it was stopped")


def test_an_abandoned_sweep_leaves_no_process_behind(executor):
    events = executor.run(forever, ["a", "b"], None)
    pids = {}
    while len(pids) < 2:
        event = next(events)
        if isinstance(event, Output):
            pids[event.job] = event.value
    events.close()
    assert not any(map(lives, pids.values()))


def kills_the_process_of_ray(job):
    yield os.getpid()
    time.sleep(1)  # until the driver has it
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1000)


def test_a_job_whose_process_of_ray_is_killed_is_lost_and_leaves_no_process(executor):
    *_, output, end = loud(executor.run(kills_the_process_of_ray, ["a"], None))
    assert isinstance(end, Failed)
    assert end.cause == "lost"
    assert "its task was lost, with its process or its node" in end.reason
    assert eventually(lambda: not lives(output.value))


def uninterrupted(images, folder):
    """Tensors of each run that this process computes alone."""
    store = Store(folder)
    jobs = [a_job(images, model) for model in "abc"]
    list(Sweep(images, store, executor="in-process").run(jobs))
    return {job.run: tensors(store, job.run) for job in jobs}


def test_models_and_slices_on_two_nodes_give_what_one_process_gives(executor, images, tmp_path):
    expected = uninterrupted(images, tmp_path / "alone")
    store = Store(tmp_path / "store")
    sweep = Sweep(images, store, executor="ray")
    ends = [
        e for e in sweep.run([a_job(images, m) for m in "abc"]) if isinstance(e, (*ENDS, Stored))
    ]
    assert [type(end) for end in ends] == [Stored] * 3
    assert {run: tensors(store, run) for run in expected} == expected
    made = [store.provenance(run) for run in expected]
    assert [one.executor for one in made] == ["ray"] * 3
    assert [one.incidents for one in made] == [(), (), ("divided among 2 processes",)]


def loses_its_task_once(folder, job):
    """Compute a job; the first time, the process of Ray is killed after two batches."""
    values = answer(job)
    for number, value in enumerate(values):
        yield value
        if number == 2:
            try:
                (folder / "killed").touch(exist_ok=False)
            except FileExistsError:
                continue
            time.sleep(1)  # until the driver has these batches
            os.kill(os.getppid(), signal.SIGKILL)


def test_a_lost_task_is_tried_again_and_only_missing_rows_are_computed(executor, images, tmp_path):
    expected = uninterrupted(images, tmp_path / "alone")
    store, job = Store(tmp_path / "store"), a_job(images)
    lossy = partial(loses_its_task_once, tmp_path)
    events = list(Sweep(images, store, executor="ray", answer=lossy).run([job]))
    (aside,) = (event for event in events if isinstance(event, PutAside))
    assert aside.reason.endswith("; tried again")
    assert isinstance(events[-1], Stored)
    assert tensors(store, job.run) == expected[job.run]
    first, second, *_ = store.provenance(job.run).incidents
    assert first == aside.reason
    assert second.startswith("resumed with ")
    assert int(second.split()[2]) >= 4


def by_node(job):
    """Compute slowly, in an environment that only this node has."""
    environment = Environment("", {}, os.environ[NODE], "exact", 2, os.getpid())
    yield environment
    time.sleep(0.5)
    yield from job.missing(environment)


def test_the_first_environment_decides_and_another_node_gives_its_slice_back(
    executor, images, capsys
):
    events = loud(executor.run(by_node, [a_job(images)], None))
    values = [event.value for event in events if isinstance(event, Output)]
    environments = {one.device for one in values if isinstance(one, Environment)}
    assert len(environments) == 1
    rows = sorted(row for one in values if isinstance(one, range) for row in one)
    assert rows == list(range(22))
    assert isinstance(events[-1], Finished)
    assert "workers differ in their device" in capsys.readouterr().err


@dataclass(frozen=True)
class OnNode:
    """A picture whose file is in another folder on each node."""

    name: str

    def read(self):
        return FilePart(str(Path(os.environ[FOLDER], self.name))).read()


def nodes_of(job):
    yield Environment("", {}, "any", "exact", 2, os.getpid())
    yield os.environ[NODE]


@pytest.fixture
def on_nodes(copies, monkeypatch):
    """An image set whose files are in the folder of each node, and of this process."""
    monkeypatch.setenv(FOLDER, str(copies[0]))
    names = sorted(path.name for path in copies[0].iterdir())
    pictures = [Picture(name, 0, OnNode(name)) for name in names]
    return image_set("texts", pictures, digests(pictures))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda path: path.write_text("another"), "; 1 differ, such as 3.txt"),
        (lambda path: path.unlink(), "1 of 6 pictures cannot be read there, such as 3.txt: "),
    ],
    ids=["changed", "missing"],
)
def test_a_node_whose_pictures_differ_is_refused_by_name(
    executor, cluster, copies, on_nodes, change, wanted, capsys
):
    path = copies[1] / "3.txt"
    text = path.read_text()
    change(path)
    try:
        jobs = [a_job(on_nodes, model) for model in "ab"]
        events = loud(executor.run(nodes_of, jobs, None))
    finally:
        path.write_text(text)
    values = [event.value for event in events if isinstance(event, Output)]
    assert {one for one in values if isinstance(one, str)} == {cluster[0].name}
    told = capsys.readouterr().err
    assert f"node {socket.gethostname()} (" in told
    assert wanted in told


def test_if_no_node_has_the_pictures_each_job_fails_and_says_so(executor, on_nodes, capsys):
    jobs = [a_job(on_nodes, model, fingerprint="0" * 64) for model in "ab"]
    ends = [event for event in executor.run(nodes_of, jobs, None) if isinstance(event, ENDS)]
    assert [type(end) for end in ends] == [Failed, Failed]
    assert ends[0].reason.startswith("no node can compute it; node ")
    assert ends[0].reason.count(" pictures are other ones, of fingerprint ") == 2
    capsys.readouterr()


def test_a_node_with_another_version_is_refused_with_both_versions(
    executor, images, tmp_path, monkeypatch
):
    found = tmp_path / "numpy-9.9.dist-info"
    found.mkdir()
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(tmp_path)
    *_, end = executor.run(nodes_of, [a_job(images)], None)
    assert f"numpy {np.__version__}, here 9.9" in end.reason


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("somewhere", "'somewhere' is no address of Ray; expected 'auto', 'local' or HOST:PORT"),
        ("ray://head:10001", "ray://head:10001 is an address for Ray Client, which does not pass"),
        ("host:port", "'host:port' is no address of Ray"),
    ],
)
def test_what_is_no_address_is_refused_before_any_picture_is_read(address, wanted, tmp_path):
    options = Options(executor="ray", address=address)
    with pytest.raises(BenchmarkError, match=wanted):
        plan(["sociable/a"], "noise", 22, Store(tmp_path), options)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"address": "auto"}, "the address 'auto' is for an executor on other machines; name it"),
        (
            {"executor": "fresh-process", "address": "auto"},
            "executor 'fresh-process' runs on this machine only, so the address 'auto' has no use",
        ),
        ({"executor": "ray", "gpu": 1}, "executor 'ray' gives each task a GPU of its node; leave"),
        ({"executor": "ray", "gpu": "all"}, "executor 'ray' gives each task a GPU of its node"),
        ({"executor": "ray", "crop_cache": "crops"}, "which cannot read crops in crops; leave out"),
    ],
)
def test_options_that_have_no_use_are_refused(options, wanted, tmp_path):
    with pytest.raises(BenchmarkError, match=wanted):
        plan(["sociable/a"], "noise", 22, Store(tmp_path), Options(**options))


def test_without_ray_the_advice_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(connection, "find_spec", lambda name: None)
    monkeypatch.setattr("benchmarking.errors.needed_by", lambda extra: {"ray>=2.60": "ray"})
    monkeypatch.setattr(metadata, "distributions", lambda name: [])
    with pytest.raises(MissingDependency, match="ray is not installed; run: pip install 'ray>="):
        executors()["ray"].at(None)


def test_an_address_where_nothing_answers_is_told_at_once():
    address = f"127.0.0.1:{ray_nodes.free_port()}"
    with pytest.raises(BenchmarkError, match=f"no cluster of Ray answers at .*{address[-5:]}"):
        connection.check_answers(address)


def test_an_address_beside_a_connection_of_the_caller_is_refused(cluster):
    with (
        pytest.raises(BenchmarkError, match="connected to Ray already, so the address '127.0.0.1"),
        connection.connected("127.0.0.1:9999"),
    ):
        pass


def test_a_lost_node_is_awaited_each_time_and_also_beside_a_refused_one(monkeypatch):
    clock = iter([0.0, 3600.0, 3630.0, 3700.0])
    monkeypatch.setattr(tasks.time, "monotonic", lambda: next(clock))
    made = tasks.Tasks(print, ["job"], None, Verdicts(), is_local=True, tell=str)
    assert made._may_come()
    made._waits_since = None  # as a running task does
    made._had_nodes = True
    made._nodes.refused["other"] = "it has other versions"
    assert [made._may_come() for _ in range(3)] == [True, True, False]


def test_a_refused_node_alone_is_not_awaited():
    made = tasks.Tasks(print, ["job"], None, Verdicts(), is_local=True, tell=str)
    made._nodes.refused["other"] = "it has other versions"
    assert not made._may_come()


def test_a_ray_of_its_own_ends_with_the_command(noise, tmp_path):
    name = uuid4().hex
    command = [
        *(sys.executable, "-m", "benchmarking", "predict", noise, "--models", "sociable/a"),
        *("--executor", "ray", "--address", "local", "--gpu", "cpu", "--store", tmp_path / "store"),
    ]
    environment = {
        **os.environ,
        **{NODE: name, "PYTHONPATH": str(ray_nodes.ROOT), "RAY_AUTH_MODE": "disabled"},
        "RAY_worker_niceness": "0",
    }
    done = subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "a (Abaci): acc@1" in done.stdout
    assert done.stderr == ""
    assert eventually(lambda: name not in dict(map(reversed, ray_nodes.running())))
    store = Store(tmp_path / "store")
    (run,) = store.runs(noise.name)
    assert store.provenance(run).arguments[-1] == "store"
