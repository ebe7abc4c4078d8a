"""`predict --plan`: what would be done, without doing it."""

import csv
import shlex
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import an_image_set

from benchmarking import predict, sweep
from benchmarking.cli import _parser
from benchmarking.experiments.planning import shown
from benchmarking.experiments.planning.devices import kind_of, processes_of
from benchmarking.experiments.planning.units import planned
from benchmarking.experiments.planning.verbs import dry_run
from benchmarking.experiments.speed.conditions import machine
from benchmarking.inference.events import Progress
from benchmarking.inference.plan import Options, plan
from benchmarking.io.prefetch import cores
from benchmarking.models.available import without_downloads
from benchmarking.models.frameworks import NO_GPU
from benchmarking.models.sources import spec_of
from benchmarking.predictions.run import Run
from benchmarking.predictions.speed_runs import Conditions, Measured, Round, Series, Setting
from benchmarking.predictions.speed_store import SpeedStore
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import TopK

pytestmark = pytest.mark.usefixtures("light")

CONDITIONS = Conditions(1, (0,), "1", "on", "NHWC", "glibc", "unknown", (), 0.0)
ON_CPU = Options(gpu=NO_GPU)
TO_DO = ("to", "do", "6", "0", "4", "kB")
UNKNOWN = ("not", "measured")


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def everything(folder: Path) -> set[tuple[str, int, int]]:
    """Every file and folder below a folder, with its size and the time of its last change."""
    return {(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def test_a_plan_starts_nothing_writes_nothing_and_reads_no_picture(
    call, tree, store, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    next(tree.glob("*/*")).write_bytes(b"no picture")
    before = everything(tmp_path)
    status, table, notes = call(
        "predict", tree, "--models", "steady", "remote", "--store", store, "--plan"
    )
    assert status == 0, notes
    assert everything(tmp_path) == before
    heading, steady, remote, total = table.splitlines()
    assert heading.split()[:4] == ["Image", "set", "Model", "State"]
    assert steady.split() == ["tree", "brightness/steady", *TO_DO, "-", *UNKNOWN]
    assert remote.split() == ["tree", "brightness/remote", *TO_DO, "7.3", "MB", *UNKNOWN]
    assert total.split()[:6] == ["tree", "all", "2", "2", "to", "do"]
    assert total.split()[-5:] == ["7.3", "MB", "2", *UNKNOWN]  # and no time
    assert "no time is known, as 2 models are not measured" in notes


def test_a_stored_and_a_partial_run_are_recognised(call, tree, store):
    predict("brightness/steady", str(tree), store)
    with closing(sweep("brightness/darker", str(tree), store)) as events:
        next(event for event in events if isinstance(event, Progress) and event.pictures)
    found = dry_run(["steady", "darker", "steadier"], str(tree), store)
    assert [(unit.model, unit.state, unit.done) for unit in found.units] == [
        ("brightness/steady", "stored", 6),
        ("brightness/steadier", "to do", 0),
        ("brightness/darker", "to resume", 2),
    ]
    assert (found.total.pictures, found.total.done) == (18, 8)
    again = dry_run("steady", str(tree), store, Options(again=True))
    assert [(unit.state, unit.done) for unit in again.units] == [("to do", 0)]
    for other in (Options(seed=0), Options(keep="all")):
        place = store if other.seed is None else store.with_name("store-random")
        assert dry_run("steady", str(tree), place, other).units[0].state == "to do"


def test_sizes_are_bounds_of_those_that_a_sweep_then_has(call, tree, store, tmp_path):
    crops = tmp_path / "crops"
    options = Options(crop_cache=crops, keep="all")
    found = dry_run(["steady", "darker"], str(tree), store, options)
    predict(["steady", "darker"], str(tree), store, crop_cache=crops, keep="all")
    for unit in found.units:
        source, model = unit.model.split("/")
        size = Store(store).path(Run("tree", source, model, "published")).stat().st_size
        assert size <= unit.size < size + 4096
    assert found.crops == {"tree": sum(path.stat().st_size for path in crops.glob("*.crops"))}
    assert dry_run("steady", str(tree), store, Options(crop_cache="none")).crops == {"tree": 0}


@pytest.fixture
def measured(store, tmp_path, a_provenance):
    """A function that stores a run of `n` pictures which took some seconds on a CPU."""

    def measured(model: str, n: int, took: float, **changes: object) -> None:
        names = {f"{row:03}.png": row % 10 for row in range(n)}
        images = an_image_set(tmp_path / f"pictures-{n}", names, f"set-{n}")
        spec = spec_of("brightness", model)
        made = replace(
            a_provenance(images),
            preprocessing=spec.recipes["published"].as_document(),
            **{"precision": "exact", "seconds": took, "device": "cpu", **changes},
        )
        top = TopK(np.zeros((n, 1), np.int64), np.ones((n, 1), np.float32))
        run = Run(images.name, "brightness", model, "published")
        Store(store).write(run, images, top, made)

    return measured


def seconds_of(found) -> dict[str, float | None]:
    return {unit.model.removeprefix("brightness/"): unit.seconds for unit in found.units}


def test_time_follows_from_stored_runs_of_the_same_model(measured, tree, store):
    measured("steady", 20, 12.0)
    measured("steady", 60, 16.0)  # 0.1 s per picture after 10 s
    measured("darker", 20, 10.0)
    found = dry_run(["steady", "darker"], str(tree), store, ON_CPU)
    assert seconds_of(found) == {"steady": pytest.approx(10.6), "darker": pytest.approx(3.0)}
    assert [unit.source for unit in found.units] == [
        "runs of 20 and 60 pictures",
        "run of 20 pictures",
    ]
    assert found.total.unknown == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "NVIDIA H100 80GB HBM3"},
        {"precision": "fp16"},
        {"batch_size": 1},
        {"incidents": ("resumed with 2 pictures done",)},
        {"seconds": None},
        {"versions": {"compiled": "onnxruntime 1.23"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_run_of_other_conditions_tells_no_time(measured, tree, store, changes):
    measured("steady", 20, 10.0, **changes)
    assert seconds_of(dry_run("steady", str(tree), store, ON_CPU)) == {"steady": None}


def test_gpus_of_two_kinds_are_not_mixed(measured, tree, store):
    measured("steady", 20, 10.0, device="card A")
    measured("steadier", 20, 20.0, device="card A")
    measured("darker", 20, 40.0, device="card B")
    found = dry_run(["steady", "steadier", "darker"], str(tree), store, Options(gpu=0))
    assert found.durations.device == "card A"
    assert seconds_of(found) == {"steady": 3.0, "steadier": 6.0, "darker": None}


@pytest.fixture
def round_of(store):
    """A function that stores a round of speed: half a second for two pictures."""

    def add(model: str, scenario: str = "offline", **changes: object) -> None:
        setting = Setting(machine(), "cpu", cores(), "exact", "published", {})
        measured = Measured(9.0, (), (0.5,) * 3, True, 2, facts={"device": "cpu"})
        one = Round(1, 1, "2026-01-01", measured, 2**29, None, CONDITIONS)
        series = Series(scenario, "brightness", model, "compiled", 2)
        SpeedStore(store).add(series, replace(setting, **changes), one)

    return add


def test_rounds_of_speed_tell_the_time_where_no_run_does(round_of, measured, tree, store):
    round_of("steady")
    round_of("darker")
    measured("darker", 20, 10.0)
    found = dry_run(["steady", "darker"], str(tree), store, ON_CPU)
    assert seconds_of(found) == {"steady": 1.5, "darker": 3.0}
    assert found.units[0].source == "speed, offline, batch 2"
    assert "the time of brightness/steady on tree leaves out loading the model" in shown.notes(
        found
    )


@pytest.mark.parametrize(
    "changes",
    [{"machine": "another"}, {"threads": cores() + 1}, {"weights": "random"}, {"precision": "x"}],
    ids=lambda changes: next(iter(changes)),
)
def test_rounds_of_another_machine_or_setting_tell_no_time(round_of, tree, store, changes):
    round_of("steady", **changes)
    assert seconds_of(dry_run("steady", str(tree), store, ON_CPU)) == {"steady": None}


def test_a_total_with_gaps_is_a_lower_bound_and_names_the_command_that_measures(
    measured, call, tree, store
):
    measured("steady", 20, 7200.0)
    given = ("predict", tree, "--models", "steady", "darker", "--gpu", "cpu", "--store", store)
    status, table, notes = call(*given, "--plan")
    assert status == 0
    steady, darker, total = (line.split() for line in table.splitlines()[1:])
    assert steady[-5:] == ["0:36:00", "run", "of", "20", "pictures"]
    assert darker[-2:] == ["not", "measured"]
    assert total[-5:] == [">=", "0:36:00", "1", "not", "measured"]
    (note,) = (line for line in notes.splitlines() if "lower bound" in line)
    command = shlex.split(note.partition("measure with: imagenet-benchmark ")[2])
    asked = _parser(command).parse_args(command)
    assert asked.models == ["brightness/darker"]
    assert asked.scenario == ["pipeline"]


def test_several_processes_share_the_time(measured, tree, store):
    measured("steady", 20, 80.0)
    made = plan("steady", "tree", 60, Store(store), ON_CPU, find=without_downloads)
    alone, four, unknown = (planned([made], processes=n) for n in (1, 4, None))
    assert [each.wall_seconds for each in (alone, four, unknown)] == [240.0, 60.0, None]
    assert any("with 4 processes it takes 0:01:00 if" in note for note in shown.notes(four))
    assert any("is not divided" in note for note in shown.notes(unknown))
    assert not any("processes" in note for note in shown.notes(alone))


@pytest.mark.parametrize(
    ("gpu", "kind", "processes"),
    [(NO_GPU, "cpu", 1), (0, "gpu", 1), ((0, 1, 2), "gpu", 3), ((NO_GPU, NO_GPU), "cpu", 1)],
)
def test_the_device_and_the_number_of_processes_follow_from_the_gpus(gpu, kind, processes):
    assert (kind_of(gpu), processes_of(Options(gpu=gpu))) == (kind, processes)


def test_all_visible_gpus_are_counted(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    assert (kind_of("all"), processes_of(Options(gpu="all"))) == ("gpu", 3)


@pytest.mark.parametrize("gpu", ["0,1,2,3", "all"])
def test_gpus_that_this_machine_lacks_can_be_planned_for(measured, call, tree, store, gpu):
    measured("steady", 20, 80.0, device="a card")
    given = (
        "predict",
        tree,
        "--models",
        "steady",
        "--gpu",
        gpu,
        "--executor",
        "worker-process",
        "--store",
        store,
        "--plan",
    )
    status, table, notes = call(*given)
    assert status == 0, notes
    assert "0:00:24" in table
    assert ("with 4 processes it takes 0:00:06 if" in notes) == (gpu != "all")


def test_several_image_sets_have_a_total_each_and_one_of_all(call, tree, store):
    sets = (f"a={tree}", f"b={tree}")
    _, table, _ = call(
        "predict", "--images", *sets, "--models", "remote", "--store", store, "--plan"
    )
    lines = [line.split() for line in table.splitlines()]
    assert [line[0] for line in lines] == ["Image", "a", "b", "a", "b", "2"]
    assert [line[-5:-3] for line in lines[3:]] == [["7.3", "MB"]] * 3  # one file of weights


def test_models_that_cannot_run_are_named_with_the_reason(call, tree, store):
    given = ("predict", tree, "--models", "steady", "weightless", "squashing", "--store", store)
    status, table, notes = call(*given, "--plan")
    assert status == 1
    states = {line.split()[1]: line for line in table.splitlines()}
    assert "weights missing" in states["brightness/weightless"]
    assert "cannot run" in states["brightness/squashing"]
    assert "brightness/weightless: weightless.bin is missing; run: make weightless" in notes
    assert "brightness/squashing: no recipe 'published'; it has squash." in notes


def test_without_names_only_models_with_weights_are_planned(call, tree, store):
    status, table, notes = call("predict", tree, "--store", store, "--plan")
    assert status == 0
    assert "brightness/steady" in table
    assert "brightness/remote" not in table
    assert "listed models are left out: their weights or libraries are missing" in notes


def test_other_pictures_of_the_same_name_are_told(measured, tree, store):
    measured("steady", 20, 10.0)
    found = dry_run("steady", str(tree), store)
    assert found.notes == ()
    tree.rename(tree.with_name("set-20"))
    found = dry_run("steady", str(tree.with_name("set-20")), store)
    assert found.units[0].state == "to do"
    assert "has runs on 20 pictures named set-20, and these are 6" in found.notes[0]


def test_a_plan_is_written_as_a_file_for_programs(measured, call, tree, store, tmp_path):
    measured("steady", 20, 10.0)
    given = ("predict", tree, "--models", "steady", "remote", "--gpu", "cpu", "--store", store)
    call(*given, "--plan", "-o", tmp_path / "plan.csv")
    with (tmp_path / "plan.csv").open() as file:
        steady, remote = csv.DictReader(file)
    assert (steady["Seconds"], remote["Seconds"]) == ("3.0", "")
    assert remote["Bytes to download"] == str(7 * 2**20)
    call(*given, "--plan", "-o", tmp_path / "plan.md")
    text = (tmp_path / "plan.md").read_text()
    assert "| tree | brightness/steady | to do | 6 | 0 |" in text
    assert "- the total time is a lower bound, as brightness/remote is not measured" in text


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("-o", "plan.csv"), "-o plan.csv is for the table of --plan"),
        (("--plan", "-o", "plan.png"), "plan.png has no known suffix; use .csv or .md."),
        (
            ("--plan", "--gpu", "cpu,cpu", "--executor", "in-process"),
            "'in-process' uses one device",
        ),
        (("--plan", "--gpu", "0,1", "--executor", "ray"), "gives each task a GPU of its node"),
        (("--plan", "--until", "1"), "it cannot be planned; give --estimate N."),
    ],
)
def test_options_that_do_not_fit_are_refused(call, tree, store, more, message):
    status, _, error = call("predict", tree, "--models", "steady", "--store", store, *more)
    assert status == 2
    assert message in error


def test_a_sample_is_planned_with_its_own_name_and_number_of_pictures(tree, store):
    found = dry_run("steady", str(tree), store, estimate=5)
    assert [(unit.images, unit.n) for unit in found.units] == [("tree-estimate-5", 5)]
