"""An audit of a transfer: each variant changes one thing, and what it changes is measured."""

from __future__ import annotations

import csv
from dataclasses import fields, replace

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.transfer.audited import work_of_variant
from benchmarking.experiments.transfer.augmentation import Augmentation
from benchmarking.experiments.transfer.changed_plans import initial_of_pytorch
from benchmarking.experiments.transfer.factors import Setting, variants
from benchmarking.experiments.transfer.folders import open_folders
from benchmarking.experiments.transfer.plan import Training
from benchmarking.experiments.transfer_audit import chosen
from benchmarking.pictures.recipe import SCALINGS, Preprocessing

pytestmark = pytest.mark.usefixtures("tiny_networks")
RECIPE = Preprocessing("pillow", "bilinear", (32, 32), 32, SCALINGS["tf"])


@pytest.fixture(scope="module")
def reference(stripes):
    task = open_folders(stripes / "train", stripes / "validation", name="stripes").task
    return Setting(task, RECIPE, RECIPE, Augmentation(draws=1), Training(), "pytorch")


@pytest.fixture(scope="module")
def every(reference):
    return variants(reference, 37, "pytorch")


def test_every_variant_differs_from_the_reference_in_one_thing(every):
    reference, *others = every
    for one in others:
        differing = {
            field.name
            for field in fields(Setting)
            if getattr(one.setting, field.name) != getattr(reference.setting, field.name)
        }
        if one.factor == "seed":
            assert (differing, one.seeds > 0) == (set(), True)
        elif {"recipe", "at_prediction"} == differing:
            assert one.setting.recipe == one.setting.at_prediction
        elif one.factor == "Adam's formula":
            assert differing == {"training"}
        else:
            assert len(differing) == 1, one
    assert len({(one.factor, one.value) for one in every}) == len(every)


def test_all_factors_of_published_comparisons_are_audited(every):
    assert list(dict.fromkeys(one.factor for one in every)) == [
        *("reference", "seed", "framework of the head", "Adam's epsilon", "Adam's formula"),
        *("initial head", "batch normalisation", "resize", "filter", "channels", "scaling"),
        *("resize at prediction", "filter at prediction", "channels at prediction"),
        *("scaling at prediction", "fill", "shear", "zoom", "geometry", "order"),
        *("order and fill", "augmentation", "class order", "leak", "all at once"),
    ]


def test_keras_has_no_batch_normalisation_in_training_mode(reference):
    in_keras = variants(replace(reference, framework="keras"), 37, "keras")
    assert not any(one.factor == "batch normalisation" for one in in_keras)
    assert in_keras[-1].setting.protocol == "article"


def test_every_variant_is_stored_under_a_name_of_its_own(every, tmp_path):
    from benchmarking.experiments import Model
    from benchmarking.models.sources import the_spec

    model = Model(the_spec("tiny/in-pytorch"), -1, 1)
    paths = [work_of_variant(one, model, 0, tmp_path).request.path(tmp_path) for one in every]
    assert len(set(paths)) == len(every)


def test_tasks_of_the_factors_leak_lose_or_reverse_pictures(every, reference):
    of = {(one.factor, one.value): one.setting.task for one in every}
    train, validation = reference.task.train, reference.task.validation
    assert len(of["leak", "every 10th validation picture"].train) == len(train) + 2
    assert len(of["leak", "without the 1 shared pictures"].train) == len(train) - 1
    both = of["class order", "reversed in both parts"]
    assert both.classes == ("upright", "level")
    assert (both.train.labels == 1 - train.labels).all()
    at_prediction = of["class order", "reversed at prediction"]
    assert at_prediction.classes == ("level", "upright")
    assert (at_prediction.train.labels == train.labels).all()
    assert (at_prediction.validation.labels == 1 - validation.labels).all()


def test_an_initial_head_of_pytorch_is_drawn_as_torch_draws_it():
    import torch

    ours = initial_of_pytorch(np.random.default_rng(0), Training(head=50), 400, 3)
    torch.manual_seed(0)
    for name, layer in (("hidden", torch.nn.Linear(400, 50)), ("output", torch.nn.Linear(50, 3))):
        for part, theirs in (("kernel", layer.weight.detach().T), ("bias", layer.bias.detach())):
            assert ours[f"{name}.{part}"].shape == tuple(theirs.shape)
            limit = 1 / np.sqrt(layer.in_features)
            assert np.abs(ours[f"{name}.{part}"]).max() <= limit
            assert float(theirs.abs().max()) <= limit
    uniform = 1 / np.sqrt(3 * 400)  # standard deviation for the limit 1 / sqrt(400)
    assert abs(ours["hidden.kernel"].std() / uniform - 1) < 0.02


def test_factors_are_chosen_by_patterns(every):
    some = chosen(every, ["scaling", "seed"])
    assert [one.factor for one in some] == ["reference", "seed", "seed", "seed", "scaling"]
    with pytest.raises(BenchmarkError, match=r"no factor fits 'scalling'; there are seed, framewo"):
        chosen(every, ["scalling"])


@pytest.fixture(scope="module")
def audited(stripes, tmp_path_factory):
    """The lines of an audit of some factors, by factor and value, and its status."""
    from benchmarking.cli import main

    folder = tmp_path_factory.mktemp("audit")
    command = ["audit", "transfer", "tiny/in-pytorch", stripes / "train", stripes / "validation"]
    command += ["--factors", "frame*", "batch*", "class*", "filter at*"]
    command += ["--head", 8, "--batch-size", 8, "--gpu", "cpu", "--workers", 1]
    command += ["--store", folder / "mine", "-o", folder / "audit.csv"]
    status = main(list(map(str, command)))
    with (folder / "audit.csv").open() as file:
        rows = list(csv.DictReader(file))
    return status, {(row["Factor"], row["Value"]): row for row in rows}


def test_one_plan_gives_the_same_in_both_frameworks(audited):
    status, rows = audited
    other = rows["framework of the head", "keras"]
    assert status == 0
    assert other["Top-1 changed"] == "0"
    assert 0 < float(other["Max |Δloss| of a step"]) < 1e-6


def test_batch_normalisation_in_training_mode_moves_its_statistics(audited):
    _, rows = audited
    assert rows["batch normalisation", "training mode"]["Moved"] == "3"
    assert float(rows["batch normalisation", "training mode"]["Max |Δloss| of a step"]) > 1e-4
    others = [row for (factor, _), row in rows.items() if factor != "batch normalisation"]
    assert {row["Moved"] for row in others} == {"0"}


def test_reversed_classes_at_prediction_turn_every_answer_around(audited):
    _, rows = audited
    right, wrong = rows["reference", ""], rows["class order", "reversed at prediction"]
    assert float(right["Acc@1"]) + float(wrong["Acc@1"]) == pytest.approx(100, abs=0.02)
    assert wrong["Top-1 changed"] == "0"
    assert rows["class order", "reversed in both parts"]["Moved"] == "0"


def test_pixels_at_prediction_leave_the_training_as_it_is(audited):
    _, rows = audited
    nearest = rows["filter at prediction", "nearest"]
    assert float(nearest["Max |Δloss| of a step"]) == 0
    assert float(nearest["Max |Δp|"]) > 0
