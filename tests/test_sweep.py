from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count

import numpy as np
import pytest
from conftest import PLUGINS

from benchmarking import executors
from benchmarking.datasets import digests, image_set, open_pictures
from benchmarking.errors import BenchmarkError
from benchmarking.executors import Failed
from benchmarking.plugins import discover
from benchmarking.predict import Job
from benchmarking.specs import Run
from benchmarking.store import PredictionStore
from benchmarking.sweep import Progress, Started, Stored, Sweep

pytestmark = pytest.mark.usefixtures("light")


@pytest.fixture
def images(tree):
    pictures = open_pictures(str(tree))
    return image_set("grey", pictures, digests(pictures, workers=2))


@pytest.fixture
def sweep(images, tmp_path):
    seconds = count()
    start = datetime(2026, 1, 2, tzinfo=UTC)
    return Sweep(
        images,
        PredictionStore(tmp_path / "store"),
        clock=lambda: start + timedelta(seconds=next(seconds)),
        arguments=("predict", "tree"),
    )


def a_job(images, model="steady", **changes):
    run = Run(images.name, "brightness", model, "published")
    return replace(Job(run, images.pictures, batch_size=None, gpu=None, workers=2), **changes)


def test_a_job_is_followed_from_its_start_to_its_place_in_the_store(sweep, images):
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
    assert made.seconds == 1.0
    assert made.arguments == ("predict", "tree")


def test_a_model_that_fails_leaves_nothing_and_stops_nobody(sweep, images):
    shaky, steady = a_job(images, "shaky"), a_job(images)
    ends = [event for event in sweep.run([shaky, steady]) if isinstance(event, (Failed, Stored))]
    assert [type(end) for end in ends] == [Failed, Stored]
    assert ends[0].reason == "MemoryError: too heavy"
    assert sweep.store.runs("grey") == [steady.run]


def test_answers_to_too_few_pictures_are_a_failure(sweep, images):
    job = a_job(images, pictures=images.pictures[:-1])
    *_, end = sweep.run([job])
    assert end.reason == "5 answers for 6 pictures"
    assert sweep.store.runs("grey") == []


def test_a_complete_run_with_the_same_ingredients_is_known(sweep, images):
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


def test_all_probabilities_are_stored_beside_the_same_top_5(sweep, images):
    job = a_job(images, keep="all")
    list(sweep.run([job]))
    everything = sweep.store.read_probabilities(job.run)
    assert everything.shape == (6, 1000)
    assert (everything.argmax(axis=1) == sweep.store.read(job.run).classes[:, 0]).all()
    assert np.allclose(everything.sum(axis=1), 1)


def test_a_run_that_keeps_all_probabilities_is_not_replaced_by_a_poorer_one(sweep, images):
    list(sweep.run([a_job(images, keep="all")]))
    list(sweep.run([a_job(images, keep="top5")]))
    assert sweep.store.keeps_all_probabilities(a_job(images).run)


def test_a_result_that_cannot_be_stored_is_a_failure_and_the_others_go_on(
    sweep, images, monkeypatch
):
    write = PredictionStore.write

    def full_at_first(store, run, *args, **kwargs):
        if run.model == "steady":
            raise BenchmarkError("no space left")
        return write(store, run, *args, **kwargs)

    monkeypatch.setattr(PredictionStore, "write", full_at_first)
    jobs = [a_job(images, "steady"), a_job(images, "steadier")]
    ends = [event for event in sweep.run(jobs) if isinstance(event, (Failed, Stored))]
    assert [type(end) for end in ends] == [Failed, Stored]
    assert ends[0].reason == "no space left"


def test_a_job_that_its_executor_forgets_is_a_failure(sweep, images, monkeypatch):
    module = discover(executors)["in-process"]
    monkeypatch.setattr(module, "run", lambda function, jobs: iter(()))
    _, end = sweep.run([a_job(images)])
    assert end.reason == "its executor ended before it did"


def test_batches_out_of_order_are_never_stored(sweep, images, monkeypatch):
    module = discover(executors)["in-process"]
    run = module.run

    def shuffled(function, jobs):
        setting, first, second, *rest = run(function, jobs)
        return iter([setting, second, first, *rest])

    monkeypatch.setattr(module, "run", shuffled)
    with pytest.raises(ValueError, match="batch of row 2 where row 0 is due"):
        list(sweep.run([a_job(images)]))
    assert sweep.store.runs("grey") == []


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
