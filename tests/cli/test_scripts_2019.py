"""The three commands of 2019, as their users call them."""

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA

from benchmarking import cli
from benchmarking.cli import main as cli_main
from benchmarking.cli.scripts_2019 import predictions, table
from benchmarking.cli.scripts_2019.predictions import KERAS, PYTORCH
from benchmarking.labels.imagenet import validation_key, validation_labels, validation_rows, wnids
from benchmarking.pictures.image_set import FilePart, Picture, difference
from benchmarking.predictions.arrays_2019 import names_2019
from benchmarking.predictions.provenance import imported
from benchmarking.predictions.run_index import own_folder

ROOT = Path(__file__).parents[2]
LABELS = validation_labels()[validation_rows()].astype(np.int64)


@pytest.fixture
def call(tmp_path, monkeypatch):
    """`imagenet_benchmarking.py` in an empty folder, without a cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda *arguments: table.main([str(argument) for argument in arguments])


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def both(arrays_of_2019):
    return "-k", arrays_of_2019 / "keras_imagenet", "-p", arrays_of_2019 / "pytorch_imagenet"


def save(path, *numbers):
    np.save(path, np.array(numbers))
    return path


@pytest.fixture
def one_model(tmp_path):
    """Random predictions of one model for ImageNet; about half of them are right."""
    random = np.random.default_rng(3)
    few = np.stack([random.permutation(1000)[:5] for _ in range(500)])
    preds = few[random.integers(0, 500, 50_000)]
    hit = random.random(50_000) < 0.5
    for row in np.flatnonzero(hit & ~(preds == LABELS[:, None]).any(axis=1)):
        preds[row, random.integers(5)] = LABELS[row]
    probs = random.dirichlet(np.ones(6), 50_000)[:, :5].astype(np.float32)
    folder = tmp_path / "pytorch_imagenet"
    folder.mkdir()
    np.save(folder / "vgg16_pytorch_imagenet_top5preds.npy", preds)
    np.save(folder / "vgg16_pytorch_imagenet_top5probs.npy", probs)
    return preds, probs


def test_the_34_rows_are_printed_and_written(call, arrays_of_2019, capsys, tmp_path):
    assert call(*both(arrays_of_2019), "-o", "t.csv") == 0
    found = {f"{row['Model']}_{row['Platform'].lower()}": row for row in rows(tmp_path / "t.csv")}
    golden = DATA.parent / "reference" / "golden_2019_predictions.csv"
    for expected in csv.DictReader(golden.read_text().splitlines()):
        row = found.pop(expected["stored_file"])
        assert f"{100 * float(row['Acc@1']):.3f}" == expected["acc1"]
        assert f"{100 * float(row['Acc@5']):.3f}" == expected["acc5"]
    assert found == {}
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 36
    assert "nasnetlarge" in out.splitlines()[2]
    assert err == "wrote t.csv\n"


def test_ranks_are_those_of_the_scores(call, arrays_of_2019, tmp_path):
    """The table of 2019 has ranks 27, 28 and 26 for these three models, in another order."""
    call(*both(arrays_of_2019))
    ranks = {(row["Platform"], row["Model"]): row["Rank@5"] for row in rows_of_default(tmp_path)}
    assert ranks["Keras", "mobilenet"] == "28"
    assert ranks["PyTorch", "vgg13"] == "26"
    assert ranks["PyTorch", "resnet18"] == "27"


def rows_of_default(folder):
    return rows(folder / "benchmarking_results.csv")


def test_arrays_are_found_in_the_two_folders_of_2019(call, one_model, tmp_path, capsys):
    assert call() == 0
    (row,) = rows_of_default(tmp_path)
    preds, _ = one_model
    assert float(row["Acc@5"]) == (preds == LABELS[:, None]).any(axis=1).mean()
    assert "33 (keras/densenet121, keras/densenet169" in capsys.readouterr().err


def test_without_arrays_the_error_says_how_to_get_them(call, capsys):
    assert call() == 2
    assert "Run 'imagenet-benchmark fetch predictions-2019' once" in capsys.readouterr().err


def test_after_fetching_no_argument_is_needed(call, arrays_of_2019, tmp_path, capsys):
    assert cli_main(["fetch", "predictions-2019", "--from", str(arrays_of_2019)]) == 0
    (tmp_path / "keras_imagenet").mkdir()  # an empty folder is ignored
    capsys.readouterr()
    assert call() == 0
    assert len(rows_of_default(tmp_path)) == 34
    assert capsys.readouterr().err == "wrote benchmarking_results.csv\n"
    assert cli_main(["import", "--store", str(tmp_path / "store")]) == 0
    assert "34 runs stored" in capsys.readouterr().out


def test_each_option_reads_its_own_platform(call, one_model, tmp_path):
    for path in (tmp_path / "pytorch_imagenet").glob("*.npy"):
        shutil.copy(path, path.with_name(path.name.replace("_pytorch_", "_keras_")))
    assert call("-p", tmp_path / "pytorch_imagenet") == 0
    assert [row["Platform"] for row in rows_of_default(tmp_path)] == ["PyTorch"]
    folder = tmp_path / "pytorch_imagenet"
    assert call("-p", folder, "-k", folder) == 0
    assert sorted(row["Platform"] for row in rows_of_default(tmp_path)) == ["Keras", "PyTorch"]


def test_a_file_without_a_suffix_is_csv_as_in_2019(call, one_model, tmp_path):
    assert call("-o", "results") == 0
    assert (tmp_path / "results").read_text().startswith("Platform,Model,Acc@1,Acc@5,Rank@1,Rank@5")


def test_own_predictions_are_not_named_like_those_of_2019(call, one_model, tmp_path, capsys):
    document = {
        "run": {"images": "v", "source": "torchvision", "model": "vgg16", "recipe": "published"},
        "provenance": asdict(imported("PyTorch", "v", {})),
    }
    path = tmp_path / "pytorch_imagenet" / "vgg16_pytorch_imagenet_provenance.json"
    path.write_text(json.dumps(document))
    assert call() == 0
    (row,) = rows_of_default(tmp_path)
    assert (row["Images"], row["Source"], row["Recipe"]) == (
        *("imagenet-val", "torchvision"),
        "published",
    )
    out, err = capsys.readouterr()
    assert out.startswith("imagenet-val, 50000 pictures")
    assert "missing: 33 (" in err, "vgg16 of PyTorch is there"
    assert "other" not in err


def test_a_model_that_is_none_of_the_34_is_a_row_and_a_note(call, one_model, tmp_path, capsys):
    for kind in ("preds", "probs"):
        name = f"pytorch_imagenet/{{}}_pytorch_imagenet_top5{kind}.npy"
        shutil.copy(tmp_path / name.format("vgg16"), tmp_path / name.format("mine"))
    assert call() == 0
    assert [row["Model"] for row in rows_of_default(tmp_path)] == ["mine", "vgg16"]
    assert "note: other: 1 (PyTorch/mine)" in capsys.readouterr().err


def test_a_broken_model_is_named_and_the_others_are_shown(call, arrays_of_2019, tmp_path, capsys):
    shutil.copytree(arrays_of_2019 / "keras_imagenet", tmp_path / "keras_imagenet")
    broken = tmp_path / "keras_imagenet" / "vgg19_keras_imagenet_top5probs.npy"
    broken.chmod(0o644)
    broken.write_bytes(broken.read_bytes()[:-4])
    assert call() == 1
    assert len(rows_of_default(tmp_path)) == 12
    assert "left out: keras_imagenet/vgg19_keras_imagenet_top5probs.npy" in capsys.readouterr().err


def slowly(preds, probs, truth, omit, keep, labels):
    """(Acc@1, cAcc@1, Acc@5, cAcc@5) as defined in 2019, counted row by row."""
    every = list(range(len(truth)))
    left = every
    if omit is not None:
        left = [row for row in every if row not in omit]
    if keep is not None:
        left = keep

    def shares(which, right):
        at1 = at5 = 0
        for row, true in zip(which, right, strict=True):
            best = max(range(5), key=lambda column: probs[row][column])
            at1 += preds[row][best] == true
            at5 += true in preds[row]
        return at1 / len(which), at5 / len(which)

    masked = omit is not None or keep is not None
    plain = left if masked and labels is not None else every
    acc = shares(plain, [truth[row] for row in plain])
    cacc = shares(left, [truth[row] for row in left] if labels is None else labels)
    return acc[0], cacc[0], acc[1], cacc[1]


def random_case(random, n, classes):
    """Rows to omit or to keep, in any order, and labels for the remaining rows; all optional."""
    omit = keep = labels = None
    left = n
    kind = random.integers(3)
    if kind:
        chosen = random.permutation(n)[: random.integers(1, n)].tolist()
        omit, keep = (chosen, None) if kind == 1 else (None, chosen)
        left = n - len(chosen) if kind == 1 else len(chosen)
    if random.integers(2):
        labels = random.integers(0, classes, left).tolist()
    return omit, keep, labels


def scored(call, folder, omit, keep, labels):
    """The scores in the file that the command writes."""
    options = []
    for letter, numbers in (("-i", omit), ("-j", keep), ("-l", labels)):
        if numbers is not None:
            options += [letter, save(folder / f"{letter}.npy", *numbers)]
    assert call(*options) == 0
    (row,) = rows_of_default(folder)
    return row


def test_masks_and_labels_give_the_scores_of_counting_row_by_row(call, tmp_path, capsys):
    """Random cases on a small set with its own labels."""
    random = np.random.default_rng(0)
    (tmp_path / "pytorch_imagenet").mkdir()
    stem = f"{tmp_path}/pytorch_imagenet/vgg16_pytorch_few"
    seen = set()
    for _ in range(300):
        n = int(random.integers(2, 12))
        preds = np.stack([random.permutation(8)[:5] for _ in range(n)])
        probs = random.dirichlet(np.ones(6), n)[:, :5].astype(np.float32)
        truth = random.integers(0, 8, n)
        for kind, array in {"top5preds": preds, "top5probs": probs, "labels": truth}.items():
            np.save(f"{stem}_{kind}.npy", array)
        omit, keep, labels = random_case(random, n, classes=8)
        row = scored(call, tmp_path, omit, keep, labels)
        expected = slowly(preds, probs, truth, omit, keep, labels)
        names = ["Acc@1", "cAcc@1", "Acc@5", "cAcc@5"]
        if omit is None and keep is None and labels is None:
            names, expected = ["Acc@1", "Acc@5"], (expected[0], expected[2])
        assert [float(row[name]) for name in names] == list(expected)
        assert int(row["n"]) == (n if labels is None or omit == keep else len(labels))
        if "cn" in row:
            assert int(row["cn"]) == len(labels or keep or range(n - len(omit or ())))
        seen.add((omit is None, keep is None, labels is None))
    assert len(seen) == 6
    capsys.readouterr()


@pytest.mark.parametrize("seed", range(8))
def test_masks_and_labels_on_imagenet_give_the_scores_of_counting(call, one_model, tmp_path, seed):
    omit, keep, labels = random_case(np.random.default_rng(seed), 50_000, classes=1000)
    row = scored(call, tmp_path, omit, keep, labels)
    expected = slowly(
        *(part.tolist() for part in (*one_model, LABELS)), set(omit or ()) or None, keep, labels
    )
    names = ["Acc@1", "cAcc@1", "Acc@5", "cAcc@5"]
    if omit is None and keep is None and labels is None:
        assert (row["Acc@1"], row["Acc@5"]) == (str(expected[0]), str(expected[2]))
    else:
        assert [float(row[name]) for name in names] == list(expected)


def test_indices_to_keep_pair_with_labels_in_their_own_order(call, one_model, tmp_path):
    """In 2019 the order was lost, and labels were compared with the wrong predictions."""
    preds, probs = one_model
    kept = [49_999, 7, 30_000]
    said = [int(preds[row][probs[row].argmax()]) for row in kept]
    assert scored(call, tmp_path, None, kept, said)["cAcc@1"] == "1.0"
    assert scored(call, tmp_path, None, kept[::-1], said)["cAcc@1"] != "1.0"


def test_labels_alone_are_used(call, one_model, tmp_path):
    """In 2019 they were used as rows to leave out."""
    preds, probs = one_model
    said = preds[np.arange(50_000), probs.argmax(axis=1)]
    row = scored(call, tmp_path, None, None, said.tolist())
    assert row["cAcc@1"] == "1.0"
    assert float(row["Acc@1"]) < 0.5


def test_labels_in_the_order_of_file_numbers_are_told(call, one_model, tmp_path, capsys):
    """As the official files of labels have them; they are scored as those in the rows' order."""
    truth = validation_labels().astype(np.int64)
    for given in (truth, np.eye(1000, dtype=np.uint8)[truth], truth.astype(float), truth + 1):
        np.save(tmp_path / "l.npy", given)
        assert call("-l", tmp_path / "l.npy") == 0
        (row,) = rows_of_default(tmp_path)
        assert (row["cAcc@1"], row["cAcc@5"]) == (row["Acc@1"], row["Acc@5"])
        assert "note: l.npy is in the order of file numbers" in capsys.readouterr().err.replace(
            f"{tmp_path}/", ""
        )


def test_labels_that_were_cut_to_8_bits_are_refused_by_name(call, one_model, tmp_path, capsys):
    np.save(tmp_path / "l.npy", LABELS.astype(np.uint8))
    assert call("-l", tmp_path / "l.npy") == 2
    assert f"{tmp_path}/l.npy: its classes were cut to 8 bits: " in capsys.readouterr().err


def test_predictions_in_place_of_labels_are_told(call, one_model, tmp_path, capsys):
    np.save(tmp_path / "l.npy", one_model[0])
    assert call("-l", tmp_path / "l.npy") == 0
    assert rows_of_default(tmp_path)[0]["cAcc@1"] == "1.0"
    err = capsys.readouterr().err
    assert "l.npy: 50,000 of 50,000 pictures have several right classes, up to 5" in err


def test_labels_in_an_order_that_is_unknown_are_refused(call, one_model, tmp_path, capsys):
    mixed = np.random.default_rng(0).permutation(LABELS)
    assert call("-l", save(tmp_path / "l.npy", *mixed)) == 2
    assert "; neither can be right. Write a .csv" in capsys.readouterr().err


def test_labels_of_wrong_pictures_alone_are_used_with_a_warning(call, one_model, tmp_path, capsys):
    """Corrected labels agree with none of ImageNet's, so nothing tells their order."""
    kept = [7, 30_000, 49_999]
    corrected = (LABELS[kept] + 5) % 1000
    row = scored(call, tmp_path, None, kept, corrected.tolist())
    preds, probs = one_model
    said = [preds[at][probs[at].argmax()] for at in kept]
    assert float(row["cAcc@1"]) == np.mean(np.array(said) == corrected)
    assert "labels agree with the set's own in 0.0 % of 3 pictures" in capsys.readouterr().err


def test_labels_of_some_rows_in_the_order_of_file_numbers_are_told(call, one_model, tmp_path):
    kept = np.arange(0, 50_000, 7)
    order = np.argsort(validation_rows()[kept])
    row = scored(call, tmp_path, None, kept.tolist(), LABELS[kept][order].tolist())
    assert row["cAcc@1"] == row["Acc@1"]


def test_other_labels_do_not_change_the_order_of_the_columns(call, one_model, tmp_path):
    call()
    plain = list(rows_of_default(tmp_path)[0])
    call("-l", save(tmp_path / "l.npy", *LABELS))
    labelled = list(rows_of_default(tmp_path)[0])
    assert labelled[:10] == [
        *("Platform", "Model", "Acc@1", "cAcc@1", "Acc@5", "cAcc@5"),
        *("Rank@1", "cRank@1", "Rank@5", "cRank@5"),
    ]
    assert [name for name in labelled if name in plain] == plain


REFUSED = {
    "both masks": ({"-i": [1], "-j": [2]}, "-i and -j were both given; choose one of them"),
    "a row twice": ({"-i": [5, 3, 5]}, "-i.npy: row 5 is given more than once"),
    "kept twice": ({"-j": [5, 3, 5]}, "-j.npy: row 5 is given more than once"),
    "too high": ({"-j": [1, 50_000]}, "row 50000 is not one of the 50000 rows, 0 to 49999"),
    "omitted too high": ({"-i": [50_000]}, "row 50000 is not one of the 50000 rows, 0 to 49999"),
    "below 0": ({"-i": [-1]}, "row -1 is"),
    "kept below 0": ({"-j": [-1]}, "row -1 is"),
    "too few labels": ({"-j": [1, 2, 3], "-l": [4, 5]}, "-l.npy: 2 labels for 3 rows"),
    "too many labels": ({"-i": [0], "-l": [0] * 50_000}, "50000 labels for 49999 rows"),
    "no such file": ({"-i": None}, "-i.npy is no file; expected an .npy file with a row of"),
    "no such class": ({"-j": [1], "-l": [1000]}, "-l.npy: 1000 is not a class; expected 0 to 999"),
    "a class below 0": ({"-j": [1], "-l": [-1]}, "-l.npy: a row has no right class"),
    "nothing left": ({"-i": list(range(50_000))}, "needs at least one row"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_invalid_masks_are_refused(call, one_model, tmp_path, capsys, options, message):
    files = {flag: tmp_path / f"{flag}.npy" for flag in options}
    for flag, path in files.items():
        if options[flag] is not None:
            save(path, *options[flag])
    assert call(*(part for option in files.items() for part in option)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "benchmarking_results.csv").exists()


def test_with_labels_their_accuracy_sorts_the_table(call, arrays_of_2019, tmp_path):
    rows_kept = np.arange(0, 50_000, 50)
    kept = save(tmp_path / "kept.npy", *rows_kept)
    said = np.load(arrays_of_2019 / "pytorch_imagenet" / "alexnet_pytorch_imagenet_top5preds.npy")
    sure = np.load(arrays_of_2019 / "pytorch_imagenet" / "alexnet_pytorch_imagenet_top5probs.npy")
    labels = save(tmp_path / "labels.npy", *said[rows_kept, sure[rows_kept].argmax(axis=1)])
    arguments = both(arrays_of_2019)
    call(*arguments, "-j", kept)
    assert rows_of_default(tmp_path)[0]["Rank@1"] == "1"
    call(*arguments, "-j", kept, "-l", labels)
    first = rows_of_default(tmp_path)[0]
    assert (first["Model"], first["cAcc@1"], first["cRank@1"]) == ("alexnet", "1.0", "1")
    assert first["Rank@1"] != "1"
    assert first["Tier"] == "1", "tiers are of what sorts the table"


def test_only_scores_of_all_rows_are_compared_with_published_ones(call, one_model, tmp_path):
    row = scored(call, tmp_path, None, None, None)
    assert float(row["Difference@1"]) == pytest.approx(float(row["Acc@1"]) - 0.71592)
    masked = scored(call, tmp_path, None, [1, 2], None)
    assert masked["Difference@1"] == row["Difference@1"]
    assert "Difference@1" not in scored(call, tmp_path, None, [1, 2], [3, 4])


@pytest.mark.parametrize("suffix", [".csv", ".md", ".tex", ".json", ".txt"])
def test_the_format_is_that_of_the_suffix(call, one_model, tmp_path, suffix):
    assert call("-o", f"t{suffix}") == 0
    assert "vgg16" in (tmp_path / f"t{suffix}").read_text()


def test_an_unknown_suffix_is_refused(call, one_model, capsys):
    assert call("-o", "t.xls") == 2
    assert "t.xls has no known suffix" in capsys.readouterr().err


@pytest.fixture(scope="module")
def val(tmp_path_factory):
    """Empty files with the names of the 50,000 validation pictures."""
    folder = tmp_path_factory.mktemp("pictures") / "val"
    for label, wnid in enumerate(wnids()):
        (folder / wnid).mkdir(parents=True)
        for row in validation_rows()[50 * label : 50 * label + 50].tolist():
            (folder / wnid / validation_key(row + 1)).touch()
    return folder


def test_pictures_are_checked_against_the_rows(call, one_model, val, capsys):
    assert call(val) == 0
    renamed = val / wnids()[0] / "ILSVRC2012_val_00000293.JPEG"
    renamed.rename(renamed.with_suffix(".jpg"))
    assert call(val) == 0, "the number tells a picture, not its suffix"
    renamed.with_suffix(".jpg").unlink()
    capsys.readouterr()
    status = call(val)
    renamed.touch()
    assert status == 2
    assert (
        f"{val} is not what the rows stand for: 49999 pictures for 50000 rows, 1 missing, such as "
        "ILSVRC2012_val_00000293.JPEG"
    ) in capsys.readouterr().err


def test_other_pictures_and_places_are_refused(call, one_model, tree, capsys):
    assert call(tree) == 2
    assert "6 pictures for 50000 rows, 50000 missing" in capsys.readouterr().err
    assert call("/nowhere") == 2
    assert "'/nowhere' does not exist; " in capsys.readouterr().err


def test_a_repeated_picture_is_one_too_many(call, one_model, val, capsys):
    again = val / wnids()[0] / "ILSVRC2012_val_00000293.jpg"
    again.touch()
    status = call(val)
    again.unlink()
    assert status == 2
    assert "50001 pictures for 50000 rows, some more than once" in capsys.readouterr().err


def test_lists_of_pictures_differ_in_names_classes_or_order():
    one, two, three = (
        Picture(f"{name}.png", label, FilePart(""))
        for name, label in zip("abc", (1, 1, 2), strict=True)
    )
    assert difference([one, two], [one, two]) == ""
    assert "1 missing, such as b.png" in difference([one, two], [one])
    assert "1 too many, such as c.png" in difference([one, two], [one, two, three])
    other = replace(two, label=5)
    assert difference([one, two], [one, other]) == "b.png is in class 5, not 1"
    assert difference([one, two], [two, one]) == "row 0 is a.png, but picture 0 is b.png"


ALL_PYTORCH, ALL_KERAS = (
    " ".join(f"{source}/{name}" for name in names_2019()[platform])
    for source, platform in (("torchvision", "pytorch"), ("keras", "keras"))
)
FULL = "-m vgg16 -g 2 -b 7 -o out --save-all-probs --save-labels --recipe northcutt2019"


@pytest.mark.parametrize(
    ("script", "given", "predict", "exported"),
    [
        (
            PYTORCH,
            "",
            f"--models {ALL_PYTORCH} --recipe published --weights published --batch-size 32",
            "pytorch_imagenet",
        ),
        (
            KERAS,
            "",
            f"--models {ALL_KERAS} --recipe published --weights published --batch-size 1",
            "keras_imagenet",
        ),
        (PYTORCH, "-g 0", f"--models {ALL_PYTORCH} --batch-size 32", "pytorch_imagenet"),
        (
            KERAS,
            f"{FULL} --store s --weights-dir w",
            "--models keras/vgg16 --recipe northcutt2019 --store s --batch-size 7 --gpu 2 "
            "--weights-dir w --save-all-probs",
            "out",
        ),
    ],
)
def test_the_scripts_predict_and_then_export(monkeypatch, tree, script, given, predict, exported):
    calls = []
    monkeypatch.setattr(cli, "main", lambda words: calls.append(words) or len(calls) % 2)
    assert predictions.main(script, [str(tree), *given.split()]) == 1, "a failure is not lost"
    first, second = calls
    assert first[:4] == ["predict", str(tree), "--images", "tree"]
    assert [word for word in predict.split() if word not in first] == []
    assert ("--gpu" in first) is ("--gpu" in predict)
    assert second[:4] == ["export", exported, "--to", "npy"]
    which = first[2 : first.index("--weights") + 2]
    store = "s" if "--store" in given else str(own_folder())
    assert second[4:] == [*which, "--store", store]


@pytest.mark.parametrize("words", ["-b 0", "-b x", "-g x", "-m resnet5"])
def test_a_wrong_option_is_refused_under_the_scripts_name(words, tree, capsys):
    with pytest.raises(SystemExit):
        predictions.main(PYTORCH, [str(tree), *words.split()])
    assert capsys.readouterr().err.startswith("usage: imagenet_pytorch_get_predictions.py ")


def test_another_set_is_scored_with_labels_of_all_its_rows(call, tmp_path, capsys):
    folder = tmp_path / "pytorch_cifar10"
    folder.mkdir()
    np.save(folder / "vgg16_pytorch_cifar10_top5preds.npy", np.arange(10).reshape(2, 5))
    np.save(folder / "vgg16_pytorch_cifar10_top5probs.npy", np.full((2, 5), 0.1, np.float32))
    assert call("-p", folder) == 2
    assert (
        "the labels of cifar10 are not known; give those of all its rows" in capsys.readouterr().err
    )
    assert call("-p", folder, "-l", save(tmp_path / "l.npy", 0, 9)) == 0
    (row,) = rows_of_default(tmp_path)
    assert (row["Acc@1"], row["Acc@5"], row["Images"]) == ("0.5", "1.0", "cifar10")


def test_a_requested_folder_must_exist(call, one_model, capsys):
    assert call("-k", "nowhere") == 2
    assert "nowhere cannot be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (
            table.main,
            ["--keras-dir", "--indices_to_omit", "--custom_labels", "cAcc is the accuracy"],
        ),
        (lambda argv: predictions.main(KERAS, argv), ["nasnetlarge", "--save-all-probs", "--gpu"]),
        (
            lambda argv: predictions.main(PYTORCH, argv),
            ["resnet152", "--batch-size", "northcutt2019"],
        ),
    ],
)
def test_help_explains_options(main, words, capsys):
    with pytest.raises(SystemExit) as end:
        main(["-h"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert [word for word in words if word not in text] == []


SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))


def test_there_are_three_scripts():
    assert SCRIPTS == [
        "imagenet_benchmarking.py",
        "imagenet_keras_get_predictions.py",
        "imagenet_pytorch_get_predictions.py",
    ]


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_on_the_path_of_an_installation_and_run_by_themselves(name, tmp_path):
    installed = Path(sys.executable).with_name(name)
    for command in ([installed], [sys.executable, ROOT / "scripts" / name]):
        done = subprocess.run([*command, "--help"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"usage: {name} ")


@pytest.mark.models
@pytest.mark.parametrize(
    ("script", "model", "runs"),
    [
        ("pytorch", "squeezenet1_1", "torchvision/squeezenet1_1"),
        ("keras", "mobilenetV2", "keras/MobileNetV2"),
    ],
)
def test_arrays_of_the_prediction_scripts_score_as_their_runs_do(script, model, runs, tmp_path):
    """Twenty pictures and random weights, which need no file, scored by the command of 2019."""

    def run(name, *arguments):
        command = [sys.executable, ROOT / "scripts" / name, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    options = ["--weights", "random", "--store", "store", "--save-all-probs", "--save-labels"]
    out = run(f"imagenet_{script}_get_predictions.py", "demo", "-m", model, "-g", "none", *options)
    assert "recipe published, 20 pictures of demo" in out
    stem = tmp_path / f"{script}_imagenet" / f"{model}_{script}_demo"
    everything = np.load(f"{stem}_probs.npy")
    assert everything.shape == (20, 1000)
    best = np.argsort(-everything, axis=1, kind="stable")[:, :5]
    assert (np.load(f"{stem}_top5preds.npy") == best).all()
    labels = np.load(f"{stem}_labels.npy")
    run("imagenet_benchmarking.py", "-o", "t.csv")
    (row,) = rows(tmp_path / "t.csv")
    assert float(row["Acc@5"]) == (best == labels[:, None]).any(axis=1).mean()
    assert f"{row['Source']}/{row['Model']}" == runs
    assert row["Recipe"] == "published"
    assert row["Platform"].endswith(", random weights")
