"""Six real models on two nodes of Ray, of which a task, a node and the driver are killed.

It takes minutes, so it runs with --full only. `RAY_TEST_LIMIT` is the number of pictures.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import ray_nodes
from safetensors import safe_open

from benchmarking.predictions.store import Store

pytest.importorskip("ray", reason="Ray is not installed: pip install ray")

THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")}
MODELS = ("efficientnet-lite-pytorch", "efficientnet-lite-keras")
LIMIT = os.environ.get("RAY_TEST_LIMIT", "500")
_PATIENCE = 1800


@pytest.fixture
def nodes(full):
    """The two nodes of a cluster, with a core each; a test may add others."""
    if not full:
        pytest.skip("six real models, for minutes: --full runs them")
    started = [ray_nodes.start(**THREADS)]
    started.append(ray_nodes.start(started[0], **THREADS))
    yield started
    for node in reversed(started):
        node.kill()


def command(pictures, store, *more):
    """The command that predicts with all models, and its environment."""
    how = ["--limit", LIMIT, "--gpu", "cpu", "--workers", "1", "--models", *MODELS]
    arguments = [pictures, "--store", store, *how, *more]
    return [sys.executable, "-m", "benchmarking", "predict", *map(str, arguments)]


def begun(*arguments):
    environment = {**os.environ, **THREADS, "PYTHONPATH": str(ray_nodes.ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command(*arguments), env=environment, text=True, **pipes)


def ended(process):
    out, err = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0, err
    print(out, err)
    return err


def runs(store):
    return [run for images in store.image_sets() for run in store.runs(images)]


def tensors(folder):
    store, found = Store(folder), {}
    for run in runs(store):
        with safe_open(store.path(run), "np") as file:
            every = {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
        found[f"{run.source}/{run.model}"] = every
    return found


def workers(node):
    """Processes that compute models on a node."""
    found = []
    for pid in node.pids():
        with suppress(OSError):
            if b"benchmarking.inference.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def until(happened, process):
    end = time.monotonic() + _PATIENCE
    while not (found := happened()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.2)
    return found


def test_a_task_a_node_and_the_driver_can_be_killed(nodes, sample_images, tmp_path):
    alone, store = tmp_path / "alone", tmp_path / "store"
    head, other = nodes
    on_ray = (sample_images, store, "--executor", "ray", "--address", head.address)
    began = time.monotonic()
    ended(begun(sample_images, alone))
    print(f"alone: {time.monotonic() - began:.0f} s")
    expected = tensors(alone)
    assert len(expected) == 6

    driver = begun(*on_ray)
    until(lambda: len(tensors(store)) >= 1, driver)
    os.kill(parent(until(lambda: workers(head), driver)[0]), signal.SIGKILL)
    until(lambda: len(tensors(store)) >= 2, driver)
    until(lambda: workers(other), driver)
    other.kill()
    until(lambda: len(tensors(store)) >= 3, driver)
    until(lambda: workers(head), driver)
    driver.kill()
    out, err = driver.communicate()
    assert "raylet" not in out
    print(out, err)
    time.sleep(10)
    assert workers(head) == []  # its tasks have ended with it
    nodes.append(ray_nodes.start(head, **THREADS))

    began = time.monotonic()
    ended(begun(*on_ray))
    print(f"the rest on Ray: {time.monotonic() - began:.0f} s")
    assert tensors(store) == expected
    made = [Store(store).provenance(run) for run in runs(Store(store))]
    incidents = [text for one in made for text in one.incidents]
    print("\n".join(incidents))
    assert sum("its task was lost" in text for text in incidents) >= 2
    assert [workers(node) for node in nodes] == [[], [], []]


def test_two_nodes_give_what_one_process_gives(nodes, sample_images, tmp_path):
    began = time.monotonic()
    store = tmp_path / "store"
    address = nodes[0].address
    ended(begun(sample_images, store, "--executor", "ray", "--address", address))
    print(f"on Ray: {time.monotonic() - began:.0f} s")
    ended(begun(sample_images, tmp_path / "alone"))
    assert tensors(store) == tensors(tmp_path / "alone")
