"""Import of runs from arrays into the store, and export for other tools."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarking.cli import main
from benchmarking.cli.scripts_2019 import table
from benchmarking.labels.imagenet import validation_key, validation_labels, validation_rows
from benchmarking.pictures.image_set import without_pictures
from benchmarking.predictions.arrays_2019 import IMAGES, ArrayFolders, folders_below
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import TopK, top_k
from benchmarking.reports.formats import format_of
from benchmarking.scoring.aggregate import aggregate

ROOT = Path(__file__).parents[2]


def call(*arguments) -> int:
    return main([str(argument) for argument in arguments])


def shares(table):
    return {
        (row.run.source, row.run.model): [score.right for score in row.scores.values()]
        for row in table.rows
    }


def test_imported_runs_score_as_their_arrays_do(imported_2019, arrays_of_2019):
    arrays = ArrayFolders(tuple(folders_below(arrays_of_2019)))
    expected = shares(aggregate(arrays, IMAGES))
    assert len(expected) == 34
    assert shares(aggregate(imported_2019, IMAGES)) == expected


def test_imported_runs_have_only_the_provenance_that_is_known(imported_2019):
    made = imported_2019.provenance(Run(IMAGES, "2019-pytorch", "inception_v3", "northcutt2019"))
    assert (made.platform, made.executor) == ("PyTorch", "imported")
    assert (made.preprocessing["resize"], made.preprocessing["crop"]) == (256, 299)
    assert made.images == {"name": IMAGES, "n": 50_000, "fingerprint": "unknown"}
    assert made.origin["collection"] == "predictions-2019"
    digest = made.origin["files"]["inception_v3_pytorch_imagenet_top5preds.npy"]
    assert len(digest) == 64
    assert (made.weights, made.batch_size, made.started) == ({"name": "unknown"}, None, "unknown")
    squashed = imported_2019.provenance(Run(IMAGES, "2019-keras", "nasnetlarge", "northcutt2019"))
    assert squashed.preprocessing["resize"] == [331, 331]
    assert squashed.preprocessing["interpolation"] == "nearest"


def test_imported_rows_have_the_names_of_the_pictures(imported_2019):
    rows = imported_2019.rows(IMAGES)
    assert rows.keys[:2] == (validation_key(293), validation_key(2138))
    for row in (0, 777, 49_999):
        number = int(rows.keys[row][-13:-5])
        assert rows.labels[row] == validation_labels()[number - 1]


def test_importing_again_changes_nothing(imported_2019, arrays_of_2019, capsys):
    before = {path: path.stat().st_mtime_ns for path in imported_2019.folder.rglob("*.safetensors")}
    assert call("import", arrays_of_2019, "--store", imported_2019.folder) == 0
    assert "0 runs stored" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in imported_2019.folder.rglob("*.safetensors")} == before


def few(folder, *, n=4, seed=0, model="vgg16", images="few", labels=True):
    random = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    stem = f"{folder}/{model}_pytorch_{images}"
    np.save(f"{stem}_top5preds.npy", np.stack([random.permutation(8)[:5] for _ in range(n)]))
    np.save(f"{stem}_top5probs.npy", random.dirichlet(np.ones(6), n)[:, :5].astype(np.float32))
    if labels:
        np.save(f"{stem}_labels.npy", random.integers(0, 8, n))
    return folder


def test_other_files_do_not_replace_what_was_imported(tmp_path, capsys):
    store = tmp_path / "store"
    assert call("import", few(tmp_path / "a"), "--store", store) == 0
    run = Run("few", "2019-pytorch", "vgg16", "northcutt2019")
    before = Store(store).path(run).read_bytes()
    assert call("import", few(tmp_path / "b", seed=1), "--store", store) == 1
    assert "was imported from other files; move it away first" in capsys.readouterr().err
    assert Store(store).path(run).read_bytes() == before


def test_unpublished_arrays_are_not_recorded_as_published(tmp_path):
    call("import", few(tmp_path / "a"), "--store", tmp_path / "store")
    run = Run("few", "2019-pytorch", "vgg16", "northcutt2019")
    assert Store(tmp_path / "store").provenance(run).origin["collection"] == "unknown"


def test_a_broken_pair_is_named_and_the_others_are_imported(tmp_path, capsys):
    folder = few(tmp_path / "a")
    few(folder, model="alexnet")
    (folder / "vgg16_pytorch_few_top5probs.npy").write_bytes(b"?")
    assert call("import", folder, "--store", tmp_path / "store") == 1
    assert "left out:" in capsys.readouterr().err
    runs = Store(tmp_path / "store").runs("few")
    assert [run.model for run in runs] == ["alexnet"]


def test_half_a_pair_is_named_and_the_others_are_imported(tmp_path, capsys):
    folder = few(tmp_path / "a")
    few(folder, model="alexnet")
    (folder / "vgg16_pytorch_few_top5probs.npy").unlink()
    assert call("import", folder, "--store", tmp_path / "store") == 1
    assert "left out: " in capsys.readouterr().err
    assert [run.model for run in Store(tmp_path / "store").runs("few")] == ["alexnet"]


def test_a_set_with_invalid_labels_is_left_out_and_the_others_are_imported(tmp_path, capsys):
    folder = few(tmp_path / "a")
    few(folder, images="many")
    np.save(folder / "vgg16_pytorch_few_labels.npy", np.array([0, 1, -1, 2]))
    assert call("import", folder, "--store", tmp_path / "store") == 1
    assert "labels of few must be one class from 0 to 65535 for each row" in capsys.readouterr().err
    assert Store(tmp_path / "store").image_sets() == ["many"]


def test_given_labels_are_not_used_for_imagenet(arrays_of_2019, tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    for kind in ("preds", "probs"):
        name = f"vgg16_keras_imagenet_top5{kind}.npy"
        (folder / name).symlink_to(arrays_of_2019 / "keras_imagenet" / name)
    np.save(tmp_path / "zeros.npy", np.zeros(50_000, int))
    arguments = ("-l", tmp_path / "zeros.npy", "--store", tmp_path / "store")
    assert call("import", folder, *arguments) == 0
    assert Store(tmp_path / "store").labels(IMAGES).max() == 999


def test_the_preprocessing_of_other_sets_is_unknown(tmp_path):
    call("import", few(tmp_path / "a"), "--store", tmp_path / "store")
    run = Run("few", "2019-pytorch", "vgg16", "northcutt2019")
    assert Store(tmp_path / "store").provenance(run).preprocessing == {}


def test_labels_of_another_set_can_be_given(tmp_path, capsys):
    folder = few(tmp_path / "a", labels=False)
    assert call("import", folder, "--store", tmp_path / "store") == 1
    assert (
        "labels of few are not known; give those of all its rows with -l FILE"
        in capsys.readouterr().err
    )
    np.save(tmp_path / "labels.npy", np.array([1, 2, 3, 4]))
    arguments = ("--store", tmp_path / "store", "-l", tmp_path / "labels.npy")
    assert call("import", folder, *arguments) == 0
    assert Store(tmp_path / "store").rows("few").labels.tolist() == [1, 2, 3, 4]


def test_labels_that_are_given_in_the_order_of_file_numbers_are_told(tmp_path, capsys):
    """Predictions for a set of 50,000 in the order of rows, and labels in that of the files."""
    folder = tmp_path / "a"
    folder.mkdir()
    right = validation_labels()[validation_rows()].astype(np.int64)
    guesses = (right[:, None] + np.arange(5)) % 1000
    np.save(folder / "vgg16_pytorch_val_top5preds.npy", guesses)
    probabilities = np.tile(np.float32([0.5, 0.2, 0.1, 0.05, 0.02]), (50_000, 1))
    np.save(folder / "vgg16_pytorch_val_top5probs.npy", probabilities)
    np.save(tmp_path / "labels.npy", validation_labels())
    arguments = ("--store", tmp_path / "store", "-l", tmp_path / "labels.npy")
    assert call("import", folder, *arguments) == 0
    assert (Store(tmp_path / "store").labels("val") == right).all()
    assert "labels.npy is in the order of file numbers" in capsys.readouterr().err


def test_given_labels_that_predictions_match_by_chance_alone_are_told(tmp_path, capsys):
    folder = few(tmp_path / "a", labels=False)
    np.save(tmp_path / "labels.npy", np.array([901, 902, 903, 904]))
    arguments = ("--store", tmp_path / "store", "-l", tmp_path / "labels.npy")
    assert call("import", folder, *arguments) == 0
    err = capsys.readouterr().err
    assert "labels agree with the first guesses of 2019-pytorch/vgg16 (northcutt2019)" in err
    assert "in 0.0 % of 4 pictures, about as by chance" in err


@pytest.fixture
def stored(tmp_path, three_pictures, a_provenance):
    """A store with two runs; one of them keeps all probabilities."""
    store = Store(tmp_path / "store")
    for seed, (source, platform) in enumerate({"torchvision": "PyTorch", "keras": "Keras"}.items()):
        everything = np.random.default_rng(seed).dirichlet(np.ones(9), 3).astype(np.float32)
        made = replace(a_provenance(three_pictures), platform=platform)
        run = Run("three", source, "vgg16", "published")
        keep = {"probabilities": everything} if seed else {}
        store.write(run, three_pictures, top_k(everything), made, **keep)
    return store


@pytest.mark.parametrize("images", ["three", "demo", "imagenet-sample-500"])
def test_exported_arrays_are_scored_alike_by_the_command_of_2019(
    stored, images, tmp_path, monkeypatch
):
    store = stored if images == "three" else Store(ROOT / "precomputed")
    folder = tmp_path / "arrays"
    assert call("export", folder, "--to", "npy", "--store", store.folder, "--images", images) == 0
    monkeypatch.chdir(tmp_path)
    assert table.main(["-p", str(folder), "-k", str(folder), "-o", "t.csv"]) == 0
    expected = aggregate(store, images)
    (tmp_path / "ours.csv").write_text(format_of(tmp_path / "ours.csv").render([expected]))
    assert (tmp_path / "t.csv").read_text() == (tmp_path / "ours.csv").read_text()


def test_all_probabilities_are_exported_where_they_were_kept(stored, tmp_path):
    folder = tmp_path / "arrays"
    call("export", folder, "--to", "npy", "--store", stored.folder)
    run = Run("three", "keras", "vgg16", "published")
    kept = np.load(folder / "vgg16_keras_three_probs.npy")
    assert (kept == stored.read_probabilities(run)).all()
    assert not (folder / "vgg16_pytorch_three_probs.npy").exists()


def test_a_table_has_a_line_per_picture(stored, tmp_path):
    assert call("export", tmp_path / "out", "--to", "csv", "--store", stored.folder) == 0
    path = tmp_path / "out" / "three" / "keras" / "vgg16.published.csv"
    lines = list(csv.DictReader(path.read_text().splitlines()))
    said = stored.read(Run("three", "keras", "vgg16", "published"))
    assert [(line["key"], line["label"]) for line in lines] == [("a", "1"), ("b", "1"), ("c", "3")]
    for place in range(5):
        classes = [int(line[f"class{place + 1}"]) for line in lines]
        probabilities = [np.float32(line[f"probability{place + 1}"]) for line in lines]
        assert classes == said.classes[:, place].tolist()
        assert probabilities == said.probabilities[:, place].tolist()


def test_runs_are_chosen_by_name_source_recipe_or_set(stored, tmp_path, capsys):
    out = tmp_path / "out"
    common = ("export", out, "--to", "csv", "--store", stored.folder)
    assert call(*common, "--models", "TorchVision/*") == 0
    assert [path.parent.name for path in out.rglob("*.csv")] == ["torchvision"]
    for none in (("--models", "resnet*"), ("--recipe", "other"), ("--images", "four")):
        assert call(*common, *none) == 2
        assert f"has no run of {none[1]}; 'imagenet-benchmark table" in capsys.readouterr().err


def test_two_runs_for_one_file_are_refused(stored, tmp_path, three_pictures, capsys):
    first = Run("three", "keras", "vgg16", "published")
    second = replace(first, recipe="northcutt2019")
    stored.write(second, three_pictures, stored.read(first), stored.provenance(first))
    common = ("export", tmp_path / "out", "--to", "npy", "--store", stored.folder)
    assert call(*common) == 2
    assert "would both be vgg16_keras_three_top5preds.npy" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert call(*common, "--recipe", "northcutt2019") == 0


@pytest.mark.parametrize("kind", ["npy", "csv"])
def test_a_damaged_run_is_left_out_of_an_export_by_name(stored, tmp_path, capsys, kind):
    path = stored.path(Run("three", "keras", "vgg16", "published"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    common = ("export", tmp_path / "out", "--to", kind, "--store", stored.folder)
    assert call(*common) == 1
    told = capsys.readouterr()
    assert told.out == f"1 runs in {tmp_path / 'out'}\n"
    assert told.err.startswith(f"left out: {path} is damaged: ")
    assert not list(tmp_path.glob("out/**/*keras*"))
    assert call(*common, "--models", "keras/*") == 2
    assert f"{path} is damaged: " in capsys.readouterr().err


def test_a_run_that_arrays_do_not_support_is_left_out_by_name(
    stored, tmp_path, three_pictures, capsys
):
    first = Run("three", "keras", "vgg16", "published")
    made = replace(stored.provenance(first), platform="ONNX Runtime")
    other = replace(first, source="model-file", model="net")
    stored.write(other, three_pictures, stored.read(first), made)
    common = ("export", tmp_path / "out", "--to", "npy", "--store", stored.folder)
    assert call(*common) == 1
    told = capsys.readouterr()
    assert told.out == f"2 runs in {tmp_path / 'out'}\n"
    why = f"{other}: arrays can be of Keras and PyTorch only, not ONNX Runtime."
    assert told.err == f"left out: {why}\n"
    assert call(*common, "--models", "net") == 2
    assert capsys.readouterr().err == f"imagenet-benchmark: {why}\n"


def contents(store) -> dict[Path, bytes]:
    found = store.folder.rglob("*.safetensors")
    return {path.relative_to(store.folder): path.read_bytes() for path in found}


def test_exported_arrays_are_imported_as_the_runs_that_they_were(stored, tmp_path, capsys):
    folder, other = tmp_path / "arrays", Store(tmp_path / "other")
    call("export", folder, "--to", "npy", "--store", stored.folder)
    assert call("import", folder, "--store", other.folder) == 0
    assert contents(other) == contents(stored)
    assert other.rows("three").keys == stored.rows("three").keys
    assert call("import", folder, "--store", other.folder) == 0
    assert "0 runs stored" in capsys.readouterr().out


def test_an_exported_validation_set_keeps_its_name(tmp_path, a_provenance):
    keys = [validation_key(row + 1) for row in validation_rows().tolist()]
    images = without_pictures("imagenet-val", keys, validation_labels()[validation_rows()])
    store, other = Store(tmp_path / "store"), Store(tmp_path / "other")
    top = TopK(np.tile(np.arange(5), (50_000, 1)), np.full((50_000, 5), 0.2, np.float32))
    run = Run("imagenet-val", "torchvision", "vgg16", "published")
    store.write(run, images, top, replace(a_provenance(images), platform="PyTorch"))
    call("export", tmp_path / "arrays", "--to", "npy", "--store", store.folder)
    assert call("import", tmp_path / "arrays", "--store", other.folder) == 0
    assert contents(other) == contents(store)


def test_exported_tables_are_imported_as_the_runs_that_they_were(stored, tmp_path, capsys):
    folder, other = tmp_path / "tables", Store(tmp_path / "other")
    call("export", folder, "--to", "csv", "--store", stored.folder)
    assert call("import", folder, "--store", other.folder) == 0
    assert "2 runs stored" in capsys.readouterr().out
    for run in stored.runs("three"):
        found, expected = other.read(run), stored.read(run)
        assert (found.classes == expected.classes).all()
        assert (found.probabilities == expected.probabilities).all()
        assert other.provenance(run) == stored.provenance(run)
    assert call("import", folder, "--store", stored.folder) == 0
    assert "0 runs stored" in capsys.readouterr().out


def test_one_exported_table_is_imported_by_its_path(stored, tmp_path, capsys):
    call("export", tmp_path / "out", "--to", "csv", "--store", stored.folder)
    first, *_ = sorted((tmp_path / "out").rglob("*.csv"))
    new = Store(tmp_path / "new")
    assert call("import", first, "--store", new.folder) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 runs stored")
    (images,) = new.image_sets()
    (run,) = new.runs(images)
    assert (new.read(run).classes == stored.read(run).classes).all()
    first.with_suffix(".provenance.json").unlink()
    assert call("import", first, "--store", new.folder) == 2
    assert "add --model NAME and --images SET; of what 'export'" in capsys.readouterr().err


def test_exported_files_that_were_changed_are_not_the_run_any_more(stored, tmp_path, capsys):
    arrays, tables = tmp_path / "arrays", tmp_path / "tables"
    call("export", arrays, "--to", "npy", "--store", stored.folder)
    call("export", tables, "--to", "csv", "--store", stored.folder)
    np.save(arrays / "vgg16_keras_three_labels.npy", np.array([1, 1, 4]))
    path = tables / "three" / "keras" / "vgg16.published.csv"
    path.write_text(path.read_text().replace("a,1,", "a,2,"))
    for folder in (arrays, tables):
        other = Store(tmp_path / f"from-{folder.name}")
        assert call("import", folder, "--store", other.folder) == 1
        assert "was changed after the export, so it is not keras/vgg16" in capsys.readouterr().err
        assert [run.source for run in other.runs("three")] == ["torchvision"]


def test_exported_arrays_do_not_replace_another_run(stored, tmp_path, three_pictures, capsys):
    folder = tmp_path / "arrays"
    call("export", folder, "--to", "npy", "--store", stored.folder)
    run = Run("three", "keras", "vgg16", "published")
    other = TopK(stored.classes(run)[::-1], stored.read(run).probabilities[::-1])
    stored.write(run, three_pictures, other, stored.provenance(run))
    assert call("import", folder, "--store", stored.folder) == 1
    assert "has other predictions, or was made otherwise" in capsys.readouterr().err


def test_arrays_of_an_earlier_version_have_no_names_of_pictures(stored, tmp_path, capsys):
    folder = tmp_path / "arrays"
    call("export", folder, "--to", "npy", "--store", stored.folder)
    for path in folder.glob("*_provenance.json"):
        document = json.loads(path.read_text())
        path.write_text(json.dumps({part: document[part] for part in ("run", "provenance")}))
    assert call("import", folder, "--store", tmp_path / "other") == 1
    assert "without the names of its pictures; export it again" in capsys.readouterr().err


def test_an_array_whose_name_is_not_understood_is_left_out_of_an_import(tmp_path, capsys):
    folder = few(tmp_path / "a")
    few(folder, model="my model")
    np.save(folder / "vgg16_caffe_few_top5preds.npy", np.zeros((4, 5), int))
    assert call("import", folder, "--store", tmp_path / "store") == 1
    out, err = capsys.readouterr()
    assert "1 runs stored" in out
    assert "my model_pytorch_few" in err
    assert "vgg16_caffe_few_top5preds.npy is not named as the arrays of 2019" in err
