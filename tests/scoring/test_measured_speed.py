"""Measured speed stands beside accuracy, but never that of two machines in one column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from benchmarking.predictions.run import Run
from benchmarking.predictions.speed_runs import Conditions, Measured, Round, Series, Setting
from benchmarking.predictions.speed_store import SpeedStore
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import TopK

CONDITIONS = Conditions(1, (0,), "1", "on", "NHWC", "glibc", "unknown", (), 0.0)
SETTING = Setting("a machine", "cpu", 2, "float32", "published", {})


@pytest.fixture
def store(tmp_path, three_pictures, a_provenance) -> Store:
    """Runs of two models on three pictures."""
    found = Store(tmp_path / "mine")
    top = TopK(np.array([[1], [2], [3]]), np.ones((3, 1), np.float32))
    for model in ("one", "two"):
        made = replace(a_provenance(three_pictures), precision="float32")
        found.write(Run("three", "src", model, "published"), three_pictures, top, made)
    return found


@pytest.fixture
def add(store) -> Callable[..., None]:
    """A function that stores a round of a model."""

    def add(
        model: str, seconds: float, setting: Setting = SETTING, day: int = 1, **series: object
    ) -> None:
        scenario = {"scenario": "single", "mode": "eager", "batch_size": 1, **series}
        pictures = scenario["batch_size"]
        measured = Measured(9.0, (), (seconds,) * 3, True, pictures)
        one = Round(1, 1, f"2026-01-0{day}", measured, 2**29, None, CONDITIONS)
        SpeedStore(store.folder).add(Series(source="src", model=model, **scenario), setting, one)

    return add


def test_a_wide_table_has_latency_memory_and_throughput(store, add, call):
    add("one", 0.0205)
    add("one", 0.25, scenario="offline", batch_size=32)
    status, wide, notes = call("table", "--store", store.folder, "--wide")
    assert status == 0
    heading, first, second = wide.splitlines()[1:]
    assert heading.rstrip().endswith(
        "Latency eager [ms]  Memory eager [MiB]  Throughput eager 32 [1/s]"
    )
    assert [line.split()[-3:] for line in (first,)] == [["20.5", "512", "128"]]
    assert "20.5" not in second
    assert "note: speed was measured with 2 threads, a machine, device cpu, float32" in notes
    _, narrow, _ = call("table", "--store", store.folder)
    assert "Latency" not in narrow


def test_a_csv_table_has_the_values_in_full(store, add, call, tmp_path):
    add("one", 0.0205)
    call("table", "--store", store.folder, "-o", tmp_path / "t.csv")
    heading, first, _ = (tmp_path / "t.csv").read_text().splitlines()
    row = dict(zip(heading.split(","), first.split(","), strict=True))
    assert float(row["Latency eager [ms]"]) == pytest.approx(20.5)


@pytest.mark.parametrize(
    ("setting", "series"),
    [
        (replace(SETTING, weights="random"), {}),
        (replace(SETTING, precision="bf16"), {}),
        (SETTING, {"replica": 1}),
        (SETTING, {"scenario": "train", "batch_size": 8}),
    ],
)
def test_what_is_not_the_speed_of_this_run_is_left_out(store, add, call, setting, series):
    add("one", 0.02, setting, **series)
    _, wide, _ = call("table", "--store", store.folder, "--wide")
    assert "eager" not in wide


def test_the_machine_with_most_models_counts_alone(store, add, call):
    add("one", 0.0205)
    for model in ("one", "two"):
        add(model, 0.5, replace(SETTING, machine="another"))
    _, wide, notes = call("table", "--store", store.folder, "--wide")
    assert wide.count("500") == 2
    assert "20.5" not in wide
    assert "another" in notes


def test_newer_libraries_replace_older_ones(store, add, call):
    add("one", 0.0205, replace(SETTING, versions={"torch": "2"}), day=2)
    add("one", 0.0305, replace(SETTING, versions={"torch": "1"}), day=1)
    _, wide, _ = call("table", "--store", store.folder, "--wide")
    assert "20.5" in wide
    assert "30.5" not in wide


def test_a_damaged_file_of_rounds_is_named_and_the_table_is_made(store, add, call):
    add("one", 0.0205)
    (path,) = store.folder.glob("speed/*/*/*.json")
    path.write_text(path.read_text().replace("0.0205", "0.0001"))
    status, wide, notes = call("table", "--store", store.folder, "--wide")
    assert status == 0
    assert "Latency" not in wide
    assert "warning: " in notes
    assert "is broken" in notes
