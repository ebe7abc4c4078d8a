"""Comparison of two runs, or of every pair of runs, picture by picture."""

import csv
import json
import re
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from conftest import an_image_set

from benchmarking.cli import main
from benchmarking.errors import BenchmarkError
from benchmarking.labels.label_set import every_image
from benchmarking.pictures.image_set import without_pictures
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.stores import Stores
from benchmarking.predictions.top_k import top_k, top_k_among
from benchmarking.scoring.compare import (
    class_changes,
    compare,
    every_pair,
    first_guesses,
    other_classes,
)
from benchmarking.scoring.statistics import holm, mcnemar_test

N = 60
LABELS = {f"{n:02d}.png": n % 6 for n in range(N)}


def call(*arguments) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def images(tmp_path):
    return an_image_set(tmp_path / "pictures", LABELS, name="sixty")


@pytest.fixture
def store(tmp_path, images, a_provenance):
    """Three models with known patterns of right predictions, and one that guesses."""
    store = Store(tmp_path / "store")
    rows = np.arange(N)
    for model, hits in {
        "even": rows % 2 == 0,
        "third": rows % 3 == 0,
        "most": rows % 10 != 0,
        "none": rows < 0,
    }.items():
        guesses = np.where(hits, images.labels, 7)
        probabilities = np.full((N, 10), 0.05, np.float32)
        probabilities[rows, guesses] = 0.5
        run = Run("sixty", "somewhere", model, "published")
        store.write(run, images, top_k(probabilities), a_provenance(images))
    return store


def run(model, recipe="published"):
    return Run("sixty", "somewhere", model, recipe)


def pairs(store, *models):
    right = every_image(store.labels("sixty"))
    return list(every_pair([first_guesses(store, run(model), right) for model in models]))


def test_a_pair_counts_every_picture_once(store):
    (pair,) = pairs(store, "even", "third")
    assert (pair.both, pair.first_only, pair.second_only, pair.neither) == (10, 20, 10, 20)
    assert pair.same == 10 + 20  # both right, or both 7 where neither is right
    assert pair.difference == pytest.approx((30 - 20) / 60)


def test_every_pair_is_adjusted_for_all(store):
    found = pairs(store, "most", "even", "third", "none")
    tests = [mcnemar_test(pair.first_only, pair.second_only) for pair in found]
    assert len(found) == 6
    assert [pair.p_value for pair in found] == pytest.approx(tests, rel=1e-9)
    assert [pair.adjusted for pair in found] == pytest.approx(holm(tests).tolist(), rel=1e-9)


def test_a_run_and_itself_do_not_differ(store):
    (pair,) = pairs(store, "even", "even")
    low, high = pair.interval
    assert (pair.p_value, pair.difference, pair.kappa, pair.same) == (1.0, 0.0, 1.0, N)
    assert low < 0 < high


def test_classes_are_sorted_by_what_the_first_gains(store):
    right = every_image(store.labels("sixty"))
    changes = class_changes(
        *(first_guesses(store, run(m), right) for m in ("even", "third")), right
    )
    assert [(c.label, c.first, c.second, c.n) for c in changes] == [
        (2, 10, 0, 10),
        (4, 10, 0, 10),
        (3, 0, 10, 10),
    ]


def test_two_runs_are_compared_in_words(store, capsys):
    assert call("compare", "even", "third", "--store", store.folder) == 0
    out = capsys.readouterr().out
    assert "A  somewhere/even (published) on sixty" in out
    assert re.search(r"A right +10 +20\nA wrong +10 +20", out)
    assert "difference       +16.67 points, 95 % interval [" in out
    assert "McNemar's test   p = 0.099, not significant at 5 %" in out
    assert "same answer      50.0 % of the pictures" in out
    assert "+10  n01484850 great white shark: A 10, B 0 of 10" in out
    assert "-10  n01491361 tiger shark: A 0, B 10 of 10" in out


def test_every_pair_is_a_line(store, capsys):
    assert call("compare", "--all", "--store", store.folder) == 0
    out = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("somewhere/") for line in out) == 6
    assert out[-1].startswith("6 pairs, ")


def test_a_csv_file_has_a_line_for_every_pair_with_the_values_of_the_json(store, tmp_path):
    for name in ("pairs.csv", "pairs.json"):
        assert call("compare", "--all", "--store", store.folder, "-o", tmp_path / name) == 0
    lines = list(csv.DictReader((tmp_path / "pairs.csv").read_text().splitlines()))
    pairs = json.loads((tmp_path / "pairs.json").read_text())["pairs"]
    assert len(lines) == len(pairs) == 6
    for line, pair in zip(lines, pairs, strict=True):
        assert line["first_model"] == pair["first"]["model"]
        assert [float(line["low"]), float(line["high"])] == pair["interval"]
        for name in ("n", "both_right", "first_only", "p_value", "adjusted_p_value", "kappa"):
            assert float(line[name]) == pair[name]


def test_very_many_pairs_are_written_to_a_file_only(store, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(import_module("benchmarking.cli.commands.compare"), "_MOST_LINES", 2)
    assert call("compare", "--all", "--store", store.folder, "-o", tmp_path / "pairs.csv") == 0
    out = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("somewhere/") for line in out) == 2
    assert "the first 2 are shown, and -o pairs.csv writes all" in out[-1]
    assert len((tmp_path / "pairs.csv").read_text().splitlines()) == 7


def test_subsets_and_other_labels_are_compared_and_named(store, tmp_path, capsys):
    (tmp_path / "l.csv").write_text("02.png,3\n04.png,4\n06.png,0\n")
    assert (
        call("compare", "even", "third", "--labels", tmp_path / "l.csv", "--store", store.folder)
        == 0
    )
    assert "sixty, 3 pictures, labels " in capsys.readouterr().out
    arguments = ("--only", "n01440764", "--store", store.folder)
    assert call("compare", "even", "third", *arguments) == 0
    assert "sixty, 10 pictures, only n01440764" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["even"], "compare takes two runs, not 1; or --all"),
        (["even", "third", "most"], "compare takes two runs, not 3"),
        (["even", "nobody"], "has no run of nobody;"),
        (["even", "*"], "'*' means 4 runs; name one of somewhere/even:published, "),
        (["--all", "even"], "there is one run on sixty; a comparison needs two"),
        (["even", "third", "--only", "n1"], "'n1' is neither a WordNet id"),
        (["even", "third", "--only", "n15075141"], "no labelled picture is left with only n1"),
        (["even", "third", "--labels", "real"], "is missing; run 'imagenet-benchmark fetch"),
    ],
)
def test_what_cannot_be_compared_says_why(store, capsys, arguments, message, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert call("compare", *arguments, "--store", store.folder) == 2
    assert message in capsys.readouterr().err


def test_two_recipes_of_a_model_are_distinguished_by_name(store, images, a_provenance, capsys):
    other = run("even", "squashed")
    store.write(other, images, store.read(run("third")), a_provenance(images))
    arguments = ("compare", "even:published", "somewhere/even:squashed", "--store", store.folder)
    assert call(*arguments) == 0
    assert "B  somewhere/even (squashed) on sixty" in capsys.readouterr().out


@pytest.fixture
def other_copy(store, images, a_provenance):
    """A run on pictures with the same names, but in another order and with other bytes."""
    again = replace(images, name="again", pictures=images.pictures[::-1], fingerprint="e" * 64)
    said = store.read(run("third"))
    turned = replace(said, classes=said.classes[::-1], probabilities=said.probabilities[::-1])
    found = Run("again", "somewhere", "third", "published")
    store.write(found, again, turned, a_provenance(again))
    return found


def test_runs_on_other_pictures_are_compared_only_on_request(store, other_copy, capsys):
    arguments = (
        "compare",
        "sixty/somewhere/even",
        "again/somewhere/third",
        "--store",
        store.folder,
    )
    assert call(*arguments) == 2
    assert "--mix-pictures compares them all the same, by name" in capsys.readouterr().err
    assert call(*arguments, "--mix-pictures") == 0
    out = capsys.readouterr().out
    assert re.search(r"A right +10 +20\nA wrong +10 +20", out), "paired by name, not by row"
    assert "fingerprint " in out.splitlines()[0]
    assert " and eeeeeeeeeeee" in out.splitlines()[0]


def test_all_runs_are_on_one_set(store, other_copy, capsys):
    assert call("compare", "--all", "--store", store.folder) == 2
    assert "there are runs on again, sixty; choose one with --images" in capsys.readouterr().err


def test_unrecorded_fields_are_shown_as_unknown(imported_2019, capsys):
    assert call("show", "2019-keras/vgg16", "--store", imported_2019.folder) == 0
    lines = dict(
        re.split(r"  +", line, maxsplit=1) for line in capsys.readouterr().out.splitlines()
    )
    assert lines["platform"] == "Keras"
    assert lines["images: fingerprint"] == "unknown"
    assert lines["device"] == "unknown"
    assert lines["batch size"] == "unknown"
    assert lines["preprocessing: interpolation"] == "nearest"
    assert len(lines["origin: files: vgg16_keras_imagenet_top5preds.npy"]) == 64


def test_a_shipped_run_shows_its_weights_and_versions(capsys):
    arguments = ("--images", "imagenet-sample-500", "--store", "precomputed")
    assert call("show", "efficientnet-lite-pytorch/efficientnet-lite0", *arguments) == 0
    out = capsys.readouterr().out
    assert re.search(r"weights: sha256 +579344248a93", out)
    assert re.search(r"versions: torch +2\.", out)


def of_several(tmp_path, made, right, name, classes=()):
    """A store with a run on pictures that have these right classes."""
    images = without_pictures("several", [f"{n}.png" for n in range(len(right))], right)
    images = replace(images, fingerprint="f" * 64)
    provenance = made(images)
    more = {"classes": list(classes)} if classes else {}
    provenance = replace(provenance, images={**provenance.images, **more})
    probabilities = np.full((len(right), 10), 0.1, np.float32)
    store = Store(tmp_path / name)
    one = Run("several", "somewhere", name, "published")
    few = top_k_among(probabilities, classes) if classes else None
    store.write(one, images, top_k(probabilities), provenance, restricted=few)
    return store, one


def test_a_warning_says_that_several_right_classes_differ_between_stores(tmp_path, a_provenance):
    right = np.array([[0, 1], [2, 3], [4, -1]])
    other = np.array([[0, 1], [2, 5], [4, -1]])  # as a corrected mapping has them
    one, first = of_several(tmp_path, a_provenance, right, "one")
    two, second = of_several(tmp_path, a_provenance, other, "two")
    same, third = of_several(tmp_path, a_provenance, right[:, ::-1].copy()[:2], "same")
    notes = compare(Stores(one, two), first, second).notes
    assert any("1 of 3 pictures have other classes in another store" in note for note in notes)
    rows = one.rows("several")
    part = every_image(right).only([0, 1])
    assert other_classes(part, rows, same.rows("several")) == (), "the order does not matter"


def test_runs_that_choose_among_different_classes_are_not_compared(tmp_path, a_provenance):
    right = np.array([0, 2])
    one, first = of_several(tmp_path, a_provenance, right, "one", (0, 1, 2, 3, 4))
    two, second = of_several(tmp_path, a_provenance, right, "two", (0, 2, 5, 6, 7, 8))
    with pytest.raises(BenchmarkError, match="among 5 classes, and .* among 6: they are not the"):
        compare(Stores(one, two), first, second)
