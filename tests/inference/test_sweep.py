from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count

import numpy as np
import pytest
from conftest import PLUGINS, digests
from safetensors import safe_open

from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.inference import executors, partial_run
from benchmarking.inference.checkpoints import Checkpoint, Checkpoints
from benchmarking.inference.crop_sharing import sharing
from benchmarking.inference.events import AlreadyStored, Progress, Started, Stored
from benchmarking.inference.executors import Accepted, Failed, Finished, Output
from benchmarking.inference.job import Job
from benchmarking.inference.retries import PutAside
from benchmarking.inference.sweep import Sweep
from benchmarking.models import sources
from benchmarking.models.sources import spec_of
from benchmarking.pictures.reading import image_set
from benchmarking.pictures.sets import open_pictures
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import TopK

pytestmark = pytest.mark.usefixtures("light")


@pytest.fixture
def images(tree):
    pictures = open_pictures(str(tree)).pictures
    return image_set("grey", pictures, digests(pictures))


@pytest.fixture
def sweep(images, tmp_path):
    start = datetime(2026, 1, 2, tzinfo=UTC)
    return Sweep(
        images,
        Store(tmp_path / "store"),
        clock=lambda: start,
        timer=count().__next__,
        arguments=("predict", "tree"),
    )


def a_job(images, model="steady", **changes):
    run = Run(images.name, "brightness", model, "published")
    spec = spec_of("brightness", model)
    return replace(Job(run, spec, images.pictures, batch_size=None, gpu=None, workers=2), **changes)


def test_a_job_has_events_from_its_start_until_it_is_stored(sweep, images):
    job = a_job(images)
    events = list(sweep.run([job]))
    assert isinstance(events[0], Started)
    assert [e.pictures for e in events if isinstance(e, Progress)] == [0, 2, 2, 2]
    assert isinstance(events[-1], Stored)
    assert sweep.store.read(job.run).classes[:, 0].tolist() == [0, 1, 1, 4, 4, 0]


def test_provenance_says_how_the_run_was_made(sweep, images):
    job = a_job(images)
    list(sweep.run([job]))
    made = sweep.store.provenance(job.run)
    assert made.platform == "Arithmetic"
    assert made.weights == {
        "name": "brightness",
        "file": "brightness.py",
        "sha256": sha256((PLUGINS / "sources" / "brightness.py").read_bytes()).hexdigest(),
        "published_digest": "none",
    }
    assert made.preprocessing["resize"] == 10
    assert made.images == {"name": "grey", "n": 6, "fingerprint": images.fingerprint}
    assert made.versions.keys() >= {"python", "numpy", "arithmetic", "Pillow", "libjpeg-turbo"}
    assert (made.device, made.precision, made.batch_size) == ("abacus", "exact", 2)
    assert made.input_shapes == ((2, 8, 8, 3),)
    assert (made.executor, made.started) == ("in-process", "2026-01-02T00:00:00+00:00")
    assert made.seconds == 4.0
    assert made.arguments == ("predict", "tree")


def test_a_failed_model_leaves_nothing_and_does_not_stop_the_others(sweep, images):
    shaky, steady = a_job(images, "shaky"), a_job(images)
    ends = [event for event in sweep.run([shaky, steady]) if isinstance(event, (Failed, Stored))]
    assert [type(end) for end in ends] == [Failed, Stored]
    assert ends[0].reason == "out of memory: MemoryError: too heavy"
    assert sweep.store.runs("grey") == [steady.run]


def test_too_few_predictions_are_a_failure(sweep, images):
    job = a_job(images, pictures=images.pictures[:-1])
    *_, end = sweep.run([job])
    assert end.reason == "5 predictions for 6 pictures"
    assert sweep.store.runs("grey") == []


def test_a_complete_run_with_the_same_ingredients_is_recognised(sweep, images):
    job = a_job(images)
    assert not sweep.has(job)
    list(sweep.run([job]))
    assert sweep.has(job)
    assert sweep.has(replace(job, batch_size=1, workers=1))
    assert not sweep.has(replace(job, keep="all"))


@pytest.mark.parametrize("ingredient", ["weights", "preprocessing", "images"])
def test_a_run_with_another_ingredient_is_not_the_same(sweep, images, ingredient):
    job = a_job(images)
    list(sweep.run([job]))
    made = sweep.store.provenance(job.run)
    changed = replace(made, **{ingredient: {**getattr(made, ingredient), "new": 1}})
    sweep.store.write(job.run, images, sweep.store.read(job.run), changed)
    assert not sweep.has(job)


def test_a_broken_run_is_not_complete(sweep, images):
    job = a_job(images)
    list(sweep.run([job]))
    path = sweep.store.path(job.run)
    path.write_bytes(path.read_bytes()[:50])
    assert not sweep.has(job)


def test_a_run_with_a_flipped_bit_is_not_complete(sweep, images):
    job = a_job(images)
    list(sweep.run([job]))
    path = sweep.store.path(job.run)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert not sweep.has(job)


def test_all_probabilities_are_stored_with_the_same_top_5(sweep, images):
    job = a_job(images, keep="all")
    list(sweep.run([job]))
    everything = sweep.store.read_probabilities(job.run)
    assert everything.shape == (6, 1000)
    assert (everything.argmax(axis=1) == sweep.store.read(job.run).classes[:, 0]).all()
    assert np.allclose(everything.sum(axis=1), 1)


def test_a_run_with_all_probabilities_is_not_replaced_by_one_without_them(sweep, images):
    list(sweep.run([a_job(images, keep="all")]))
    list(sweep.run([a_job(images, keep="top5")]))
    assert sweep.store.keeps_all_probabilities(a_job(images).run)


def test_a_result_that_cannot_be_stored_is_a_failure_and_the_others_continue(
    sweep, images, monkeypatch
):
    write = Store.write

    def full_at_first(store, run, *args, **kwargs):
        if run.model == "steady":
            raise BenchmarkError("no space left")
        return write(store, run, *args, **kwargs)

    monkeypatch.setattr(Store, "write", full_at_first)
    jobs = [a_job(images, "steady"), a_job(images, "steadier")]
    ends = [event for event in sweep.run(jobs) if isinstance(event, (Failed, Stored))]
    assert [type(end) for end in ends] == [Failed, Stored]
    assert ends[0].reason == "no space left"


def test_a_job_that_its_executor_forgets_is_a_failure(sweep, images, monkeypatch):
    module = executors.executors()["in-process"]
    monkeypatch.setattr(module, "run", lambda function, jobs, timeout: iter([Accepted(next(jobs))]))
    _, end = sweep.run([a_job(images)])
    assert end.reason == "its executor ended before it did"


def in_another_order(monkeypatch, rearranged):
    """Make the executor deliver the outputs of a job in another order."""
    module = executors.executors()["in-process"]
    run = module.run

    def shuffled(function, jobs, timeout):
        accepted, environment, *parts, end = run(function, jobs)
        return iter([accepted, environment, *rearranged(parts), end])

    monkeypatch.setattr(module, "run", shuffled)


def test_batches_in_any_order_give_the_same_run(sweep, images, monkeypatch):
    job = a_job(images, keep="all")
    list(sweep.run([job]))
    in_turn, everything = sweep.store.read(job.run), sweep.store.read_probabilities(job.run)
    with monkeypatch.context() as patch:
        in_another_order(patch, lambda parts: [parts[1], parts[2], parts[0]])
        assert isinstance(list(sweep.run([job]))[-1], Stored)
    again = sweep.store.read(job.run)
    assert (again.classes == in_turn.classes).all()
    assert (again.probabilities == in_turn.probabilities).all()
    assert (sweep.store.read_probabilities(job.run) == everything).all()


def test_a_batch_that_comes_twice_is_never_stored(sweep, images, monkeypatch):
    in_another_order(monkeypatch, lambda parts: [parts[0], parts[1], parts[1]])
    with pytest.raises(ValueError, match="a row of 2 to 3 came back twice"):
        list(sweep.run([a_job(images)]))
    assert sweep.store.runs("grey") == []


def test_a_batch_that_never_comes_is_a_failure(sweep, images, monkeypatch):
    in_another_order(monkeypatch, lambda parts: [parts[0], parts[2]])
    *_, end = sweep.run([a_job(images)])
    assert end.reason == "4 predictions for 6 pictures"
    assert sweep.store.runs("grey") == []


def test_rows_that_the_run_does_not_have_are_never_stored(sweep, images, monkeypatch):
    in_another_order(
        monkeypatch, lambda parts: [replace(parts[0], value=replace(parts[0].value, first=5))]
    )
    with pytest.raises(ValueError, match="rows 5 to 6 came back of 6 rows"):
        list(sweep.run([a_job(images)]))


class Interleaved:
    """An executor that takes every job at once and gives each one output in turn."""

    NAME = "interleaved"

    @staticmethod
    def run(function, jobs, timeout=None):
        running = []
        for job in jobs:
            yield Accepted(job)
            running.append((job, iter(function(job))))
        while running:
            for one in list(running):
                job, outputs = one
                value = next(outputs, None)
                if value is None:
                    running.remove(one)
                    yield Finished(job)
                else:
                    yield Output(job, value)


@pytest.fixture
def interleaved(monkeypatch):
    known = {**executors.executors(), "interleaved": Interleaved}
    monkeypatch.setattr("benchmarking.inference.sweep.executors", lambda: known)


@pytest.mark.usefixtures("interleaved")
def test_two_interleaved_jobs_give_exactly_the_tensors_of_two_jobs_in_turn(sweep, images):
    jobs = [a_job(images, "steady", keep="all"), a_job(images, "darker", keep="all")]
    list(sweep.run(jobs))
    in_turn = [tensors(sweep.store, job) for job in jobs]
    assert any((in_turn[0][name] != in_turn[1][name]).any() for name in in_turn[0])
    events = list(replace(sweep, executor="interleaved").run(jobs))
    parts = [event.job.run.model for event in events if isinstance(event, Progress)]
    assert parts == ["steady", "darker"] * 4
    for job, expected in zip(jobs, in_turn, strict=True):
        found = tensors(sweep.store, job)
        assert found.keys() == expected.keys() == {"top5_index", "top5_prob", "probabilities"}
        assert all((found[name] == expected[name]).all() for name in expected)
        assert sweep.store.provenance(job.run).executor == "interleaved"


def tensors(store, job):
    with safe_open(store.path(job.run), framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@pytest.mark.usefixtures("interleaved")
def test_an_interruption_keeps_the_predictions_of_each_interleaved_job(sweep, images, monkeypatch):
    jobs = [a_job(images, "steady"), a_job(images, "darker")]
    with closing(replace(sweep, executor="interleaved").run(jobs)) as events:
        for event in events:
            if isinstance(event, Progress) and event.pictures and event.job.run.model == "darker":
                break
    assert sweep.store.runs("grey") == []
    list(sweep.run(jobs))
    for job in jobs:
        assert sweep.store.provenance(job.run).incidents == ("resumed with 2 pictures done",)


def test_a_job_that_waits_after_it_was_taken_takes_no_time_meanwhile(sweep, images, monkeypatch):
    class Ahead:
        NAME = "ahead"

        @staticmethod
        def run(function, jobs, timeout=None):
            return executors.executors()["in-process"].run(function, list(jobs))

    known = {**executors.executors(), "ahead": Ahead}
    monkeypatch.setattr("benchmarking.inference.sweep.executors", lambda: known)
    jobs = [a_job(images, "steady"), a_job(images, "darker")]
    list(replace(sweep, executor="ahead").run(jobs))
    assert [sweep.store.provenance(job.run).seconds for job in jobs] == [4.0, 4.0]


@pytest.mark.usefixtures("interleaved")
def test_an_interleaved_job_of_another_process_does_not_block_the_others(
    sweep, images, monkeypatch
):
    other, heard = ExitStack(), []
    taken, free = a_job(images, "steady"), a_job(images, "darker")
    assert sweep.store.claim(taken.run, other)
    monkeypatch.setattr("benchmarking.inference.sweep.time.sleep", lambda seconds: other.close())
    sweep = replace(sweep, executor="interleaved", notice=heard.append)
    ends = [event for event in sweep.run([taken, free]) if isinstance(event, Stored)]
    assert [end.job.run.model for end in ends] == ["darker", "steady"]
    assert heard == ["steady: another process works on it"]


def test_a_failed_sweep_ends_its_executor_even_if_the_traceback_is_kept(sweep, images, monkeypatch):
    """A notebook keeps it; the process must end nevertheless, and its run be unlocked."""
    ended = []

    def run(function, jobs, timeout):
        try:
            yield Accepted(next(iter(jobs)))
            yield Output(None, None)
        finally:
            ended.append(True)

    monkeypatch.setattr(executors.executors()["in-process"], "run", run)
    job = a_job(images)
    with pytest.raises(AttributeError) as kept:
        list(sweep.run([job]))
    assert kept.traceback
    assert ended
    with ExitStack() as stack:
        assert sweep.store.claim(job.run, stack)


def test_an_executor_can_be_named_and_is_recorded(sweep, images):
    with pytest.raises(BenchmarkError, match="there is no executor 'gone'; there are fresh-proc"):
        list(replace(sweep, executor="gone").run([a_job(images)]))
    job = a_job(images)
    list(replace(sweep, executor="worker-process").run([job]))
    assert sweep.store.provenance(job.run).executor == "worker-process"


def test_a_sweep_never_waits_for_another_of_its_own_process(sweep, images):
    with closing(sweep.run([a_job(images, batch_size=1)])) as left_open:
        next(left_open)
        with pytest.raises(BenchmarkError, match="another sweep of this process still works on"):
            list(sweep.run([a_job(images)]))
    assert isinstance(list(sweep.run([a_job(images)]))[-1], Stored)


def test_other_pictures_of_the_same_name_wait_until_a_sweep_has_ended(sweep, images, tree):
    next(tree.rglob("a.png")).write_bytes(next(tree.rglob("b.png")).read_bytes())
    others = image_set("grey", images.pictures, digests(images.pictures))
    second = replace(sweep, images=others)
    with closing(sweep.run([a_job(images, batch_size=1)])) as first:
        next(first)
        with pytest.raises(StoreError, match="by another process that is at work"):
            next(second.run([a_job(others)]))
    assert isinstance(list(second.run([a_job(others)]))[-1], Stored)
    with pytest.raises(StoreError, match=f"is stored with fingerprint {others.fingerprint};"):
        next(sweep.run([a_job(images)]))


def test_models_of_two_frameworks_never_share_a_process(sweep, images, monkeypatch):
    groups = []

    class Noted(Interleaved):
        @staticmethod
        def run(function, jobs, timeout=None):
            groups.append([job.spec.framework for job in jobs])
            yield from ()

    known = {**executors.executors(), "interleaved": Noted}
    monkeypatch.setattr("benchmarking.inference.sweep.executors", lambda: known)
    jobs = [a_job(images, model) for model in ("steady", "darker")]
    jobs.insert(
        1, replace(a_job(images, "steadier"), spec=replace(jobs[0].spec, framework="other"))
    )
    list(replace(sweep, executor="interleaved").run(jobs))
    assert groups == [["arithmetic"] * 2, ["other"]]


def test_a_job_that_its_executor_does_not_take_is_a_failure(sweep, images, monkeypatch):
    module = executors.executors()["in-process"]
    monkeypatch.setattr(module, "run", lambda function, jobs, timeout: iter(()))
    (end,) = sweep.run([a_job(images)])
    assert end.reason == "executor in-process did not take it"


def test_only_a_gap_between_checkpoints_is_computed_again(sweep, images, monkeypatch):
    monkeypatch.setattr(partial_run, "KEPT_EVERY", 2)
    job = a_job(images)
    list(sweep.run([job]))
    whole = sweep.store.read(job.run)
    sweep.store.path(job.run).unlink()
    interrupted(sweep, job, monkeypatch, row=6)
    first, second, third = sorted(sweep.store.unfinished(job.run).glob("*.npz"))
    second.unlink()
    seen = predicting(monkeypatch)
    list(sweep.run([job]))
    assert sum(map(len, seen)) == 2
    again = sweep.store.read(job.run)
    assert (again.classes == whole.classes).all()
    assert (again.probabilities == whole.probabilities).all()


def test_random_weights_are_recorded_as_such_with_their_seed(sweep, images):
    job = a_job(images, seed=7)
    list(sweep.run([job]))
    assert sweep.store.provenance(job.run).weights == {"name": "random", "seed": 7}
    assert sweep.has(job)
    assert not sweep.has(replace(job, seed=8))
    assert not sweep.has(replace(job, seed=None))


def test_a_run_whose_file_of_weights_has_changed_is_not_the_same(sweep, images, tmp_path):
    file = tmp_path / "brightness.py"
    file.write_text("one")
    job = a_job(images, weights_folder=tmp_path)
    list(sweep.run([job]))
    assert sweep.has(job)
    file.write_text("another")
    assert not sweep.has(job)


class Interrupted(Exception):
    """Stands for any interruption of a sweep from outside."""


def predicting(monkeypatch, stop_before=None, fail=None):
    """Make the light model record its input, and stop or fail at a row."""
    module = sources.sources()["brightness"]
    build, seen = module.build, []

    def watched(spec, weights):
        predict = build(spec, weights)

        def noted(crops):
            if stop_before is not None and sum(map(len, seen)) >= stop_before:
                raise Interrupted
            if fail and len(crops) > fail:
                raise MemoryError(f"{len(crops)} crops")
            seen.append(crops)
            return predict(crops)

        return noted

    monkeypatch.setattr(module, "build", watched)
    return seen


def interrupted(sweep, job, monkeypatch, row):
    """Run a job up to a row, and interrupt it so that every `finally` block runs."""
    with monkeypatch.context() as patch:
        predicting(patch)
        with closing(sweep.run([job])) as events:
            done = 0
            for event in events:
                done += event.pictures if isinstance(event, Progress) else 0
                if done >= row:
                    return


def test_an_interrupted_job_is_resumed_where_it_stopped(sweep, images, monkeypatch):
    job = a_job(images)
    list(sweep.run([job]))
    whole = sweep.store.read(job.run)
    sweep.store.path(job.run).unlink()
    interrupted(sweep, job, monkeypatch, row=2)
    assert sweep.store.runs("grey") == []
    seen = predicting(monkeypatch)
    events = list(sweep.run([job]))
    assert sum(map(len, seen)) == 4
    assert [e.pictures for e in events if isinstance(e, Progress)] == [2, 2, 2]
    again = sweep.store.read(job.run)
    assert (again.classes == whole.classes).all()
    assert (again.probabilities == whole.probabilities).all()
    assert sweep.store.provenance(job.run).incidents == ("resumed with 2 pictures done",)
    assert not sweep.store.unfinished(job.run).exists()


def test_incidents_are_those_of_the_newest_checkpoint_whatever_its_rows(sweep, images, monkeypatch):
    job = a_job(images)
    interrupted(sweep, job, monkeypatch, row=4)
    checkpoints = Checkpoints(sweep.store.unfinished(job.run))
    (whole,) = checkpoints.matching(lambda one: True, 6)
    for first, seconds, incidents in ((2, 1.0, ("first",)), (0, 9.0, ("first", "second"))):
        rows = slice(first, first + 2)
        top = TopK(whole.top.classes[rows], whole.top.probabilities[rows])
        made = replace(whole.conditions, seconds=seconds, incidents=incidents)
        checkpoints.keep(Checkpoint(first, top, None, made))
    list(sweep.run([job]))
    found = sweep.store.provenance(job.run).incidents
    assert found == ("first", "second", "resumed with 4 pictures done")


def test_an_interrupted_job_with_all_probabilities_is_resumed(sweep, images, monkeypatch):
    job = a_job(images, keep="all")
    interrupted(sweep, job, monkeypatch, row=4)
    list(sweep.run([job]))
    assert sweep.store.read_probabilities(job.run).shape == (6, 1000)
    assert sweep.store.provenance(job.run).incidents == ("resumed with 4 pictures done",)


@pytest.mark.parametrize(
    "changes", [{"batch_size": 3}, {"keep": "all"}, {"seed": 1}], ids=lambda changes: str(changes)
)
def test_checkpoints_from_other_conditions_are_not_used(sweep, images, monkeypatch, changes):
    interrupted(sweep, a_job(images), monkeypatch, row=4)
    job = a_job(images, **changes)
    seen = predicting(monkeypatch)
    list(sweep.run([job]))
    assert sum(map(len, seen)) == 6
    assert len(sweep.store.read(job.run)) == 6


def test_the_rows_of_a_damaged_checkpoint_are_computed_again(sweep, images, monkeypatch):
    job = a_job(images)
    interrupted(sweep, job, monkeypatch, row=4)
    (piece,) = sweep.store.unfinished(job.run).glob("*.npz")
    data = bytearray(piece.read_bytes())
    data[len(data) // 2] ^= 1
    piece.write_bytes(data)
    seen = predicting(monkeypatch)
    list(sweep.run([job]))
    assert sum(map(len, seen)) == 6


@pytest.mark.parametrize(
    "change",
    [
        {"top5_index": np.zeros((4, 5))},
        {"top5_prob": np.full((4, 5), np.nan, np.float32)},
        {"top5_prob": np.ones((3, 5), np.float32)},
        {"document": np.array("{" * 2000)},
        {"document": np.array("[]")},
        {"document": np.array('{"setting": {"batch_size": 0}}')},
    ],
    ids=str,
)
def test_the_rows_of_an_invalid_checkpoint_are_computed_again(sweep, images, monkeypatch, change):
    job = a_job(images)
    interrupted(sweep, job, monkeypatch, row=4)
    (piece,) = sweep.store.unfinished(job.run).glob("*.npz")
    with np.load(piece) as arrays:
        found = dict(arrays)
    np.savez(piece, **{**found, **change})
    seen = predicting(monkeypatch)
    list(sweep.run([job]))
    assert sum(map(len, seen)) == 6


def test_a_checkpoint_is_written_every_thousand_pictures_and_every_minute(
    sweep, images, monkeypatch
):
    monkeypatch.setattr(partial_run, "KEPT_EVERY", 4)
    kept = []
    keep = Checkpoints.keep
    monkeypatch.setattr(
        Checkpoints, "keep", lambda self, piece: kept.append(len(piece.top)) or keep(self, piece)
    )
    list(sweep.run([a_job(images)]))
    assert kept == [4]
    monkeypatch.setattr(partial_run, "KEPT_EVERY", 1000)
    monkeypatch.setattr(partial_run, "LONGEST_LOST", 2)
    list(sweep.run([a_job(images, "steadier")]))
    assert kept == [4, 4]


def test_a_failed_job_keeps_its_predictions(sweep, images, monkeypatch):
    job = a_job(images)
    with monkeypatch.context() as patch:
        predicting(patch, stop_before=4)
        *_, end = sweep.run([job])
        assert isinstance(end, Failed)
    seen = predicting(monkeypatch)
    list(sweep.run([job]))
    assert sum(map(len, seen)) == 2


def test_out_of_memory_halves_the_batch_until_it_fits(sweep, images, monkeypatch):
    predicting(monkeypatch, fail=1)
    job = a_job(images, batch_size=4)
    events = list(sweep.run([job]))
    aside = [event.reason for event in events if isinstance(event, PutAside)]
    assert aside == [
        "out of memory: MemoryError: 4 crops; 4 pictures at a time were too many, now 2",
        "out of memory: MemoryError: 2 crops; 2 pictures at a time were too many, now 1",
    ]
    assert isinstance(events[-1], Stored)
    made = sweep.store.provenance(job.run)
    assert (made.batch_size, made.incidents) == (1, tuple(aside))


def test_predictions_before_memory_ran_out_are_not_computed_again(sweep, images, monkeypatch):
    module = sources.sources()["brightness"]
    build, seen = module.build, []

    def fragile(spec, weights):
        def predict(crops):
            if len(seen) == 1 and len(crops) > 1:
                raise MemoryError
            seen.append(len(crops))
            return build(spec, weights)(crops)

        return predict

    monkeypatch.setattr(module, "build", fragile)
    job = a_job(images)
    list(sweep.run([job]))
    assert seen == [2, 1, 1, 1, 1]
    assert sweep.store.provenance(job.run).input_shapes == ((2, 8, 8, 3), (1, 8, 8, 3))


def test_only_a_model_too_large_for_one_picture_fails(sweep, images, monkeypatch):
    module = sources.sources()["brightness"]
    build = module.build

    def heavy(spec, weights):
        def predict(crops):
            if spec.name == "steady":
                raise MemoryError("always")
            return build(spec, weights)(crops)

        return predict

    monkeypatch.setattr(module, "build", heavy)
    events = list(sweep.run([a_job(images), a_job(images, "steadier")]))
    ends = {e.job.run.model: type(e) for e in events if isinstance(e, (Failed, Stored))}
    assert ends == {"steady": Failed, "steadier": Stored}


@pytest.mark.parametrize(
    ("cause", "tries"), [("died", 2), ("killed", 2), ("lost", 4), ("silent", 1), ("error", 1)]
)
def test_a_job_whose_process_died_is_tried_again(sweep, images, monkeypatch, cause, tries):
    begun = []

    def run(function, jobs, timeout):
        for job in jobs:
            begun.append(job)
            yield Accepted(job)
            yield Failed(job, "it ended", "", cause)

    monkeypatch.setattr(executors.executors()["in-process"], "run", run)
    *_, end = sweep.run([a_job(images)])
    assert isinstance(end, Failed)
    assert len(begun) == tries


def test_a_run_that_another_process_works_on_comes_last_and_is_not_computed_twice(
    sweep, images, monkeypatch
):
    monkeypatch.setattr("benchmarking.inference.sweep.PAUSE", 0.01)
    first, second = a_job(images, "steady"), a_job(images, "steadier")
    heard = []
    sweep = replace(sweep, notice=heard.append)
    other = ExitStack()
    assert sweep.store.claim(first.run, other)
    ended = []
    for event in sweep.run([first, second]):
        if isinstance(event, Stored):
            ended.append(event.job.run.model)
            top, made = sweep.store.read(second.run), sweep.store.provenance(second.run)
            made = replace(made, weights=made.weights)
            sweep.store.write(first.run, images, top, made)  # like the other process
            other.close()
    assert ended == ["steadier"]
    assert heard == [
        "steady: another process works on it",
        "steady: another process has stored it",
    ]
    assert not list(sweep.store.folder.rglob("*.unfinished"))


def test_a_run_that_another_process_has_stored_before_the_sweep_is_not_computed(sweep, images):
    job, heard = a_job(images), []
    assert not sweep.has(job)
    list(sweep.run([job]))  # like the other process
    (event,) = replace(sweep, again=False, notice=heard.append).run([job])
    assert isinstance(event, AlreadyStored)
    assert heard == ["steady: another process has stored it"]
    assert isinstance(list(sweep.run([job]))[-1], Stored)


def test_a_sweep_completes_a_run_that_another_process_has_left_incomplete(
    sweep, images, monkeypatch
):
    other = ExitStack()
    job = a_job(images)
    assert sweep.store.claim(job.run, other)
    monkeypatch.setattr("benchmarking.inference.sweep.time.sleep", lambda seconds: other.close())
    *_, end = sweep.run([job])
    assert isinstance(end, Stored)


def test_partly_written_files_of_a_killed_process_are_removed(sweep, images):
    job = a_job(images)
    left = sweep.store.path(job.run).with_name(
        ".steady.published.safetensors.0123456789abcdef.part"
    )
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    list(sweep.run([job]))
    assert not left.exists()


def test_a_clock_that_jumps_changes_neither_the_seconds_of_a_run_nor_its_checkpoints(
    sweep, images, monkeypatch
):
    monkeypatch.setattr(partial_run, "LONGEST_LOST", 2)
    hours = count(start=100, step=-7)
    start = datetime(2026, 1, 2, tzinfo=UTC)
    jumping = replace(sweep, clock=lambda: start + timedelta(hours=next(hours)))
    kept = []
    keep = partial_run.PartialRun.keep
    monkeypatch.setattr(
        partial_run.PartialRun, "keep", lambda run: (kept.append(len(run)), keep(run))
    )
    job = a_job(images)
    list(jumping.run([job]))
    assert sweep.store.provenance(job.run).seconds == 6
    assert kept == [4]


def test_predictions_are_the_same_with_and_without_shared_crops(sweep, images, tmp_path):
    jobs = [a_job(images, "steady"), a_job(images, "steadier")]
    list(sweep.run(jobs))
    apart = [sweep.store.read(job.run) for job in jobs]
    together = sharing(jobs, images, tmp_path / "crops")
    assert together[0].crops == together[1].crops
    shared = replace(sweep, store=Store(tmp_path / "other"))
    list(shared.run(together))
    assert together[0].crops.is_complete
    for job, one in zip(jobs, apart, strict=True):
        assert (shared.store.read(job.run).probabilities == one.probabilities).all()
        assert (shared.store.read(job.run).classes == one.classes).all()
