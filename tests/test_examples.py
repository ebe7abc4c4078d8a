"""The notebooks in examples/ run from top to bottom and give their stored outputs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import DATA
from jupyter_client import KernelManager
from nbclient import NotebookClient

from benchmarking import plugins
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.sets import open_pictures

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"
MOST_BYTES = 60_000
SECONDS = 300
"""Timeout for one cell, or one message of a kernel."""


@pytest.fixture(scope="module", autouse=True)
def _jupyter(tmp_path_factory):
    """A kernel "python3" of this interpreter; the user's own Jupyter files are not used."""
    folder = tmp_path_factory.mktemp("jupyter")
    kernel = folder / "data" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": command, "display_name": "Python 3"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder / "data"))
        for name in ("CONFIG", "DATA", "RUNTIME"):
            patch.setenv(f"JUPYTER_{name}_DIR", str(folder / name.lower()))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        yield


@pytest.fixture
def place(tmp_path):
    """A copy of the folder `examples`, without other files."""
    (tmp_path / "precomputed").symlink_to(ROOT / "precomputed")
    (tmp_path / "examples").mkdir()
    return tmp_path / "examples"


@pytest.fixture
def fetched_2019(arrays_of_2019, tmp_path, monkeypatch):
    """A cache with the predictions of 2019 and the ReaL labels."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for collection, folder in (
        ("predictions-2019", arrays_of_2019),
        ("real-labels", DATA / "imagenet_val"),
    ):
        command = [sys.executable, "-m", "benchmarking", "fetch", collection, "--from", folder]
        subprocess.run(command, check=True, capture_output=True)


def executed(name, place):
    """A notebook after it has run; a cell that raises is an error of the test."""
    notebook = nbformat.read(ROOT / "examples" / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(place)}},
    )
    return client.execute()


def shown(notebook):
    """The visible output of each code cell, without progress bars."""
    return [_shown(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]


def _shown(outputs):
    text = ""
    for output in outputs:
        if output.output_type == "stream":
            text += output.text if output.name == "stdout" else ""
        elif WIDGET not in output.data:
            text += output.data.get("text/html") or output.data["text/plain"]
    return text


def stored(name):
    return nbformat.read(ROOT / "examples" / f"{name}.ipynb", as_version=4)


@pytest.mark.models
def test_the_first_table_has_the_accuracies_of_two_models(place):
    found = shown(executed("first_table", place))
    (table,) = (text for text in found if "<caption>demo" in text)
    row = "<td>efficientnet-lite0</td><td>published</td><td>90.00 [69.90, 97.21]</td>"
    assert row in table
    assert found == shown(stored("first_table"))


@pytest.mark.models
def test_a_model_of_ones_own_stands_beside_a_pretrained_one(place):
    found = shown(executed("a_model_of_your_own", place))
    assert any("same prediction on 20 of 20 pictures" in text for text in found)
    assert any("has 10 outputs; expected 1,000, one for each class" in t for t in found)
    assert found == shown(stored("a_model_of_your_own"))


@pytest.mark.models
@pytest.mark.parametrize("framework", ["pytorch", "keras"])
def test_seven_steps_of_transfer_learning_give_what_the_notebook_shows(framework, place):
    found = shown(executed(f"transfer_in_{framework}", place))
    assert any("tensors of the backbone have changed" in text for text in found)
    assert found == shown(stored(f"transfer_in_{framework}"))


def test_both_frameworks_show_the_same_losses_and_accuracy():
    in_pytorch, in_keras = (
        [line for text in shown(stored(f"transfer_in_{name}")) for line in text.splitlines()]
        for name in ("pytorch", "keras")
    )
    losses = [line for line in in_pytorch if line.startswith("losses: ")]
    assert len(losses[0].split()) == 25
    assert set(in_pytorch) - set(in_keras) == {
        *("Sequential(", "  (hidden): Linear(in_features=1280, out_features=128, bias=True)"),
        *("  (relu): ReLU()", "  (output): Linear(in_features=128, out_features=2, bias=True)"),
        *(")", "0 of 294 tensors of the backbone have changed"),
        "['head.pt', 'head.safetensors', 'model.classes.json', 'model.pt2', 'model.recipe.json']",
    }


def test_real_labels_change_six_ranks(fetched_2019, place):
    found = shown(executed("what_real_labels_change", place))
    tables = [text for text in found if "<table" in text]
    assert [text.count("<tr>") for text in tables] == [34, 6]
    assert found == shown(stored("what_real_labels_change"))


def test_without_the_downloads_the_notebook_says_which_commands_bring_them(place, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(place.parent / "empty"))
    first, labels, *others = shown(executed("what_real_labels_change", place))
    assert "imagenet-benchmark fetch predictions-2019" in first
    assert "imagenet-benchmark fetch real-labels" in first
    assert "3,163 have no ReaL label" in labels
    assert not any("<table" in text for text in others)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_small_outputs_and_nothing_of_the_machine(path):
    text = path.read_text()
    assert path.stat().st_size < MOST_BYTES
    assert WIDGET not in text
    assert not re.search(r"(?<![\w.<])/(?:home|root|tmp|work|Users|var)/|0x[0-9a-f]{6}", text)
    outputs = [output for cell in stored(path.stem).cells for output in cell.get("outputs", ())]
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert not any("execution" in cell.metadata for cell in stored(path.stem).cells)


PREDICT = """
from benchmarking import Store, open_images, predict

store = Store("store")
runs = predict("numbered/one", open_images("many"), store, batch_size=1)
print(store.provenance(runs[0]).incidents)
"""

INTERRUPTED_BAR = """
from tqdm.notebook import tqdm

update = tqdm.update


def interrupted(bar, n=1):
    if bar.desc.startswith("one") and bar.n >= 20:
        tqdm.update = update
        raise KeyboardInterrupt
    return update(bar, n)


tqdm.update = interrupted
"""


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A kernel in a folder with 80 labelled pictures, `many`, and its client.

    A light model, which a worker process runs too, takes the place of one that loads a framework.
    """
    plug_ins = sorted(map(str, (ROOT / "tests/torture/plugins").glob("*/*.py")))
    monkeypatch.setenv(plugins.FILES_VARIABLE, os.pathsep.join(plug_ins))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests'}{os.pathsep}{ROOT}")
    monkeypatch.setenv("TORTURE_PAUSE", "0.05")
    for picture in open_pictures("demo").pictures:
        folder = tmp_path / "many" / wnids()[picture.label]
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(4):
            (folder / f"{number}-{picture.key}").write_bytes(picture.read())
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=SECONDS)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def outcome(client, code, *, on_bar=lambda pictures: None):
    """Run a cell; return its status, the name of its error, and its printed text.

    Args:
        client: client of the kernel.
        code: code of the cell.
        on_bar: called with the number that a bar shows, whenever it changes.
    """
    printed = []

    def follow(message):
        content = message["content"]
        if message["msg_type"] == "stream":
            printed.append(content["text"])
            assert "another process works on it" not in content["text"]  # would wait forever
        if message["msg_type"] == "comm_msg":
            on_bar(content["data"].get("state", {}).get("value"))

    reply = client.execute_interactive(code, output_hook=follow, timeout=SECONDS)["content"]
    return reply["status"], reply.get("ename", ""), "".join(printed)


def resumed_with(printed):
    return int(re.search(r"resumed with (\d+) pictures done", printed)[1])


def test_an_interrupted_cell_is_resumed_by_running_it_again(kernel, tmp_path):
    manager, client = kernel
    numbers = []

    def interrupt(number):
        """Interrupt once, when the bar of the model has moved, not the bar of reading."""
        is_predicting = any((tmp_path / "store").rglob("lock"))
        if is_predicting and not numbers and isinstance(number, int | float) and 0 < number < 80:
            numbers.append(number)
            manager.interrupt_kernel()

    assert outcome(client, PREDICT, on_bar=interrupt)[:2] == ("error", "KeyboardInterrupt")
    assert not list((tmp_path / "store").rglob("*.published.safetensors"))
    status, _, printed = outcome(client, PREDICT)
    assert status == "ok"
    assert numbers[0] <= resumed_with(printed) < 80


def test_a_cell_that_is_interrupted_while_its_bar_moves_is_resumed_as_well(kernel):
    """IPython keeps the traceback, so garbage collection closes nothing."""
    _, client = kernel
    outcome(client, INTERRUPTED_BAR)
    assert outcome(client, PREDICT)[:2] == ("error", "KeyboardInterrupt")
    status, _, printed = outcome(client, PREDICT)
    assert status == "ok"
    assert resumed_with(printed) == 21
