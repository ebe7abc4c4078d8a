"""Experiments find planted faults in models, and nothing in sound models."""

import csv
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarking.cli import main
from benchmarking.errors import BenchmarkError, PictureError
from benchmarking.experiments import Answer, Model, Setup, framework_parity, recipe_ablation
from benchmarking.experiments._crops import crops_kept, unscaled
from benchmarking.experiments.batching import BatchTest, answer, effect, every_batch_size
from benchmarking.experiments.framework_parity import Layers, layer_differences
from benchmarking.experiments.recipe_ablation import RecipeTest, harms, own_recipe, variations
from benchmarking.models.sources import all_specs
from benchmarking.pictures.crop_stream import crop_of
from benchmarking.pictures.image_set import FilePart, Picture
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.pictures.sets import open_pictures
from benchmarking.scoring.statistics import mcnemar_test

ROOT = Path(__file__).parents[2]
RECIPE = Preprocessing("pillow", "bicubic", resize=256, crop=224, scaling=SCALINGS["tf"])


def crops_of(n=50):
    return np.random.default_rng(0).integers(0, 256, (n, 6, 6, 3), dtype=np.uint8)


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)


WEIGHTS = np.random.default_rng(1).normal(size=(108, 10)).astype(np.float32) / 20


def sound(crops):
    return softmax(crops.reshape(len(crops), -1).astype(np.float32) / 50 @ WEIGHTS)


def over_the_batch(crops):
    """Like a layer that normalises with the statistics of its batch."""
    pixels = crops.reshape(len(crops), -1).astype(np.float32)
    spread = pixels.std(axis=0) + 1
    return softmax((pixels - pixels.mean(axis=0)) / spread @ WEIGHTS)


def dropping():
    """Like dropout that is still active."""
    random = np.random.default_rng(2)

    def predict(crops):
        pixels = crops.reshape(len(crops), -1).astype(np.float32) / 50
        return softmax(pixels * random.integers(0, 2, pixels.shape) @ WEIGHTS)

    return predict


def by_place(crops):
    """Like a reused buffer: the last picture of a batch gets the prediction of the first."""
    said = sound(crops)
    said[-1] = said[0]
    return said


def effects(predictor):
    reference, *others = every_batch_size(predictor, crops_of(), classes=10)
    assert reference.title == "batch 1"
    return [effect(reference, other) for other in others]


def test_a_sound_model_predicts_the_same_in_every_batch():
    found = effects(sound)
    assert [one.title for one in found] == [
        *("batch 2", "batch 8", "batch 32"),
        "batch 32, reverse order",
    ]
    assert all(one.is_noise for one in found)


@pytest.mark.parametrize("predictor", [over_the_batch, dropping(), by_place])
def test_a_model_that_depends_on_its_batch_is_caught(predictor):
    found = effects(predictor)
    assert not any(one.is_noise for one in found)
    assert any(one.top1 for one in found)


def test_flips_are_the_rows_that_changed():
    before = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], np.float32)
    after = np.array([[0.5, 0.3, 0.2], [0.3, 0.5, 0.2], [0.5, 0.2, 0.3]], np.float32)
    found = effect(Answer("before", before), Answer("after", after))
    assert (found.top1, found.top5) == ((1,), (1, 2))
    assert found.difference == pytest.approx(0.2)
    assert not found.is_noise


@pytest.mark.parametrize(("off", "noise"), [(5e-5, True), (2e-4, False)])
def test_only_small_differences_count_as_rounding(off, noise):
    before = np.array([[0.6, 0.4]], np.float32)
    after = before + np.array([[off, -off]], np.float32)
    assert effect(Answer("a", before), Answer("b", after)).is_noise is noise


class Watched:
    """A model whose framework would be imported now."""

    spec, workers = next(iter(all_specs())), 1

    def load(self):
        raise InterruptedError(os.environ["OMP_NUM_THREADS"])


def test_one_thread_is_requested_before_the_framework_is_imported(monkeypatch):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        monkeypatch.setenv(name, "2")
    pictures = open_pictures("demo").pictures[:1]
    with pytest.raises(InterruptedError, match="^1$"):
        list(answer(BatchTest(Watched(), pictures, "1 thread", threads=1)))


FAULTS = """
import sys
import numpy as np
import torch
from benchmarking.experiments.batching import effect, every_batch_size
from benchmarking.models.frameworks import Device, pytorch
from benchmarking.pictures.recipe import SCALINGS

class Stubborn(torch.nn.Sequential):
    def eval(self):
        return self.train()

class Dropping(torch.nn.Module):
    def forward(self, pixels):
        return torch.nn.functional.dropout(pixels, 0.2, training=True)

def net(kind):
    torch.manual_seed(0)
    norm = torch.nn.BatchNorm2d(8, track_running_stats=kind != "batch statistics")
    layers = [torch.nn.Conv2d(3, 8, 3), norm, torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4)]
    layers += [Dropping()] if kind == "dropout" else []
    layers += [torch.nn.Flatten(), torch.nn.Linear(128, 1000)]
    model = (Stubborn if kind == "training mode" else torch.nn.Sequential)(*layers)
    torch.nn.init.normal_(model[-1].weight, std=1)
    return model

crops = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
for kind in ("sound", "training mode", "dropout", "batch statistics"):
    predictor = pytorch.predictor(net(kind), SCALINGS["torch"], Device("cpu", "cpu", "cpu"))
    reference, *others = every_batch_size(predictor, crops, 1000)
    print(kind, sum(not effect(reference, other).is_noise for other in others), sep=":")
"""


def test_faults_planted_in_pytorch_models_are_caught_and_a_sound_one_passes():
    done = subprocess.run([sys.executable, "-c", FAULTS], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = dict(line.split(":") for line in done.stdout.splitlines())
    assert found["sound"] == "0"
    assert {kind: n for kind, n in found.items() if kind != "sound"} == {
        "training mode": "4",
        "dropout": "4",
        "batch statistics": "4",
    }


def test_recipes_differ_from_the_published_one_in_one_part_each():
    found = variations(RECIPE)
    assert next(iter(found)) == "published"
    for title, recipe in found.items():
        parts = [
            name
            for name in ("library", "interpolation", "resize", "crop", "scaling")
            if getattr(recipe, name) != getattr(RECIPE, name)
        ]
        assert len(parts) == (title != "published"), title
    assert len(set(found.values())) == len(found)


def test_every_recipe_has_a_variation_of_every_part():
    for published in {spec.recipes.get("published") for spec in all_specs()} - {None}:
        changed = variations(published).values()
        for part in ("library", "interpolation", "resize", "scaling"):
            differ = any(getattr(one, part) != getattr(published, part) for one in changed)
            assert differ, (part, published)
        if published.first == "crop":  # what is cut out of a picture needs no border
            assert "resized before the crop" in variations(published)
        else:
            assert any(one.pads for one in changed), published


def pictures(labels):
    return tuple(Picture(f"{n}", label, FilePart("")) for n, label in enumerate(labels))


def said(title, guesses):
    return Answer(title, np.eye(5, dtype=np.float32)[guesses])


def test_the_most_harmful_recipe_comes_first_with_its_paired_test():
    labels = np.arange(40) % 5
    worse, same = (labels + (np.arange(40) < 12)) % 5, labels.copy()
    recipes_ = {"published": RECIPE, "worse": RECIPE, "same": RECIPE}
    test = RecipeTest(None, pictures(labels), recipes_)
    found = harms(test, [said("published", labels), said("worse", worse), said("same", same)])
    assert [one.title for one in found] == ["worse", "published", "same"]
    assert (found[0].acc1, found[0].flips, found[0].n) == (0.7, 12, 40)
    assert found[0].difference == pytest.approx(-0.3)
    assert found[0].p_value == mcnemar_test(0, 12)
    low, high = found[0].interval
    assert low < -0.3 < high < 0


def test_a_users_recipe_names_only_the_parts_that_differ():
    assert own_recipe({"resize": 232}, RECIPE) == replace(RECIPE, resize=232)
    assert own_recipe({"resize": [224, 224]}, RECIPE).resize == (224, 224)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"size": 3}, "a recipe has no 'size'; it has crop, crop_rounding, first, interpolation,"),
        ({"scaling": "keras"}, "scaling 'keras' is none of tf, torch, caffe"),
        ({"resize": "big"}, "no such value|must be"),
        ({"crop": 0}, "must be 1 pixel or more"),
    ],
)
def test_an_invalid_recipe_is_refused(document, message):
    with pytest.raises(BenchmarkError, match=message):
        own_recipe(document, RECIPE)


def test_pairs_of_frameworks_have_the_same_weight_file():
    assert [
        (one.name, one.framework, other.framework) for one, other in framework_parity.same_weights()
    ] == [(f"efficientnet-lite{n}", "pytorch", "keras") for n in range(3)]


def test_layers_are_compared_by_name_in_order():
    first = Layers({"a": np.zeros(3), "b": np.ones(3), "c": np.ones(3)})
    second = Layers({"b": np.full(3, 1.5), "a": np.zeros(3)})
    found = [(one.name, one.difference, one.scale) for one in layer_differences(first, second)]
    assert found == [("a", 0.0, 0.0), ("b", 0.5, 1.0)]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("mine.toml", "resize = ", "is no readable .toml or .json file"),
        ("mine.json", "[1]", "holds no names and values"),
        ("mine.json", json.dumps({"size": 1}), "a recipe has no 'size'"),
    ],
)
def test_a_recipe_file_that_is_wrong_is_named(tmp_path, capsys, name, text, message):
    (tmp_path / name).write_text(text)
    arguments = ["audit", "recipe", "efficientnet-lite-pytorch/efficientnet-lite0", "demo"]
    assert main([*arguments, "--recipe-file", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarking", "audit", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.models
def test_batching_does_not_change_predictions_of_real_models(tmp_path):
    lite = "efficientnet-lite-pytorch/efficientnet-lite0"
    done = command("batch", "demo", "--models", lite, "--limit", "8", "-o", tmp_path / "t.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "t.csv").read_text().splitlines()[1:]
    assert len(lines) == 6
    assert {line.rpartition(",")[2] for line in lines} == {"rounding"}
    assert {line.split(",")[2] for line in lines} >= {"batch 32", "fresh process", "1 thread"}


@pytest.mark.models
def test_a_real_model_pays_for_a_wrong_recipe(tmp_path):
    (tmp_path / "mine.toml").write_text("resize = [224, 224]\nscaling = 'caffe'\n")
    options = ("--recipe-file", tmp_path / "mine.toml", "-o", tmp_path / "t.csv")
    model = "efficientnet-lite-pytorch/efficientnet-lite0"
    done = command("recipe", model, "demo", "--limit", "8", *options)
    assert done.returncode == 0, done.stderr
    written = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert {line["Model"] for line in written} == {model}
    recipes = [line["Recipe"] for line in written]
    assert set(recipes[:2]) == {"mine", "scaling caffe"}
    assert "published" in recipes


@pytest.mark.models
def test_frameworks_with_the_same_weights_agree_layer_by_layer():
    lite = ("--models", "efficientnet-lite0", "--limit", "4")
    done = command("frameworks", "demo", *lite, "--layers")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    layers = [line for line in lines if line[:1] == ["efficientnet-lite0"] and len(line) == 4]
    (whole, *inside) = layers
    assert float(whole[1]) < 1e-5
    assert whole[2:] == ["0", "0"]
    assert inside[0][1] == "_conv_stem"
    assert inside[-1][1] == "_fc"
    assert len(inside) > 90
    assert all(float(difference) < 1e-3 * float(scale) for _, _, difference, scale in inside)


def test_any_right_class_of_a_picture_counts_in_an_audit():
    """ObjectNet and ImageNet-Hard have several; the first one alone is not the accuracy."""
    shown = tuple(Picture(f"{n}", n % 2, FilePart(""), (2 + n % 2,)) for n in range(8))
    second, other = np.array([2, 3] * 4), np.array([2, 4] * 4)
    test = RecipeTest(None, shown, {"published": RECIPE, "other": RECIPE})
    found = harms(test, [said("published", second), said("other", other)])
    assert {one.title: one.acc1 for one in found} == {"published": 1.0, "other": 0.5}


@pytest.fixture
def recipe_test(light, tree):
    """A model that predicts from brightness, with all variations of its recipe."""
    (spec,) = (one for one in all_specs() if one.full_name == "brightness/steady")
    shown = open_pictures(str(tree)).pictures
    return RecipeTest(Model(spec, None, 2), shown, variations(spec.recipes["published"]))


def answers_of(test):
    return {one.title: one.probabilities for one in recipe_ablation.answer(test)}


def plainly(test):
    """The same from the model and crops that are made one by one."""
    loaded = test.model.load()
    return {
        title: loaded.predictor(recipe.scaling)(
            np.stack([crop_of(picture, recipe) for picture in test.pictures])
        )
        for title, recipe in test.recipes.items()
    }


def test_all_recipes_of_an_audit_share_each_decoded_picture(recipe_test, decodes):
    recipes = recipe_test.recipes.values()
    with crops_kept(recipe_test.pictures, recipes, 2) as kept:
        assert decodes == {"pillow": 6, "opencv": 6}
        found = answers_of(replace(recipe_test, crops=kept))
        assert decodes == {"pillow": 6, "opencv": 6}
    plain = plainly(recipe_test)
    assert sum(decodes.values()) > 12 + 6 * 10
    assert list(found) == list(plain)
    assert all((found[title] == plain[title]).all() for title in plain)
    assert not any(file.path.exists() for file in kept.values())


def test_batches_with_the_same_input_as_the_reference_are_not_predicted_again(recipe_test):
    """Grey pictures are the same after every filter, but not with another scaling or a border."""
    with crops_kept(recipe_test.pictures, recipe_test.recipes.values(), 2) as kept:
        test = replace(recipe_test, crops=kept)
        changed = {title: test.changed(title, 4) for title in test.recipes}
    everything, batches = [range(6)], [range(4), range(4, 6)]
    assert changed["decoder shrinks (draft)"] == []
    assert changed["published"] == changed["channels swapped (BGR)"] == everything
    assert changed["scaling torch"] == everything
    assert changed["black border (shorter side too small)"] == batches


def test_only_batches_with_a_picture_that_a_recipe_changes_are_predicted_again(recipe_test, tree):
    """The decoder shrinks one picture, a large one; its predictions are those without files."""
    place = next(tree.rglob("d.png"))
    Image.fromarray(np.arange(300 * 400 * 3).reshape(300, 400, 3).astype(np.uint8)).save(
        place.with_suffix(".jpg")
    )
    place.unlink()
    shown = open_pictures(str(tree)).pictures
    (row,) = (row for row, picture in enumerate(shown) if picture.key == "d.jpg")
    test = replace(recipe_test, pictures=shown)
    with crops_kept(shown, test.recipes.values(), 2) as kept:
        shared = replace(test, crops=kept)
        assert shared.changed("decoder shrinks (draft)", 1) == [range(row, row + 1)]
        found = answers_of(shared)
    plain = plainly(test)
    assert all((found[title] == plain[title]).all() for title in plain)


def test_models_whose_recipes_differ_in_scaling_share_the_crops(recipe_test):
    scaled = replace(RECIPE, scaling=SCALINGS["torch"])
    tests = [
        replace(recipe_test, recipes=variations(one))
        for one in (RECIPE, replace(RECIPE, crop=200), scaled)
    ]
    assert [len(one) for one in recipe_ablation._alike(tests)] == [2, 1]
    with crops_kept(recipe_test.pictures, tests[0].recipes.values(), 2) as kept:
        assert {unscaled(one) for one in tests[2].recipes.values()} == kept.keys()


def test_a_picture_that_a_recipe_of_an_audit_cannot_crop_is_named(recipe_test, tree):
    next(tree.rglob("a.png")).write_bytes(b"no picture")
    with crops_kept(recipe_test.pictures, recipe_test.recipes.values(), 2) as kept:
        assert kept == {}
        with pytest.raises(PictureError, match=r"a.png in .* is in no format that Pillow knows"):
            answers_of(replace(recipe_test, crops=kept))


def test_an_audit_works_without_a_folder_for_crops(recipe_test, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with crops_kept(recipe_test.pictures, recipe_test.recipes.values(), 2) as kept:
        assert kept == {}


def test_an_audit_of_recipes_gives_the_same_with_and_without_kept_crops(recipe_test, monkeypatch):
    setup = Setup((recipe_test.model,), recipe_test.pictures)
    found = recipe_ablation.run(setup)
    monkeypatch.setattr(recipe_ablation, "crops_kept", lambda *how: nullcontext({}))
    assert recipe_ablation.run(setup) == found
    assert len(found.written) == 1 + len(recipe_test.recipes)
