"""Sides take turns in fresh processes, and a ratio is told only if it means something."""

import csv
import json
from contextlib import closing
from dataclasses import replace

import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed import Options, Side, conditions, tables
from benchmarking.experiments.speed.results import _other_work, summary
from benchmarking.experiments.speed.rounds import Stored, setting_of
from benchmarking.experiments.speed.scenarios import Scenario, largest, scenario_named, scenarios
from benchmarking.experiments.speed.schedule import Comparison, comparisons, sides_of, trials
from benchmarking.experiments.speed.verbs import Request, plan, speed
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
    (document,) = json.loads(tables.as_json([found]))["comparisons"]
    assert [side["Seconds"] for side in document["sides"]] == [0.3, 0.1]
    assert tables.markdown([found]).startswith("## single, batch 1: efficientnet-lite0, float32")


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
