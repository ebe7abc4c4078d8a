"""Several workers give what one gives; here GPUs that do not exist, or workers on the CPU."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import PLUGINS, digests, forget_plugins
from PIL import Image
from safetensors import safe_open

from benchmarking import plugins
from benchmarking.errors import BenchmarkError
from benchmarking.inference.events import Progress
from benchmarking.inference.job import Part
from benchmarking.inference.plan import Options, plan
from benchmarking.inference.predict import answer
from benchmarking.inference.verbs import predict, sweep
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.reading import image_set
from benchmarking.pictures.sets import open_pictures
from benchmarking.predictions.store import Store

FILES = [
    *sorted(PLUGINS.glob("*/*.py")),
    *(Path(__file__).with_name(name) for name in ("abaci.py", "sociable.py")),
]


@pytest.fixture(scope="module", autouse=True)
def sociable():
    """The models of `sociable` and the framework `abaci`, also in worker processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(plugins.FILES_VARIABLE, os.pathsep.join(map(str, FILES)))
        plugins._discovered.cache_clear()
        yield
    forget_plugins()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """22 pictures of noise."""
    folder, random = tmp_path_factory.mktemp("noise"), np.random.default_rng(0)
    for number in range(22):
        path = folder / wnids()[number % 3] / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path)
    return folder


def images_of(folder, n=22):
    pictures = open_pictures(str(folder)).pictures[:n]
    return image_set("noise", pictures, digests(pictures))


@pytest.fixture(scope="module")
def images(folder):
    return images_of(folder)


@pytest.fixture(scope="module")
def alone(images, tmp_path_factory):
    """A function that returns the tensors of a run that one process has computed."""

    def tensors_of(run, batch_size=2):
        store = Store(tmp_path_factory.mktemp("alone") / "store")
        options = {"batch_size": batch_size, "keep": "all", "executor": "in-process"}
        (found,) = predict(f"sociable/{run.model}", images, store, **options)
        assert store.provenance(found).incidents == ()
        return tensors(store, found)

    return tensors_of


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A function that lets models misbehave, and returns the folder that they use for it."""

    def place(variable, wanted=0):
        folder = tmp_path / variable
        folder.mkdir()
        (folder / "wanted").write_text(str(wanted))
        monkeypatch.setenv(variable, str(folder))
        return folder

    return place


def tensors(store, run):
    with safe_open(store.path(run), framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def same(found, expected):
    assert found.keys() == expected.keys() == {"top5_index", "top5_prob", "probabilities"}
    return all((found[name] == expected[name]).all() for name in expected)


def processes(folder):
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()]


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def within_a_minute(condition):
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_four_workers_give_exactly_the_tensors_of_one(images, store, alone):
    runs = predict("sociable/?", images, store, gpu=(-1,) * 4, keep="all")
    assert [run.model for run in runs] == ["a", "b", "c", "d", "e"]
    for run in runs:
        assert same(tensors(store, run), alone(run))
    made = store.provenance(runs[0])
    assert (made.device, made.batch_size, made.executor) == ("fingers", 2, "worker-process")
    assert made.input_shapes == ((2, 8, 8, 3),)


@pytest.mark.parametrize("executor", ["worker-process", "fresh-process"])
def test_a_single_model_is_divided_and_its_run_says_so(images, store, alone, place, executor):
    place("SOCIABLE_MEET", wanted=3)
    options = {"gpu": (-1,) * 3, "keep": "all", "executor": executor, "batch_size": 4}
    (run,) = predict("sociable/a", images, store, **options)
    assert store.provenance(run).incidents == ("divided among 3 processes",)
    assert store.provenance(run).input_shapes == ((4, 8, 8, 3), (2, 8, 8, 3))
    assert same(tensors(store, run), alone(run, batch_size=4))


def test_no_slice_cuts_a_batch_of_which_only_the_model_knows_the_size(images, store, alone):
    (job,) = plan("sociable/rigid", images.name, len(images), store, Options(gpu=-1)).jobs(images)
    slices = [
        replace(job, only=rows, keep="all") for rows in (range(8), range(8, 16), range(16, 22))
    ]
    parts = [one for part in slices for one in answer(part) if isinstance(one, Part)]
    assert [part.rows for part in parts] == [range(n, min(n + 5, 22)) for n in range(0, 22, 5)]
    found = np.concatenate([part.probabilities for part in parts])
    assert (found == alone(job.run, batch_size=None)["probabilities"]).all()


def test_there_may_be_more_workers_than_batches(folder, store):
    few = images_of(folder, n=3)
    (run,) = predict("sociable/a", few, store, gpu=(-1,) * 5)
    assert len(store.read(run)) == 3


def test_a_worker_that_is_killed_is_recorded_and_changes_nothing(images, store, alone, place):
    place("SOCIABLE_DEATH")
    options = {"gpu": (-1, -1), "keep": "all", "batch_size": 1}
    (run,) = predict("sociable/a", images, store, **options)
    first, *_ = store.provenance(run).incidents
    assert first == "its process was killed by SIGKILL; tried again, by itself"
    assert same(tensors(store, run), alone(run, batch_size=1))


def test_a_slice_that_runs_out_of_memory_halves_the_batches_of_its_run(
    images, store, alone, monkeypatch
):
    monkeypatch.setenv("SOCIABLE_ROOM", "2")
    (run,) = predict("sociable/a", images, store, gpu=(-1, -1), keep="all", batch_size=4)
    first, *_ = store.provenance(run).incidents
    assert first.startswith("out of memory: MemoryError: 4 crops; 4 pictures at a time were too")
    assert store.provenance(run).batch_size == 2
    assert same(tensors(store, run), alone(run, batch_size=2))


def with_ctrl_c(events, hanging):
    """Iterate until both workers hang, each after one batch, and then receive SIGINT."""
    done, main = 0, threading.main_thread().ident
    ctrl_c = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
    with closing(events):
        for event in events:
            done += event.pictures if isinstance(event, Progress) else 0
            if done == 4 and len(processes(hanging)) == 2 and ctrl_c.ident is None:
                ctrl_c.start()


def test_ctrl_c_ends_every_worker_and_the_run_is_resumed(images, store, alone, place, monkeypatch):
    hanging = place("SOCIABLE_HANG")
    options = {"gpu": (-1, -1), "keep": "all"}
    with pytest.raises(KeyboardInterrupt):
        with_ctrl_c(sweep("sociable/a", images, store, **options), hanging)
    assert [pid for pid in processes(hanging) if lives(pid)] == []
    monkeypatch.delenv("SOCIABLE_HANG")
    (run,) = predict("sociable/a", images, store, **options)
    divided, resumed, *_ = store.provenance(run).incidents
    assert divided == "divided among 2 processes"
    assert resumed == "resumed with 4 pictures done"
    assert same(tensors(store, run), alone(run))


def test_no_worker_outlives_a_command_that_is_killed(folder, store, place):
    hanging = place("SOCIABLE_HANG")
    command = ["predict", folder, "--models", "sociable/a", "--gpu", "cpu,cpu", "--store"]
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarking", *map(str, [*command, store.folder])],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        try:
            assert within_a_minute(lambda: len(processes(hanging)) == 2)
        finally:
            parent.kill()
        assert ", shared among 2 workers on the CPU; up to " in parent.stdout.read()
    assert within_a_minute(lambda: not any(map(lives, processes(hanging))))


def test_gpus_that_differ_never_share_a_run(images, store, alone, place, capsys):
    place("SOCIABLE_MEET", wanted=3)
    (run,) = predict("sociable/a", images, store, gpu="all", keep="all")
    said = capsys.readouterr().err
    assert "the GPUs differ (abacus, abacus, slide rule); each model is computed on GPUs" in said
    assert said.count("a: workers differ in their device, so only those like the first one") == 1
    assert store.provenance(run).device in ("abacus", "slide rule")
    assert same(tensors(store, run), alone(run))


@pytest.mark.parametrize(
    ("models", "gpu", "executor", "message"),
    [
        (
            "sociable/a",
            (0, 1),
            "in-process",
            "executor 'in-process' uses one device; name one with",
        ),
        ("sociable/a", (0, 3), None, "there is no GPU 3: Abaci sees GPUs 0 to 2"),
        ("brightness/steady", "all", "fresh-process", "models of Arithmetic do not run on GPUs;"),
    ],
)
def test_gpus_that_cannot_be_used_are_refused_first(images, store, models, gpu, executor, message):
    with pytest.raises(BenchmarkError, match=message):
        predict(models, images, store, gpu=gpu, executor=executor)
    assert not store.folder.exists()


@pytest.mark.parametrize(
    ("gpu", "message"),
    [
        ((0, 1, 0), "GPU 0 is named 2 times; name each one once"),
        ((0, -1), "the CPU and GPUs do not share models"),
        ((), r"gpu is \(\); expected a GPU's number, -1 for the CPU, a tuple of these, 'all', or"),
        ("0,1", "gpu is '0,1'; expected a GPU's number"),
    ],
)
def test_gpus_that_make_no_sense_are_refused(gpu, message):
    with pytest.raises(BenchmarkError, match=message):
        Options(gpu=gpu)


def test_all_gpus_are_at_least_one(images, store, monkeypatch):
    monkeypatch.setenv("ABACI", "1")
    (run,) = predict("sociable/a", images, store, gpu="all")
    assert store.provenance(run).device == "abacus"
    monkeypatch.setenv("ABACI", "0")
    with pytest.raises(
        BenchmarkError, match="'all' means all GPUs, but there is no GPU 0: Abaci sees no"
    ):
        predict("sociable/a", images, store, gpu="all")


def test_one_gpu_in_a_list_is_that_gpu():
    assert (Options(gpu=[1]).gpu, Options(gpu=[1, 2]).gpu) == (1, (1, 2))


def test_a_model_of_your_own_has_one_device(images, store):
    with pytest.raises(BenchmarkError, match="runs in this process, on one device"):
        predict(len, images, store, recipe="sociable/a", gpu="all")


def test_the_frameworks_of_a_worker_use_its_share_of_the_cores():
    code = (
        "from benchmarking.inference.across_devices import with_threads\n"
        "def threads(job):\n"
        "    import torch\n"
        "    return torch.get_num_threads()\n"
        "print(with_threads(threads, 1, None))\n"
    )
    plain = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    found = subprocess.run(
        [sys.executable, "-c", code], env=plain, capture_output=True, text=True, check=True
    )
    assert found.stdout == "1\n"
