"""Samples of the stored runs of 2019, as `predict --estimate 2000` would have stored them."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarking import score
from benchmarking.pictures.difficulty import difficulty_of_2019
from benchmarking.pictures.image_set import without_pictures
from benchmarking.pictures.sampling import designed
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.stores import Stores
from benchmarking.predictions.top_k import TopK
from benchmarking.scoring.compare import compare, every_pair, first_guesses
from benchmarking.scoring.statistics import wilson_interval
from benchmarking.scoring.verify import Verdict, verify

IMAGES = "imagenet-val-2019-estimate-2000"
SOURCE = "2019-pytorch"


@pytest.fixture(scope="module")
def sampled(imported_2019, tmp_path_factory):
    """A store with samples of three runs; that of alexnet is named squeezenet1_0."""
    (whole,) = imported_2019.image_sets()
    rows = imported_2019.rows(whole)
    drawn, design = designed(rows.keys, 2000, whole, difficulty=difficulty_of_2019())
    images = replace(
        without_pictures(IMAGES, [rows.keys[row] for row in drawn], rows.right_classes[drawn]),
        design=design,
    )
    store = Store(tmp_path_factory.mktemp("sampled"))
    for model, name in (("densenet169", None), ("vgg16", None), ("alexnet", "squeezenet1_0")):
        run = Run(whole, SOURCE, model, "northcutt2019")
        top, made = imported_2019.read(run), imported_2019.provenance(run)
        made = replace(made, images={**made.images, "design": design.as_document()})
        target = Run(IMAGES, SOURCE, name or model, "published")
        store.write(target, images, TopK(top.classes[drawn], top.probabilities[drawn]), made)
    return store


def test_an_estimate_is_consistent_with_the_accuracy_that_was_published(sampled):
    (found,) = verify(sampled, [Run(IMAGES, SOURCE, "densenet169", "published")])
    low, high = found.interval
    assert found.verdict == Verdict.CONSISTENT
    assert found.reason == "in the 95 % interval, estimated from 2,000 of 50,000 pictures"
    assert low < 0.756 < high
    plain = wilson_interval(round(found.acc1 * 2000), 2000)
    assert (high - low) < 0.6 * (plain[1] - plain[0])


def test_an_estimate_of_another_model_does_not_reproduce_what_was_published(sampled):
    (found,) = verify(sampled, [Run(IMAGES, SOURCE, "squeezenet1_0", "published")])
    assert found.verdict == Verdict.NOT_REPRODUCED
    assert found.reason == "outside the 95 % interval, estimated from 2,000 of 50,000 pictures"


def test_intervals_contain_the_accuracies_on_all_pictures(sampled, imported_2019):
    (whole,) = imported_2019.image_sets()
    rows = score(imported_2019, whole).rows
    true = {row.run.model: row.scores for row in rows if row.run.source == SOURCE}
    for row in score(sampled, IMAGES).rows:
        if row.run.model != "squeezenet1_0":
            for name, one in row.scores.items():
                assert one.low < true[row.run.model][name].share < one.high
                assert (one.n, one.of) == (2000, 50_000)


def test_a_run_on_all_pictures_makes_the_interval_of_a_difference_smaller(sampled, imported_2019):
    (whole,) = imported_2019.image_sets()
    stores = Stores(sampled, imported_2019)
    ours = next(run for run in stores.runs(IMAGES) if run.model == "densenet169")
    theirs = next(
        run
        for run in stores.runs(whole)
        if run.full_name.startswith(f"{SOURCE}/vgg16") and run.model == "vgg16"
    )
    same = next(run for run in stores.runs(IMAGES) if run.model == "vgg16")
    known, sample = compare(stores, ours, theirs).pair, compare(stores, ours, same).pair
    true = np.subtract(*[imported_2019_share(imported_2019, m) for m in ("densenet169", "vgg16")])
    for pair in (known, sample):
        assert pair.interval[0] < true < pair.interval[1]
        assert pair.p_value < 0.001
    assert np.ptp(known.interval) < 0.75 * np.ptp(sample.interval)
    assert known.shares[1] == pytest.approx(imported_2019_share(imported_2019, "vgg16"))


def imported_2019_share(store, model):
    (whole,) = store.image_sets()
    run = Run(whole, SOURCE, model, "northcutt2019")
    return (store.classes(run)[:, 0] == store.labels(whole)).mean()


def test_every_pair_of_a_sample_is_estimated(sampled):
    from benchmarking.labels.label_set import every_image

    right = every_image(sampled.right_classes(IMAGES))
    pairs = every_pair([first_guesses(sampled, run, right) for run in sampled.runs(IMAGES)])
    assert [pair.estimated.of for pair in pairs] == [50_000] * 3
    assert all(-1 <= pair.kappa <= 1 and 0 < pair.same_answer < 1 for pair in pairs)
