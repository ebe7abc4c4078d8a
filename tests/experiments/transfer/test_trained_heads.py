"""Heads on the same backbone in two frameworks: the same by one plan, stored, never mistaken."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError, MissingDependency, PictureError, StoreError
from benchmarking.experiments import Model
from benchmarking.experiments.transfer import probe, protocols, runs
from benchmarking.experiments.transfer.augmentation import Augmentation
from benchmarking.experiments.transfer.features import computed, moved, stored
from benchmarking.experiments.transfer.folders import open_folders
from benchmarking.experiments.transfer.heads import (
    Examples,
    examples_of,
    heads_trained,
    trained,
)
from benchmarking.experiments.transfer.networks import backbone_of
from benchmarking.experiments.transfer.plan import Training, shared_plan
from benchmarking.experiments.transfer.protocols import Options, with_installed_heads, work_of
from benchmarking.experiments.transfer.results import averages, pairs, parting, rows
from benchmarking.experiments.transfer.sweep import Sweep, known, sweep
from benchmarking.experiments.transfer.tables import tables_of
from benchmarking.models.sources import select
from benchmarking.predictions import array_file
from benchmarking.reports.documents.transfer import Heads, Parting

TRAINING = Training(head=8, epochs=3, batch_size=8)
SGD = replace(TRAINING, optimizer="sgd", learning_rate=0.05, precision="float64")
SAME = Options(training=TRAINING, seeds=2)


pytestmark = pytest.mark.usefixtures("tiny_networks")


@pytest.fixture(scope="module")
def task(stripes):
    return open_folders(stripes / "train", stripes / "validation", name="stripes").task


def models():
    return [Model(spec, -1, 1) for spec in select(["tiny"])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("heads")


@pytest.fixture(scope="module")
def done(task, folder) -> Sweep:
    said = []
    found = sweep([task], models(), SAME, folder, said.append)
    assert said == []
    return found


def of(done, model, framework, seed=0):
    (one,) = (
        one
        for one in done.results
        if (one.work.request.model, one.work.framework, one.work.request.seed)
        == (model, framework, seed)
    )
    return one


def test_one_plan_gives_one_curve_of_losses_in_both_frameworks(done):
    for model in ("in-pytorch", "in-keras"):
        for seed in (0, 1):
            first, second = (of(done, model, name, seed).trained for name in ("pytorch", "keras"))
            assert first.losses.shape == (12,)
            assert np.abs(first.losses - second.losses).max() <= 1e-6
            assert (first.probabilities.argmax(1) == second.probabilities.argmax(1)).all()
            for name, tensor in first.before.items():
                assert (tensor == second.before[name]).all()
                assert not (first.after[name] == tensor).all()


def test_seeds_differ(done):
    first, second = (of(done, "in-keras", "keras", seed).trained.losses for seed in (0, 1))
    assert np.abs(first - second).max() > 1e-3


def test_the_table_compares_frameworks_with_the_same_features_and_with_the_same_weights(done, task):
    found = {(one.what, one.first, one.second): one for one in pairs(done.results)}
    torch, keras = "tiny/in-pytorch", "tiny/in-keras"
    assert list(found) == [
        ("same features", (torch, "pytorch"), (torch, "keras")),
        ("same weights", (torch, "pytorch"), (keras, "keras")),
        ("same features", (keras, "pytorch"), (keras, "keras")),
    ]
    for (what, _, _), pair in found.items():
        assert pair.parting.difference <= 1e-6
        assert (pair.features == 0) is (what == "same features")
        assert pair.features <= 1e-5
        assert (pair.difference, pair.first_only, pair.second_only, pair.mcnemar) == (0, 0, 0, 1)


def test_a_row_has_the_scores_that_its_probabilities_give(done, task):
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

    row = rows(done.results)[0]
    right = task.validation.labels
    found = [of(done, "in-pytorch", "pytorch", seed).trained.probabilities for seed in (0, 1)]
    guesses = [one.argmax(1) for one in found]
    assert row.accuracies == tuple(accuracy_score(right, one) for one in guesses)
    assert row.deviation == pytest.approx(np.std(row.accuracies, ddof=1))
    balanced = [balanced_accuracy_score(right, one) for one in guesses]
    assert row.balanced == pytest.approx(np.mean(balanced))
    assert row.loss == pytest.approx(np.mean([log_loss(right, one) for one in found]))
    assert (row.n, row.leaks, row.changed, row.tensors) == (12, 1, (), 6)


def test_a_second_sweep_trains_nothing(done, task, folder, monkeypatch):
    monkeypatch.setattr("benchmarking.experiments.transfer.sweep.executors", None)
    said = []
    again = sweep([task], models(), SAME, folder, said.append)
    assert said == ["8 of 8 heads are stored already"]
    for one, other in zip(done.results, again.results, strict=True):
        assert (one.trained.losses == other.trained.losses).all()


def in_float64(test):
    """One head by stochastic gradient descent in float64, with the features of PyTorch."""
    yield from (one for one in heads_trained([test]) if hasattr(one, "trained"))


def test_in_float64_both_frameworks_take_the_same_steps(done, task, folder):
    from benchmarking.experiments import in_fresh_processes

    work = work_of(task, models()[0], replace(SAME, training=SGD, seeds=1), folder)
    first, second = in_fresh_processes("float64", in_float64, [one.test for one in work])
    assert np.abs(first.trained.losses - second.trained.losses).max() <= 1e-12
    for name, tensor in first.trained.after.items():
        assert np.abs(tensor - second.trained.after[name]).max() <= 1e-12


@pytest.fixture(scope="module")
def article(task, folder) -> Sweep:
    options = Options(protocol="article", training=replace(TRAINING, epochs=2))
    return sweep([task], models(), options, folder, lambda _: None)


def test_the_articles_loop_in_pytorch_moves_the_statistics_of_a_frozen_backbone(article, task):
    found = {row.head: row.changed for row in rows(article.results)}
    assert found == {
        "pytorch": ("1.running_mean", "1.running_var", "1.num_batches_tracked"),
        "keras": (),
    }
    text = str(tables_of(article, [task], Options(protocol="article")))
    assert (
        "not frozen: training the head on tiny/in-pytorch in PyTorch changed 3 of the backbone's 6 "
        "tensors: 1.running_mean, 1.running_var, 1.num_batches_tracked"
    ) in text


def test_a_backbone_in_training_mode_is_seen_whoever_uses_it():
    backbone = backbone_of(models()[0])
    before = backbone.tensors()
    crops = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    backbone.outputs(models()[0].spec.recipes["published"].scaling)(crops)
    assert moved(before, backbone.tensors()) == []
    backbone.module.requires_grad_(False).train()
    import torch

    backbone.module(torch.zeros(2, 3, 32, 32))
    assert moved(before, backbone.tensors()) == [
        *("1.running_mean", "1.running_var", "1.num_batches_tracked"),
    ]


def feature_test(task, folder, **changes):
    model = models()[0]
    options = Options(training=TRAINING)
    train = next(work_of(task, model, options, folder)).test.train
    return replace(train, **changes) if changes else train


def renamed(test, other):
    """Put the file of one test in the place of another's."""
    shutil.copy(test.path, other.path)
    return str(other.path)


def test_features_of_other_pictures_are_refused_by_name(done, task, folder, tmp_path):
    train = feature_test(task, folder)
    part = replace(
        task.train,
        pictures=task.train.pictures[:-1],
        digests=task.train.digests[:-1],
    )
    path = renamed(train, replace(train, part=part))
    with pytest.raises(StoreError, match=f"{path} was made with key pictures "):
        stored(replace(train, part=part))


def test_features_of_other_pixels_and_versions_are_refused_by_name(done, task, folder):
    train = feature_test(task, folder)
    other = replace(train, augmentation=Augmentation(draws=2))
    path = renamed(train, other)
    with pytest.raises(StoreError, match=f"{path} was made with key augmentation"):
        stored(other)
    Path(path).unlink()


def test_features_that_the_model_does_not_give_are_refused(done, task, folder, tmp_path):
    """Their file says the right things, as after weights were changed in memory only."""
    train = replace(feature_test(task, folder), folder=tmp_path)
    held = array_file.read(feature_test(task, folder).path, {})
    values = held.arrays["features"] * np.float32(1.01)
    array_file.ArrayFile(held.document, {"features": values}).write(train.path)
    with pytest.raises(StoreError, match="does not hold the features of tiny/in-pytorch: those of"):
        list(computed((train,)))


def test_a_damaged_file_of_features_is_refused(done, task, folder, tmp_path):
    train = replace(feature_test(task, folder), folder=tmp_path)
    data = bytearray(feature_test(task, folder).path.read_bytes())
    data[-3] ^= 1
    train.path.parent.mkdir(parents=True)
    train.path.write_bytes(data)
    with pytest.raises(StoreError, match="is damaged: features has crc32"):
        stored(train)


@pytest.mark.parametrize("change", ["no facts", "other facts", "fewer pictures", "no features"])
def test_features_with_correct_digests_and_other_contents_are_refused(
    done, task, folder, tmp_path, change
):
    train = replace(feature_test(task, folder), folder=tmp_path)
    held = array_file.read(feature_test(task, folder).path, {})
    document, arrays = dict(held.document), dict(held.arrays)
    if change == "no facts":
        del document["made"]
    elif change == "other facts":
        document["made"] = {**document["made"], "seconds": "long"}
    elif change == "fewer pictures":
        arrays["features"] = arrays["features"][:, 1:].copy()
    else:
        arrays = {"x": arrays["features"]}
    array_file.ArrayFile(document, arrays).write(train.path)
    with pytest.raises(StoreError, match=f"{train.path} is damaged"):
        stored(train)


def test_a_head_with_correct_digests_and_other_facts_is_refused(done, task, folder, tmp_path):
    work = of(done, "in-pytorch", "pytorch").work
    held = array_file.read(work.request.path(folder), {})
    path = work.request.path(tmp_path)
    for document, arrays in (
        ({**held.document, "seconds": "long"}, held.arrays),
        ({k: v for k, v in held.document.items() if k != "notes"}, held.arrays),
        ({**held.document, "plan": 1}, held.arrays),
        (held.document, {k: v for k, v in held.arrays.items() if k != "losses"}),
    ):
        array_file.ArrayFile(document, arrays).write(path)
        with pytest.raises(StoreError, match=f"{path} is damaged"):
            known(work, tmp_path)


def test_features_are_not_written_through_a_link(task, folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "features").symlink_to(tmp_path / "mine")
    train = replace(feature_test(task, folder), folder=tmp_path / "t")
    with pytest.raises(StoreError, match="features is a link; a store is written within its own"):
        list(computed((train,)))
    assert list((tmp_path / "mine").iterdir()) == []


def test_the_head_of_another_seed_is_refused_by_name(done, task, folder, tmp_path):
    first, second = (of(done, "in-pytorch", "pytorch", seed).work for seed in (0, 1))
    paths = [one.request.path(tmp_path) for one in (first, second)]
    paths[0].parent.mkdir(parents=True)
    shutil.copy(second.request.path(folder), paths[0])
    with pytest.raises(StoreError, match=f"{paths[0]} was made with request seed 1, and not 0"):
        known(first, tmp_path)


def test_a_head_that_another_plan_has_trained_is_refused_by_name(done, task, folder, tmp_path):
    """Its file states the right request, but its head did not begin as the plan says."""
    work = of(done, "in-pytorch", "pytorch").work
    held = array_file.read(work.request.path(folder), {})
    arrays = {**held.arrays, "plan.rows": held.arrays["plan.rows"][:, ::-1].copy()}
    path = work.request.path(tmp_path)
    array_file.ArrayFile(held.document, arrays).write(path)
    with pytest.raises(StoreError, match=f"{path} holds a head that another plan has trained"):
        known(work, tmp_path)
    other = shared_plan(TRAINING, seed=9, features=16, classes=2, n=len(task.train))
    runs.write(tmp_path, work.request, other, of(done, "in-pytorch", "pytorch").trained)
    with pytest.raises(StoreError, match=r"another plan has trained \(seed 9\)"):
        known(work, tmp_path)


def test_swapped_classes_are_another_task(done, task, folder):
    """Features do not depend on classes, but heads do: none of the other task's is used."""
    from benchmarking.experiments.transfer.task import Part, Task

    def swapped(part):
        pictures = tuple(replace(one, label=1 - one.label) for one in part.pictures)
        return Part(pictures, part.digests)

    other = Task("stripes", task.classes, swapped(task.train), swapped(task.validation))
    works = [next(work_of(one, models()[0], SAME, folder)) for one in (task, other)]
    assert works[0].test.train.path == works[1].test.train.path
    assert known(works[0], folder) is not None
    assert known(works[1], folder) is None


def test_a_probe_is_the_logistic_regression_of_scikit_learn(done, task, folder):
    from sklearn.linear_model import LogisticRegression

    options = Options(protocol="probe")
    work = next(work_of(task, models()[0], options, folder))
    *_, learnt = probe.probed([work.test])
    trained = learnt.trained
    examples = examples_of(work.test.train, work.test.validation)
    plain = LogisticRegression(C=trained.notes["C"], tol=1e-10, max_iter=10_000)
    plain.fit(examples.train[0].astype(np.float64), examples.labels)
    expected = plain.predict_proba(examples.validation.astype(np.float64))
    assert np.abs(trained.probabilities - expected).max() < 1e-4
    logits = examples.validation @ trained.after["output.kernel"] + trained.after["output.bias"]
    powers = np.exp(logits)
    assert powers / powers.sum(1, keepdims=True) == pytest.approx(trained.probabilities)


def test_a_probe_chooses_its_penalty_without_the_validation_pictures(done, task, folder):
    work = next(work_of(task, models()[0], Options(protocol="probe"), folder))
    *_, learnt = probe.probed([work.test])
    rows_, labels, groups = probe._rows(
        examples_of(work.test.train, work.test.validation), work.test.train.part.digests
    )
    losses = [list(probe._losses_of(rows_, labels, *f)) for f in probe._folds(labels, groups, 0)]
    best = probe.STRENGTHS[int(np.mean(losses, axis=0).argmin())]
    assert learnt.trained.notes == {"C": best, "folds": 5}


def test_copies_of_a_picture_are_in_one_fold():
    labels = np.tile([0, 1], 12)
    groups = np.array([f"{number // 4}" for number in range(24)])
    for fit, score in probe._folds(labels, groups, 0):
        assert not set(groups[fit]) & set(groups[score])


def test_a_probe_needs_two_pictures_of_each_class():
    labels, groups = np.array([0, 0, 1]), np.array(["a", "b", "c"])
    with pytest.raises(BenchmarkError, match="a class has only one training picture"):
        list(probe._folds(labels, groups, 0))


def test_two_tasks_need_two_names(task, folder):
    from benchmarking.experiments.transfer.verbs import choices, transferred

    options, machine = choices({})
    with pytest.raises(PictureError, match="2 tasks are called 'stripes'"):
        transferred([task, task], (), folder, options, machine)


def test_an_unknown_option_is_named_beside_a_similar_one():
    from benchmarking.experiments.transfer.verbs import choices

    with pytest.raises(BenchmarkError, match=r"there is no option 'epoch'. Did you mean 'epochs'"):
        choices({"epoch": 3})
    with pytest.raises(BenchmarkError, match="protocol is 'equal'; expected same, defaults"):
        choices({"protocol": "equal"})


def test_the_same_options_make_the_same_plan_and_a_seed_another():
    make = {"features": 16, "classes": 2, "n": 29}
    first, again = (shared_plan(TRAINING, seed=0, **make) for _ in range(2))
    assert first.digest == again.digest
    assert first.digest != shared_plan(TRAINING, seed=1, **make).digest
    assert first.digest != shared_plan(replace(TRAINING, epsilon=1e-8), seed=0, **make).digest
    assert [sorted(rows) for rows in first.rows.tolist()] == [list(range(29))] * 3
    assert [len(rows) for _, rows in first.steps] == [8, 8, 8, 5] * 3
    limit = np.sqrt(6 / (16 + 8))
    kernel = first.initial["hidden.kernel"]
    assert kernel.shape == (16, 8)
    assert np.abs(kernel).max() <= limit
    assert np.abs(kernel).max() > limit * 0.9


def test_results_are_written_in_every_format(done, task, tmp_path):
    tables = tables_of(done, [task], SAME)
    for suffix in ("md", "csv", "json", "txt"):
        tables.write(tmp_path / f"t.{suffix}")
    assert (tmp_path / "t.md").read_text().startswith("## stripes: 2 classes (level, upright), 29 ")
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 5
    document = json.loads((tmp_path / "t.json").read_text())
    assert [one["what"] for one in document["compared"]][0] == "same features"
    assert document["heads"][0]["model"] == "tiny/in-pytorch"
    with pytest.raises(BenchmarkError, match="has no known suffix; use one of .md, .csv, .json"):
        tables.write(tmp_path / "t.pdf")


def test_the_command_says_what_it_says_in_python(done, task, folder, call, monkeypatch, tmp_path):
    roots = [Path(part.pictures[0].place.file).parents[1] for part in (task.train, task.validation)]
    store = folder.with_name("mine")
    (folder.with_name("mine-transfer")).symlink_to(folder)
    status, out, err = call(
        *("transfer", *roots, "--name", "stripes", "--models", "tiny", "--store", store),
        *("--head", 8, "--batch-size", 8, "--seeds", 2, "--gpu", "cpu", "--workers", 1),
        *("-o", tmp_path / "t.txt"),
    )
    assert status == 0
    assert "8 of 8 heads are stored already" in err
    assert "shared-picture" in err
    assert out == f"{tables_of(done, [task], SAME)}\n" == (tmp_path / "t.txt").read_text()


def row(model, accuracy, task):
    return Heads(
        *(task, model, "pytorch", accuracy, None, (accuracy,), 0.0, 1.0, accuracy, 0.1, 10, 0),
        *((), 3, 1.0, 1.0, ((accuracy, 0.1),), ""),
    )


def test_models_are_ranked_over_tasks_by_their_mean_rank():
    scores = {"one": (0.9, 0.8, 0.8), "two": (0.7, 0.95, 0.6)}
    found = averages(
        [
            row(model, accuracy, task)
            for task, some in scores.items()
            for model, accuracy in zip("abc", some, strict=True)
        ]
        + [row("d", 1.0, "one")]  # not trained for both, so it takes no rank from the others
    )
    assert [(one.model, one.rank, one.ranks) for one in found] == [
        ("a", 1.5, (1, 2)),
        ("b", 1.75, (2.5, 1)),
        ("c", 2.75, (2.5, 3)),
    ]
    assert found[0].accuracy == pytest.approx(0.8)
    assert averages([row("a", 0.9, "one"), row("b", 0.8, "one")]) == []


def test_curves_part_where_their_difference_is_largest():
    one, other = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.5, 2.75])
    assert parting([one, one], [one, other]) == Parting(0.5, 2, 3, 1)
    assert parting([one[:0]], [one[:0]]) is None


def test_curves_that_part_are_noted(done, task):
    tables = tables_of(done, [task], SAME)
    assert tables.notes == ()
    pair = replace(tables.pairs[0], parting=Parting(2e-6, 7, 12, 1))
    assert replace(tables, pairs=(pair,)).notes == (
        "the losses of tiny/in-pytorch in PyTorch and of tiny/in-pytorch in Keras part by 2.0e-06 "
        "at step 7 of seed 1, more than 1e-06",
    )


def test_a_loss_that_is_not_finite_is_an_error():
    class Exploding:
        def head(self):
            return {}

        def step(self, features, labels):
            return float("inf")

        def logits(self, features):
            return np.zeros((len(features), 2))

    plan = shared_plan(replace(TRAINING, learning_rate=9.0), seed=0, features=3, classes=2, n=8)
    examples = Examples(np.zeros((1, 8, 3)), np.zeros(8, int), np.zeros((2, 3)), np.zeros(2, int))
    with pytest.raises(BenchmarkError, match="step 1 is not finite; lower the learning rate, whi"):
        list(trained(plan, Exploding(), examples))


def test_each_checkpoint_needs_an_architecture(call, tmp_path):
    status, _, err = call("transfer", tmp_path, tmp_path, "--checkpoint", "mine.pth")
    assert status == 2
    assert "there are 1 --checkpoint and 0 --arch; give one --arch for each" in err


def test_an_unknown_format_is_refused_before_the_work(call, tmp_path):
    status, _, err = call("transfer", tmp_path, tmp_path, "-o", "table.xls")
    assert status == 2
    assert "table.xls has no known suffix; use one of .md, .csv, .json, .txt." in err


def test_without_keras_heads_are_trained_in_pytorch_alone(monkeypatch):
    monkeypatch.setattr(protocols, "find_spec", lambda name: None if name == "tensorflow" else name)
    said = []
    assert with_installed_heads(SAME, said.append).heads == ("pytorch",)
    assert said[0].startswith("no heads are trained in Keras: tensorflow is not installed; run: ")
    with pytest.raises(MissingDependency, match="tensorflow is not installed"):
        with_installed_heads(replace(SAME, heads=("keras",)), said.append)


def test_a_task_has_a_name_for_files(task):
    with pytest.raises(BenchmarkError, match="'../x' cannot name anything here"):
        replace(task, name="../x")


def test_an_odd_number_of_folders_is_refused(call, tmp_path):
    status, _, err = call("transfer", tmp_path, "--models", "tiny")
    assert status == 2
    assert "there are 1 folders; give each folder of training pictures, and after it" in err
