"""Learning curves: their numbers are those of the stored heads."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.experiments.transfer import runs
from benchmarking.experiments.transfer.curves import curves_in, differences, drawing
from benchmarking.experiments.transfer.plan import Trained, Training, shared_plan
from benchmarking.predictions import array_file

STEPS = 6


def store(folder: Path, head: str, seed: int, *, model="m", protocol="same", width=8, shift=0.0):
    """Store a made-up head, whose losses differ from those of PyTorch by `shift`."""
    plan = shared_plan(Training(head=width, epochs=2), seed=seed, features=4, classes=2, n=96)
    losses = 1 / np.arange(1.0, STEPS + 1) + seed + shift
    trained = Trained(
        losses=losses,
        before=plan.initial,
        after=plan.initial,
        probabilities=np.full((3, 2), 0.5),
        changed=(),
        tensors=7,
        versions={},
        seconds=1.0,
        epochs=np.array([[0.5, 0.7], [0.75, 0.6 + seed]]),
    )
    made_from = {"training": {"head": width}, "versions": {head: "1"}}
    runs.write(
        folder, runs.Request("task", protocol, "s", model, head, seed, made_from), plan, trained
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine-transfer"
    for seed in (0, 1):
        store(folder, "pytorch", seed)
        store(folder, "keras", seed, shift=0.25 * (seed + 1))
    return folder


def records(folder: Path, *fields: str, patterns: tuple[str, ...] = ()) -> list[dict[str, float]]:
    """The records of the figure that have these fields."""
    found = drawing(folder, patterns).chart["datasets"].values()
    return [one for rows in found for one in rows if set(fields) <= one.keys()]


def test_a_line_is_the_mean_over_seeds_with_their_range(folder):
    of_pytorch = [one for one in records(folder, "loss") if one["platform"] == "PyTorch"]
    assert [one["loss"] for one in of_pytorch] == pytest.approx(1 / np.arange(1, 7) + 0.5)
    assert [one["low"] for one in of_pytorch] == pytest.approx(1 / np.arange(1, 7))
    assert [one["high"] for one in of_pytorch] == pytest.approx(1 / np.arange(1, 7) + 1)
    accuracies = [one["accuracy"] for one in records(folder, "accuracy")]
    assert accuracies == [50, 75, 50, 75]


def test_the_difference_of_a_step_is_the_largest_over_seeds(folder):
    assert [one["difference"] for one in records(folder, "difference")] == [0.5] * STEPS
    by_head = {
        name: [c for c in curves_in(folder) if c.head == name] for name in ("keras", "pytorch")
    }
    assert differences(by_head["keras"], by_head["pytorch"]).tolist() == [0.5] * STEPS
    assert differences(by_head["keras"], []).size == 0


def test_only_the_latest_of_heads_with_other_options_are_shown(folder):
    store(folder, "pytorch", 0, width=16, shift=5.0)
    assert {one["platform"] for one in records(folder, "loss")} == {"PyTorch"}
    assert min(one["loss"] for one in records(folder, "loss")) > 5
    assert drawing(folder).notes[1] == (
        "4 heads that were trained with other options before are not shown."
    )


def test_models_are_chosen_by_patterns_and_probes_have_no_curve(folder):
    store(folder, "scikit-learn", 0, model="other", protocol="probe")
    store(folder, "pytorch", 0, model="other", protocol="defaults")
    assert len(drawing(folder, ["other"]).chart["vconcat"]) == 1
    assert len(drawing(folder, ["s/*"]).chart["vconcat"]) == 2
    with pytest.raises(BenchmarkError, match="there are no trained heads of nothing in"):
        drawing(folder, ["nothing"])


def test_plot_draws_them_and_lists_them(folder, call, tmp_path):
    mine, file = tmp_path / "mine", tmp_path / "curves.svg"
    status, _, err = call("plot", "learning-curves", "m", "--store", mine, "-o", file)
    assert (status, err) == (0, f"wrote {file}\n")
    assert "s/m on task: same, 2 seeds" in file.read_text()
    assert "learning-curves  Learning curves of heads on frozen models" in call("plot")[1]


def test_a_page_has_a_section_for_the_heads_beside_its_store(folder, call, tmp_path, tree, light):
    page = tmp_path / "page.html"
    for name in ("other", "mine"):
        call("predict", tree, "--models", "steady", "--store", tmp_path / name)
    call("report", "--store", tmp_path / "other", "-o", page)
    assert "Heads on frozen models" not in page.read_text()

    call("report", "--store", tmp_path / "mine", "-o", page)
    text = page.read_text()
    assert '<h2 id="further-0-title">Heads on frozen models</h2>' in text
    assert '<th scope="row">s/m</th><td>task</td><td>same</td><td>Keras</td><td>2</td>' in text
    assert "s/m on task: same, 2 seeds" in text


def changed(path: Path, **changes: object) -> None:
    """Change a file of a head, with correct digests, as somebody may who wants to do harm."""
    held = array_file.read(path, {})
    arrays = {name: changes.pop(name, one) for name, one in held.arrays.items()}
    document = {**held.document, **changes}
    kept = {name: one for name, one in arrays.items() if one is not None}
    array_file.ArrayFile({k: v for k, v in document.items() if v is not None}, kept).write(path)


REQUEST = {"task": "t", "protocol": "same", "source": "s", "model": "m", "framework": "keras"}


@pytest.mark.parametrize(
    "change",
    [
        {"request": None},
        {"request": [1]},
        {"request": REQUEST},
        {"request": {**REQUEST, "seed": "x", "made_from": {}}},
        {"request": {**REQUEST, "seed": 0, "made_from": 1}},
        {"losses": None},
        {"losses": np.zeros((2, 2))},
        {"losses": np.zeros(0)},
        {"epochs": np.zeros((2, 3))},
        {"epochs": np.zeros((0, 2))},
        {"epochs": np.zeros(())},
        {"losses": np.zeros(3)},
    ],
    ids=str,
)
def test_a_head_with_correct_digests_and_other_contents_is_refused_by_name(folder, change):
    path = sorted((folder / "heads").rglob("*.safetensors"))[0]
    changed(path, **change)
    with pytest.raises(StoreError, match=f"{path.name} is damaged|have different numbers of steps"):
        drawing(folder)


def test_a_folder_of_heads_that_cannot_be_read_is_named(folder, monkeypatch):
    hidden, scandir = folder / "heads" / "task" / "same", os.scandir

    def scan(place):
        if Path(place) == hidden:
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", scan)
    with pytest.raises(StoreError, match=f"{hidden} cannot be read: Permission denied"):
        drawing(folder)


@pytest.mark.parametrize("place", ["heads", "heads/task", "heads/task/same/s"])
def test_a_head_is_not_written_through_a_link_in_a_foreign_store(tmp_path, place):
    mine, foreign = tmp_path / "mine", tmp_path / "foreign-transfer"
    mine.mkdir()
    link = foreign / place
    link.parent.mkdir(parents=True)
    link.symlink_to(mine)
    with pytest.raises(StoreError, match=f"{link} is a link; a store is written within its own"):
        store(foreign, "pytorch", 0)
    assert list(mine.rglob("*")) == []
