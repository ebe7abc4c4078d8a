"""Sides take turns in fresh processes, and a ratio is told only if it means something."""

import csv
import json
from contextlib import ExitStack, closing
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest

from benchmarking.errors import BenchmarkError, OutOfMemory
from benchmarking.experiments.speed import (
    Options,
    Side,
    Trial,
    conditions,
    rounds,
    size,
    tables,
    turn,
)
from benchmarking.experiments.speed.results import _other_work, summary
from benchmarking.experiments.speed.rounds import Stored, setting_of
from benchmarking.experiments.speed.scenarios import Scenario, largest, scenario_named, scenarios
from benchmarking.experiments.speed.schedule import Comparison, comparisons, sides_of, trials
from benchmarking.experiments.speed.verbs import Request, announced, plan, speed, watched
from benchmarking.io.locks import claim
from benchmarking.models.sources import select, the_spec
from benchmarking.plugins import lacks
from benchmarking.predictions.speed_runs import Answers, Conditions, Measured, Round
from benchmarking.predictions.speed_store import SpeedStore

OPTIONS = Options((), threads=1, seconds=0.01, gpu=-1)
CONDITIONS = Conditions(1, (0,), "1", "on", "NHWC", "glibc", "unknown", (), 0.0)
SAID = Answers(("a.jpg",), ((1, 2, 3, 4, 5),), ((0.5, 0.2, 0.1, 0.05, 0.04),))
OTHERWISE = replace(SAID, classes=((2, 1, 3, 4, 5),))


def lite(*modes: str) -> list[Side]:
    """EfficientNet-Lite0 in PyTorch and in Keras."""
    names = ["efficientnet-lite-pytorch/efficientnet-lite0"]
    return sides_of(select([*names, "efficientnet-lite-keras/efficientnet-lite0"]), modes)


@pytest.fixture
def compared(tmp_path):
    """A function that stores rounds of sides, and returns what they say."""
    todo = Comparison("single", 1, tuple(sorted(lite("eager"), key=lambda side: side.spec.source)))

    def compared(*times: list[float], again: list[float] | None = None, **changed: object):
        store = SpeedStore(tmp_path)
        sides = [*zip(todo.sides, times, strict=True)]
        sides += [] if again is None else [(todo.reference.again, again)]
        for side, found in sides:
            is_other = side == todo.sides[-1]
            for number, seconds in enumerate(found, 1):
                measured = Measured(9.0, (), (seconds,) * 3, True, 1, answers=SAID)
                measured = replace(measured, **(changed if is_other else {}))
                trial = trials([todo], 1, OPTIONS)[0]
                series = replace(trial, side=side).series
                store.add(series, setting_of(side, OPTIONS), round_of(number, measured))
        return summary(todo, OPTIONS, store, rounds=8)

    return compared


def round_of(number: int, measured: Measured) -> Round:
    return Round(number, number, "2026-01-01T00:00:00", measured, 2**30, None, CONDITIONS)


@pytest.mark.parametrize("name", scenarios())
def test_every_scenario_satisfies_its_contract(name):
    assert lacks(scenario_named(name), Scenario) == []


def test_an_unknown_scenario_or_mode_is_named():
    with pytest.raises(BenchmarkError, match="no scenario 'fast'; there are articles-convnet"):
        scenario_named("fast")
    with pytest.raises(BenchmarkError, match="no mode 'fast'; there are eager, compiled"):
        lite("fast")
    with pytest.raises(BenchmarkError, match="none of these models can run xla"):
        sides_of([the_spec("torchvision/resnet50")], ["xla"])


def test_sides_take_turns_forwards_and_backwards_with_the_first_one_twice():
    todo = comparisons(["single"], lite("eager"), [32], random=False)
    order = [
        (one.number, one.place, one.side.spec.framework, one.side.replica)
        for one in trials(todo, 2, OPTIONS)
    ]
    assert order == [
        *[(1, 1, "keras", 0), (1, 2, "pytorch", 0), (1, 3, "keras", 1)],
        *[(2, 4, "keras", 1), (2, 5, "pytorch", 0), (2, 6, "keras", 0)],
    ]


def test_only_models_with_the_same_weights_are_compared():
    sides = sides_of(select(["efficientnet-lite0", "torchvision/resnet50"]), ["eager"])
    same = comparisons(["single"], sides, [1], random=False)
    apart = comparisons(["single"], sides, [1], random=True)
    assert [len(one.sides) for one in same] == [2, 1]
    assert [len(one.sides) for one in apart] == [1, 1, 1]


def test_a_scenario_with_its_own_networks_compares_them_across_frameworks():
    (found,) = comparisons(["articles-convnet"], lite("eager"), [1], random=False)
    assert [side.spec.framework for side in found.sides] == ["pytorch", "keras"]
    assert setting_of(found.reference, OPTIONS).weights == "random"


def test_training_needs_gradients_and_more_than_one_picture():
    todo = comparisons(
        ["train"], lite("eager", "compiled", "xla", "onnxruntime"), [1, 8], random=False
    )
    assert [one.batch_size for one in todo] == [8]
    assert {side.mode for side in todo[0].sides} == {"eager", "compiled"}
    with pytest.raises(BenchmarkError, match="scenario train cannot measure these sides"):
        comparisons(["train"], lite("onnxruntime"), [8], random=False)


def test_a_ratio_is_told_where_both_sides_answer_the_same(compared):
    found = compared([0.3] * 6, [0.1] * 6, again=[0.3] * 6)
    assert found.lines[1].faster.value == pytest.approx(3.0)
    assert found.lines[1].obstacle == ""
    assert found.null.value == pytest.approx(1.0)
    assert found.notes == ("A/A: the same side against itself, 1.000 [1.000, 1.000].",)
    assert "3.00 [3.00, 3.00]" in tables.text([found])


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"answers": OTHERWISE}, "other answers: top-5 the same on 0 of 1 pictures"),
        ({"answers": None}, "no answers on real pictures"),
        ({"answers": replace(SAID, pictures=("b.jpg",))}, "answered other pictures"),
        ({"facts": {"device": "a GPU"}}, "on a GPU, the reference on an unknown device"),
        ({"pictures": 8}, "8 pictures per call, the reference 1"),
    ],
)
def test_no_ratio_is_told_of_sides_that_did_other_work(compared, changed, why):
    found = compared([0.3] * 6, [0.1] * 6, **changed)
    assert found.lines[1].faster is None
    assert found.lines[1].obstacle.startswith(why)
    assert "not compared" in tables.text([found])
    assert "Times as fast" not in tables.records(found)[1]


def test_training_that_begins_with_another_loss_is_other_work(compared):
    found = compared([0.3] * 6, [0.1] * 6, losses=(6.9,))
    assert found.lines[1].obstacle == ""
    first = replace(round_of(1, Measured(9.0, (), (0.3,), True, 1)).measured, losses=(6.9,))
    other = replace(first, losses=(6.8,))
    assert _other_work(first, replace(first, losses=(6.90001,)), "float32") == ""
    assert _other_work(first, other, "float32") == (
        "other work: first loss 6.8, the reference's 6.9"
    )
    assert _other_work(first, other, "bf16") == ""


def test_training_that_diverged_is_no_measurement():
    rounds.check_losses((6.9, 6.8))
    with pytest.raises(
        BenchmarkError, match="its first losses are 6.9, nan, inf; try another prec"
    ):
        rounds.check_losses((6.9, float("nan"), float("inf")))


def test_every_round_has_to_answer_the_same(compared, tmp_path):
    found = compared([0.3] * 6, [0.1] * 6)
    side = found.lines[1].side
    series = replace(trials([found.comparison], 1, OPTIONS)[0], side=side).series
    other = replace(found.lines[1].rounds[4].measured, answers=OTHERWISE)
    SpeedStore(tmp_path).add(series, setting_of(side, OPTIONS), round_of(5, other))
    again = summary(found.comparison, OPTIONS, SpeedStore(tmp_path), rounds=8)
    assert again.lines[1].obstacle.startswith("other answers: top-5 the same on 0 of 1")


def test_a_noisy_machine_is_said(compared):
    found = compared([0.3] * 6, [0.29] * 6, again=[0.3, 0.36, 0.3, 0.25, 0.3, 0.3])
    assert found.notes[0].startswith("NOISY MACHINE: the same side differed from itself by up to")
    assert found.lines[1].remarks == ("no difference beyond noise",)


def test_few_rounds_and_a_missing_second_run_are_said(compared):
    found = compared([0.3] * 2, [0.1] * 2)
    assert found.notes[0].startswith("The reference was not measured twice")
    assert found.notes[1].startswith("With 2 rounds, an interval holds in 50 % of cases at most")


def test_rounds_that_are_not_steady_are_said(compared):
    found = compared([0.3] * 6, [0.1] * 6, is_steady=False)
    assert found.lines[1].remarks == ("6 of 6 rounds not steady",)


def test_the_first_call_is_that_of_a_round_that_had_to_compile(compared, tmp_path):
    found = compared([0.3] * 2, [0.1] * 2)
    side, one = found.lines[1].side, found.lines[1].rounds[1]
    series = replace(trials([found.comparison], 1, OPTIONS)[0], side=side).series
    cached = replace(CONDITIONS, others={"compiled code": "from an earlier round"})
    quick = replace(one, measured=replace(one.measured, first=0.5), conditions=cached)
    SpeedStore(tmp_path).add(series, setting_of(side, OPTIONS), quick)
    line = summary(found.comparison, OPTIONS, SpeedStore(tmp_path), rounds=8).lines[1]
    assert line.first == 9.0
    assert line.remarks[0] == "first call 0.5 s with code that an earlier round compiled"


def test_a_framework_that_only_reads_the_weights_is_said_to_take_memory(compared, monkeypatch):
    told = {"imported": "torch, tensorflow"}
    monkeypatch.setitem(globals(), "CONDITIONS", replace(CONDITIONS, others=told))
    first, second = compared([0.3] * 6, [0.1] * 6).lines
    assert first.remarks == ("memory includes torch, which does not run the model",)
    assert second.remarks == ("memory includes tensorflow, which does not run the model",)


def test_tables_are_read_by_programs(compared):
    found = compared([0.3] * 6, [0.1] * 6, again=[0.3] * 6)
    first, second = csv.DictReader(tables.as_csv([found]).splitlines())
    assert (first["Platform"], second["Platform"]) == ("Keras", "PyTorch")
    assert float(second["Times as fast"]) == pytest.approx(3.0)
    assert (second["Reference"], second["Same top-5"]) == ("Keras eager", "1")
    assert tables.markdown([found]).startswith("## single, batch 1: efficientnet-lite0, float32")


def json_of(found):
    """The sides of a comparison in JSON, whose schema is checked."""
    schema = resources.files("benchmarking").joinpath("data", "schemas", "speed.json").read_text()
    document = json.loads(tables.as_json([found]), parse_constant=pytest.fail)
    jsonschema.validate(document, json.loads(schema))
    (comparison,) = document["comparisons"]
    assert comparison["reference"] == comparison["sides"][0]["side"] == "Keras eager"
    return comparison


def test_the_json_of_a_comparison_has_its_schema_and_the_numbers_of_the_csv(compared):
    found = compared([0.3] * 6, [0.1] * 6, again=[0.3] * 6)
    comparison = json_of(found)
    first, second = comparison["sides"]
    (_, line) = csv.DictReader(tables.as_csv([found]).splitlines())
    for name, interval in (("Seconds", "seconds"), ("Times as fast", "times_as_fast")):
        ends = (second[interval][end] for end in ("value", "low", "high"))
        assert [*map(str, ends)] == [line[name], line[f"{name} low"], line[f"{name} high"]]
    assert first["times_as_fast"] is None
    assert comparison["same_again"]["value"] == pytest.approx(1)


def test_the_json_says_why_a_side_is_not_compared(compared):
    other = json_of(compared([0.3], [0.1], answers=OTHERWISE))["sides"][1]
    assert other["obstacle"].startswith("other answers: top-5 the same on 0 of 1")
    assert other["times_as_fast"] is None


def test_the_json_has_parts_and_the_times_on_a_device(compared):
    known = {"parts": {"import": 2.0}, "device_times": (0.1,), "answers": None}
    side = json_of(compared([0.3] * 2, [0.1] * 2, **known))["sides"][1]
    assert (side["parts"], side["seconds_on_device"]["value"]) == ({"import": 2.0}, 0.1)
    assert side["agreement"] is None


@pytest.mark.parametrize(
    ("memory", "seconds", "sizes", "why"),
    [
        (None, 1.0, [1, 2, 4, 8], "16 are too many for the memory"),
        (700, 1.0, [1, 2, 4], "8 would need 800 bytes"),
        (None, 0.25, [1, 2, 4], "a call took 0 s; more may fit"),
    ],
)
def test_a_batch_is_doubled_until_it_does_not_fit(memory, seconds, sizes, why):
    def attempt(size: int) -> largest.Attempt | None:
        return None if size > 8 else largest.Attempt(size, 0.1 * size, 100 * size)

    found, reason = largest.doubled(attempt, memory, seconds)
    assert [one.size for one in found] == sizes
    assert reason == why.replace("800 bytes", "0.0 GiB")


def test_a_picture_that_does_not_fit_is_out_of_memory():
    with pytest.raises(MemoryError, match="not even one picture"):
        largest.doubled(lambda _: None, None, 1.0)


@pytest.fixture
def measured(light, tmp_path):
    """A function that plans rounds of a model that needs no framework."""

    def measured(**options: object):
        given = {"rounds": 2, "seconds": 0.001, "threads": 1, **options}
        return plan(["brightness/steady"], tmp_path / "mine", Request(**given))

    return measured


def test_each_round_is_a_fresh_process_and_an_interruption_loses_only_the_one_that_runs(measured):
    todo = measured()
    with closing(todo.events()) as events:
        first = next(event for event in events if isinstance(event, Stored))
    rest = [event for event in todo.events() if isinstance(event, Stored)]
    assert rest[0].round == first.round
    assert [(one.round.number, one.trial.side.replica) for one in rest] == [
        *[(1, 0), (1, 1)],
        *[(2, 1), (2, 0)],
    ]
    assert len({one.round.conditions.process_id for one in rest}) == 4
    assert [one for one in todo.events() if not isinstance(one, Stored)] == []
    round_1 = rest[0].round
    assert len(round_1.measured.times) >= 3
    assert len(round_1.measured.answers.pictures) == 20
    assert round_1.conditions.cores != ()
    assert 0 < round_1.peak_memory < 2**31


def a_link(store):
    (store / "speed" / "single").mkdir(parents=True)
    (store / "speed" / "single" / "brightness").symlink_to(store)


def broken_counts(store):
    (store / "speed").mkdir(parents=True)
    (store / "speed" / "counts.json").write_text("{}")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (a_link, "brightness is a link; a store is written within its own folder"),
        (broken_counts, r"counts.json is broken: .* models are counted again"),
    ],
)
def test_a_store_that_takes_no_rounds_is_refused_before_one_is_measured(
    measured, tmp_path, made, message
):
    made(tmp_path / "mine")
    with closing(measured().events()) as events, pytest.raises(BenchmarkError, match=message):
        next(events)


def test_a_disk_without_room_for_rounds_is_refused_before_one_is_measured(
    measured, tmp_path, monkeypatch
):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    message = f"{tmp_path} cannot be written: No space left on device"
    with closing(measured().events()) as events, pytest.raises(BenchmarkError, match=message):
        next(events)


def test_a_store_that_has_all_rounds_need_not_be_written(measured, monkeypatch):
    list(measured(rounds=1).events())
    monkeypatch.setattr(SpeedStore, "admit", lambda *_: pytest.fail("it is checked"))
    assert {type(event) for event in measured(rounds=1).events()} == {Stored}


@pytest.mark.parametrize(("load", "said"), [(0.01, ""), (1000.0, "(load 1000.0 on ")])
def test_a_busy_machine_is_said_before_it_is_measured(monkeypatch, load, said):
    monkeypatch.setattr("os.getloadavg", lambda: (load, load, load))
    assert said in conditions.busy()
    assert bool(said) == bool(conditions.busy())


def test_the_command_names_what_failed_and_tells_the_rest(light, call, tmp_path):
    arguments = ["--models", "brightness/shaky", "brightness/steady", "brightness/weightless"]
    arguments += ["--threads", "1"]
    arguments += ["--scenario", "load", "--rounds", "1", "--store", tmp_path / "mine"]
    status, output, messages = call("speed", *arguments, "-o", tmp_path / "speed.csv")
    assert status == 1
    assert "failed: brightness/weightless: weightless.bin is missing" in messages
    assert "failed: load brightness/shaky eager: MemoryError: too heavy" in messages
    assert output.startswith("load, batch 1: steady, exact, published weights, 1 thread, ")
    (row,) = csv.DictReader((tmp_path / "speed.csv").read_text().splitlines())
    assert (row["Model"], row["Rounds"]) == ("steady", "1")
    assert {"Seconds of import", "Seconds of build", "Seconds of first answer"} <= row.keys()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 4096}, "4096 threads on [0-9]+ cores would wait for each other"),
        ({"seconds": 0}, "0 seconds cannot be measured"),
        ({"rounds": 0}, "0 rounds measure nothing"),
        ({"modes": ["xla"]}, "none of these models can run xla"),
        ({"modes": "eager"}, r"modes is 'eager'; give a list, such as \['eager'\]"),
        ({"batch_sizes": [0]}, "batch size 0 has no picture"),
        ({"weights": "other"}, "weights 'other' are neither published nor random"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_measured(measured, options, message):
    with pytest.raises(BenchmarkError, match=message):
        measured(**options)


def test_the_same_from_python(light, tmp_path):
    with pytest.raises(BenchmarkError, match="no option 'round'; there are scenarios, modes"):
        speed("brightness/steady", tmp_path, round=1)
    found = speed("brightness/steady", tmp_path, scenarios=["load"], rounds=1, threads=1)
    assert found.failures == ()
    assert str(found).startswith("load, batch 1: steady")
    assert found.records()[0]["Model"] == "steady"


def test_a_compiled_side_is_compared_with_the_compiled_reference_too(tmp_path):
    (todo,) = comparisons(["single"], lite("eager", "compiled"), [1], random=False)
    store = SpeedStore(tmp_path)
    for side, seconds in zip(todo.with_null, (0.4, 0.2, 0.3, 0.1, 0.4), strict=True):
        series = replace(trials([todo], 1, OPTIONS)[0], side=side).series
        for number in range(1, 7):
            measured = Measured(9.0, (), (seconds,) * 3, True, 1, answers=SAID)
            store.add(series, setting_of(side, OPTIONS), round_of(number, measured))
    found = summary(todo, OPTIONS, store, rounds=8)
    titles = [tables.name_of(line.side, todo.sides) for line in found.lines]
    assert titles == ["Keras eager", "Keras compiled", "PyTorch eager", "PyTorch compiled"]
    assert [line.faster.value for line in found.lines[1:]] == pytest.approx([2, 4 / 3, 4])
    assert [line.faster_in_mode is None for line in found.lines] == [True, True, True, False]
    assert found.lines[3].faster_in_mode.value == pytest.approx(2.0)
    assert "2.00 [2.00, 2.00] times as fast as Keras compiled" in tables.text([found])
    assert tables.records(found)[3]["Times as fast in this mode"] == pytest.approx(2.0)


def test_times_and_memory_of_a_device_stand_beside_those_of_the_host(compared, tmp_path):
    found = compared([0.3] * 6, [0.1] * 6, device_times=(0.09, 0.08, 0.5))
    assert found.lines[0].on_device is None
    assert found.lines[1].on_device.value == pytest.approx(0.09)
    assert "90.0 [90.0, 90.0] ms on the device" in tables.text([found])
    assert tables.records(found)[1]["Seconds on device"] == pytest.approx(0.09)
    line = found.lines[1]
    series = replace(trials([found.comparison], 1, OPTIONS)[0], side=line.side).series
    large = replace(line.rounds[0], device_memory=3 * 2**30)
    SpeedStore(tmp_path).add(series, line.setting, large)
    again = summary(found.comparison, OPTIONS, SpeedStore(tmp_path), rounds=8)
    assert "3,072 MiB on the device" in tables.text([again])
    assert tables.records(again)[1]["Peak bytes of device"] == 3 * 2**30


def test_sizes_are_shown_once_with_the_frameworks_that_have_them(compared, tmp_path):
    found = compared([0.3] * 6, [0.1] * 6, again=[0.3] * 6)
    store = SpeedStore(tmp_path)
    counts = {"trainable": 4_652_008, "not_trainable": 42_016, "macs": 384, "activations": 9}
    for line in found.lines:
        store.add_counts(line.side.spec.full_name, counts)
    again = summary(found.comparison, OPTIONS, store, rounds=8)
    size = "4,652,008 trainable parameters and 42,016 others; 384 MACs for one picture."
    assert again.notes[1:] == (f"Size in Keras, PyTorch: {size}",)
    assert {"MACs": 384, "Trainable parameters": 4_652_008}.items() <= tables.records(again)[
        1
    ].items()
    store.add_counts(found.lines[1].side.spec.full_name, {**counts, "macs": 385})
    other = summary(found.comparison, OPTIONS, store, rounds=8)
    assert [note[:14] for note in other.notes[1:]] == ["Size in Keras:", "Size in PyTorc"]


def test_each_model_is_counted_once_and_networks_of_articles_are_not(tmp_path):
    store = SpeedStore(tmp_path)
    names = ["single", "offline", "articles-convnet"]
    todo = trials(comparisons(names, lite("eager", "compiled"), [1], random=False), 2, OPTIONS)
    asked = {one.side.spec.full_name for one in size.to_count(todo, store)}
    assert asked == {
        f"efficientnet-lite-{name}/efficientnet-lite0" for name in ("pytorch", "keras")
    }
    store.add_counts("efficientnet-lite-keras/efficientnet-lite0", {})  # it cannot be counted
    (left,) = size.to_count(todo, store)
    assert left.side.spec.framework == "pytorch"
    assert len(size.to_count(todo, store)) == 1


def test_a_model_that_cannot_be_loaded_now_is_counted_another_time(monkeypatch):
    def fail(*_, **__):
        raise OutOfMemory("out of memory")

    monkeypatch.setattr(size, "load", fail)
    trial = trials(comparisons(["single"], lite("eager"), [1], random=False), 1, OPTIONS)[0]
    with pytest.raises(OutOfMemory):
        list(size.counted(trial))


def test_a_model_is_counted_in_a_process_of_its_own_after_its_rounds(tmp_path):
    pytest.importorskip("torch")
    spec = the_spec("efficientnet-lite-pytorch/efficientnet-lite0")
    trial = Trial("single", Side(spec, "eager"), 1, 1, 1, OPTIONS)
    store = SpeedStore(tmp_path)
    measured = Measured(9.0, (), (0.1,) * 3, True, 1, answers=SAID)
    store.add(trial.series, setting_of(trial.side, OPTIONS), round_of(1, measured))
    events = list(rounds.measured([trial], store))
    assert isinstance(events[0], Stored)
    found = size.sizes([trial.side], store)[spec.full_name]
    assert (found.trainable, found.not_trainable) == (4_652_008, 42_016)
    assert round(found.macs / 1e9, 3) == 0.385  # as in results/speed/counts.md
    assert list(rounds.measured([trial], store)) == events[:1]


def test_a_second_measurement_waits_for_the_first(measured, monkeypatch):
    monkeypatch.setattr(turn, "PAUSE", 0.01)
    todo = measured(rounds=1)
    with ExitStack() as other, closing(todo.events()) as events:
        assert claim(turn.lock(), other)
        assert [type(next(events)) for _ in range(3)] == [rounds.Occupied] * 3
        other.close()
        ended = [event for event in events if isinstance(event, Stored)]
        assert len(ended) == 2
    with ExitStack() as later:
        assert claim(turn.lock(), later)
        assert [type(event) for event in todo.events()] == [Stored, Stored]  # nothing to measure


def test_a_round_that_the_other_has_measured_meanwhile_is_not_measured_again(measured, monkeypatch):
    monkeypatch.setattr(turn, "PAUSE", 0.01)
    todo = measured(rounds=1)
    with ExitStack() as other, closing(todo.events()) as events:
        claim(turn.lock(), other)
        next(events)
        for trial in todo.trials:
            one = round_of(1, Measured(9.0, (), (0.1,) * 3, True, 1, answers=SAID))
            todo.store.add(trial.series, setting_of(trial.side, trial.options), one)
        other.close()
        assert {
            event.round.conditions.process_id for event in events if isinstance(event, Stored)
        } == {1}


def test_the_lock_is_that_of_one_machine_even_if_several_share_a_cache(monkeypatch):
    monkeypatch.setattr("platform.node", lambda: "node 1/a")
    assert turn.lock().name == "speed-node_1_a.lock"


def test_without_a_place_for_a_lock_nothing_is_awaited(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(turn, "lock", lambda: tmp_path / "file" / "lock")
    with ExitStack() as stack:
        assert list(turn.waited(stack)) == []


def test_what_is_to_come_is_announced(measured, capsys):
    todo = measured()
    assert [(one.number, one.side.replica) for one in todo.missing()] == [
        *[(1, 0), (1, 1)],
        *[(2, 1), (2, 0)],
    ]
    assert announced(240, 12, 5.0) == (
        "240 rounds to measure, each in a new process: about 88 min, or more if models are slow or "
        "have to be compiled; 12 more are stored"
    )
    assert list(watched(todo)) == []
    assert "4 rounds to measure" in capsys.readouterr().err
    assert todo.missing() == []
    assert list(watched(todo)) == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"TF_ENABLE_ONEDNN_OPTS": "0", "HOME": "/root"}, "TF_ENABLE_ONEDNN_OPTS=0"),
        (
            {"TORCHINDUCTOR_FREEZING": "1", "OMP_PROC_BIND": "true"},
            "OMP_PROC_BIND=true, TORCHINDUCTOR_FREEZING=1",
        ),
        ({"NVIDIA_TF32_OVERRIDE": "1", "TORCH_HOME": "/home/me"}, "NVIDIA_TF32_OVERRIDE=1"),
        ({"TF_VAR_password": "secret", "TF_TOKEN_host": "secret", "TF_LOG": "1"}, "none"),
        ({"NVIDIA_API_KEY": "secret", "KERAS_HOME": "/home/me"}, "none"),
        ({"OMP_NUM_THREADS": "2", "TORCHINDUCTOR_CACHE_DIR": "/tmp/x"}, "none"),
    ],
)
def test_switches_that_favour_one_framework_are_recorded(given, told):
    assert conditions.switches(given) == told


def test_the_conditions_name_vector_instructions_and_switches(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    found = conditions.conditions_of((0,), (), 0.0, "NHWC", "cpu").others
    assert "TF_ENABLE_ONEDNN_OPTS=0" in found[conditions.SWITCHES]
    assert found[conditions.INSTRUCTIONS] != ""
    assert found[conditions.PHYSICAL] in ("1", "unknown")


def test_two_threads_of_one_core_are_told_from_two_cores(monkeypatch, tmp_path):
    monkeypatch.setattr(conditions, "_SYSTEM", tmp_path)
    for core, siblings in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        path = tmp_path / f"cpu{core}" / "topology" / "thread_siblings_list"
        path.parent.mkdir(parents=True)
        path.write_text(siblings + "\n")
    assert [conditions.physical_cores(some) for some in ((0, 1), (0, 2), (), (9,))] == [
        *("2", "1", "unknown", "unknown")
    ]
