"""Label sets by name and from files, and selections of pictures."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
from conftest import DATA

from benchmarking.errors import BenchmarkError
from benchmarking.labels.imagenet import validation_key, validation_labels, validation_rows, wnids
from benchmarking.labels.label_files import (
    corrected_labels,
    label_set,
    labels_from,
    real_labels,
    rows_of,
)
from benchmarking.labels.label_set import NO_CLASS
from benchmarking.predictions.arrays_2019 import IMAGES
from benchmarking.scoring.aggregate import aggregate

KEYS = ("a.png", "n01440764/b.png", "c.png", "d.png")
CLASSES = np.array([0, 0, 1, 7])


def lists(labels):
    """Map each row to its right classes."""
    return {
        int(row): [int(one) for one in classes if one != NO_CLASS]
        for row, classes in zip(labels.rows, labels.classes, strict=True)
    }


@pytest.fixture(scope="module")
def keys():
    return [validation_key(row + 1) for row in validation_rows().tolist()]


@pytest.fixture(scope="module")
def original():
    return validation_labels()[validation_rows()].astype(np.int64)


@pytest.fixture(scope="module")
def published():
    if not (DATA / "imagenet_val").is_dir():
        pytest.skip(f"{DATA / 'imagenet_val'} is missing: ReaL labels and votes on label errors")
    return DATA / "imagenet_val"


def test_real_labels_belong_to_the_right_pictures(published, keys):
    labels = real_labels(published / "real.json", keys)
    assert len(labels) == 46_837
    found, published_lists = lists(labels), json.loads((published / "real.json").read_text())
    for row, key in enumerate(keys):
        assert found.get(row, []) == published_lists[int(key[-13:-5]) - 1]


def test_real_accuracies_of_the_34_models_equal_an_independent_count(
    published, keys, imported_2019
):
    labels = {"ReaL ": real_labels(published / "real.json", keys)}
    table = aggregate(imported_2019, IMAGES, labels=labels)
    golden = DATA.parent / "reference" / "golden_2019_predictions.csv"
    expected = {
        row["stored_file"]: (row["real_acc1"], row["real_acc5"])
        for row in csv.DictReader(golden.read_text().splitlines())
    }
    assert {
        f"{row.run.model}_{row.run.source.removeprefix('2019-')}": tuple(
            f"{100 * row.scores[f'ReaL Acc@{k}'].share:.2f}" for k in (1, 5)
        )
        for row in table.rows
    } == expected


def test_a_list_in_the_order_of_file_numbers_gives_the_right_accuracies(
    published, keys, original, imported_2019, tmp_path
):
    """resnet50 of 2019 has 81.98 % with ReaL labels and 75.06 % with ImageNet's own."""
    caffe = tmp_path / "val.txt"
    caffe.write_text("".join(f"{key} {label}\n" for key, label in zip(keys, original, strict=True)))
    labels = {
        "file ": labels_from(published / "real.json", keys, original),
        "caffe ": labels_from(caffe, keys, original),
    }
    table = aggregate(imported_2019, IMAGES, labels=labels)
    (row,) = [row for row in table.rows if (row.run.model, row.platform) == ("resnet50", "PyTorch")]
    shares = {name: f"{100 * score.share:.2f}" for name, score in row.scores.items()}
    assert (shares["file Acc@1"], shares["caffe Acc@1"]) == ("81.98", "75.06")
    assert "is in the order of file numbers" in table.notes[0]


def test_predictions_beside_the_labels_do_not_count_as_right(
    published, keys, original, imported_2019, tmp_path
):
    """With its own predictions as labels, resnet50 of 2019 has 100 %."""
    (run,) = [
        one
        for one in imported_2019.runs(IMAGES)
        if (one.source, one.model) == ("2019-pytorch", "resnet50")
    ]
    guesses = imported_2019.read(run).classes[:, 0]
    path = tmp_path / "l.csv"
    rows = zip(keys, original, guesses, strict=True)
    path.write_text("file,label,predicted\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    labels = labels_from(path, keys, original)
    table = aggregate(imported_2019, IMAGES, labels={"": labels}, runs=[run])
    assert f"{100 * table.rows[0].scores['Acc@1'].share:.2f}" == "75.06"
    assert table.notes[0] == f"note: {path}: columns that were not read: 'predicted'"


@pytest.mark.parametrize(("consensus", "n"), [(3, 48_512), (4, 47_407), (5, 46_044)])
def test_corrected_labels_follow_from_the_votes(published, keys, original, consensus, n):
    labels = corrected_labels(published / "mturk.json", keys, original, consensus)
    found = {row: one for row, (one,) in lists(labels).items()}
    assert len(found) == n
    votes = {vote["id"]: vote for vote in json.loads((published / "mturk.json").read_text())}
    for row, key in enumerate(keys):
        vote = votes.get(int(key[-13:-5]))
        if vote is None or vote["mturk"]["given"] >= consensus:
            assert found[row] == original[row]
        elif vote["mturk"]["guessed"] >= consensus:
            assert found[row] == vote["our_guessed_label"]
        else:
            assert row not in found


@pytest.mark.parametrize(
    ("consensus", "published_share"),
    [(3, 0.8373008512129269), (4, 0.8447621457489879), (5, 0.8517513780980077)],
)
def test_corrected_accuracy_is_close_to_that_of_the_authors_of_the_study(
    published, keys, original, imported_2019, consensus, published_share
):
    """Source: imagenet_benchmarks/cleaned_and_corrected_*.csv of 2019, with fewer votes."""
    labels = corrected_labels(published / "mturk.json", keys, original, consensus)
    table = aggregate(imported_2019, IMAGES, labels={"corrected ": labels})
    best = table.rows[0]
    assert best.run.model == "nasnetlarge"
    assert best.scores["corrected Acc@1"].share == pytest.approx(published_share, abs=0.0006)


def test_published_labels_apply_only_to_validation_pictures(published):
    with pytest.raises(BenchmarkError, match=r"validation pictures, and 'a.png' is not one"):
        real_labels(published / "real.json", KEYS)


def test_missing_labels_say_how_to_fetch_them(tmp_path, monkeypatch, keys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(BenchmarkError, match="run 'imagenet-benchmark fetch real-labels' once"):
        label_set("real", keys[:1], np.array([0]))
    with pytest.raises(BenchmarkError, match="run 'imagenet-benchmark fetch label-errors' once"):
        label_set("corrected", keys[:1], np.array([0]))


def test_fetched_labels_are_found_by_name(published, tmp_path, monkeypatch, keys, original):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for collection, source, name in (
        ("real-labels", "real.json", "real.json"),
        ("label-errors", "mturk.json", "imagenet_mturk.json"),
    ):
        place = tmp_path / "imagenet-benchmarking" / collection
        place.mkdir(parents=True)
        shutil.copy(published / source, place / name)
    assert len(label_set("original", keys, original)) == 50_000
    assert len(label_set("real", keys, original)) == 46_837
    assert len(label_set("corrected", keys, original, consensus=5)) == 46_044


FILES = {
    "with headings": ("l.csv", "key,class\na.png,3\nc.png,4\n", {0: [3], 2: [4]}),
    "without": ("l.csv", "a.png,3\nc.png,4\n", {0: [3], 2: [4]}),
    "in any order": ("l.csv", "c.png,4\na.png,3\n", {0: [3], 2: [4]}),
    "several classes": ("l.csv", "a.png,3,5\nc.png,4,\n", {0: [3, 5], 2: [4]}),
    "WordNet ids": ("l.csv", f"a.png,{wnids()[9]}\n", {0: [9]}),
    "other folders": ("l.csv", "x/b.png,3\nn01440764/a.png,2\n", {0: [2], 1: [3]}),
    "an object": ("l.json", '{"a.png": 3, "c.png": [4, 5], "d.png": []}', {0: [3], 2: [4, 5]}),
    "a list": ("l.json", "[1, [2, 3], null, []]", {0: [1], 1: [2, 3]}),
    "no class": ("l.json", "[1, -1, 2, 3]", {0: [1], 2: [2], 3: [3]}),
}


@pytest.mark.parametrize(("name", "text", "expected"), FILES.values(), ids=FILES)
def test_labels_are_read_from_files_of_names_and_classes(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    assert lists(labels_from(tmp_path / name, KEYS)) == expected


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([1, 2, 3, 4]), {0: [1], 1: [2], 2: [3], 3: [4]}),
        (np.array([1, -1, 3, 4]), {0: [1], 2: [3], 3: [4]}),
        (np.array([[1, 2], [3, -1], [-1, -1], [4, 5]]), {0: [1, 2], 1: [3], 3: [4, 5]}),
    ],
)
def test_labels_are_read_from_arrays_with_one_line_per_row(tmp_path, array, expected):
    np.save(tmp_path / "l.npy", array)
    assert lists(labels_from(tmp_path / "l.npy", KEYS)) == expected


def huge() -> bytes:
    """An .npy file whose header claims eight terabytes."""
    file = io.BytesIO()
    header = {"descr": "<i8", "fortran_order": False, "shape": (2**40,)}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + bytes(32)


WRONG = {
    "unknown picture": (
        "l.csv",
        "e.png,3\n",
        "1 of 1 names match no picture of the set",
    ),
    "no number": ("l.csv", "a.png,1\nb.png,tench\n", "'tench' is not a class"),
    "unknown wnid": ("l.csv", "a.png,n99999999\n", "'n99999999' is unknown"),
    "twice": ("l.csv", "a.png,3\na.png,4\n", "1 names occur more than once"),
    "twice in JSON": ("l.json", '{"a.png": 3, "a.png": 4}', "1 names occur more than once"),
    "two names of one": ("l.csv", "a.png,3\nx/a.png,4\n", "1 pictures occur more than once"),
    "half a class": ("l.json", "[1, 2.5, 3, 4]", "2.5 is not a class"),
    "below 0": ("l.json", "[1, -2, 3, 4]", "-2 is not a class"),
    "too few": ("l.json", "[1, 2]", "2 labels for 4 pictures"),
    "no JSON": ("l.json", "{", "is no whole .json file"),
    "nothing": ("l.json", "[[], [], [], []]", "at least one row"),
    "other suffix": ("l.xml", "", "'.xml' is unknown; expected a .csv, .txt, .json or .npy file"),
    "not text": ("l.csv", b"\xff\xfe\x00", "expected a .csv, .txt, .json or .npy file"),
    "a pickle": ("l.npy", b"\x80\x04K\x01.", "is no whole .npy file"),
    "deep": ("l.json", "[" * 100_000, "is no whole .json file"),
    "nested": ("l.json", "[[[1]], 2, 3, 4]", "expected a .csv, .txt, .json or .npy file"),
    "infinite": ("l.json", "[1, Infinity, 3, 4]", "cannot convert float infinity to integer"),
    "endless": ("l.json", f"[1, {10**400}, 3, 4]", "int too large to convert to float"),
    "too high": ("l.json", "[1, 65536, 3, 4]", "65536 is not a class"),
    "one text": ("l.json", '"1234"', "neither an object nor a list"),
    "many": ("l.json", f"[{[1] * 1001}, 2, 3, 4]", "1001 classes for one picture; at most 1000"),
    "no end": ("l.csv", 'a.png,"' + "7" * 200_000, "field larger than field limit"),
    "huge": ("l.npy", huge(), "is no whole .npy file: int64 of shape .1099511627776,. are"),
    "an archive": ("l.npy", b"PK\x03\x04", "is no whole .npy file"),
    "empty": ("l.npy", b"", "is no whole .npy file"),
}


@pytest.mark.parametrize(("name", "content", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_named_with_the_reason(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BenchmarkError, match=message) as refusal:
        labels_from(path, KEYS)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[Infinity]]", "is not real.json: JSON is malformed"),
        (f"[[{10**400}]]", "is not real.json: OverflowError"),
        ("[[70000]]", "is not real.json: .*70000 is not a class"),
        ('"7"', "is not real.json: Expected `array`, got `str`"),
        ("[]", "is not real.json: IndexError"),
        ("[[]]", "real.json: a set of labels needs at least one row"),
    ],
)
def test_a_file_of_real_labels_with_other_content_is_named(tmp_path, text, message):
    path = tmp_path / "real.json"
    path.write_text(text)
    with pytest.raises(BenchmarkError, match=message) as refusal:
        real_labels(path, [validation_key(1)])
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("guessed", "message"),
    [
        ('"tench"', "is not imagenet_mturk.json: Expected `int`, got `str`"),
        ("Infinity", "is not imagenet_mturk.json: JSON is malformed"),
        (str(10**30), "is not imagenet_mturk.json: ValueError"),
        ("2.5", "is not imagenet_mturk.json: Expected `int`, got `float`"),
        ("-2", "is not imagenet_mturk.json: .*-2 is not a class"),
        ("-1", "imagenet_mturk.json: a set of labels needs at least one row"),
    ],
)
def test_votes_for_an_invalid_class_are_named(tmp_path, guessed, message):
    path = tmp_path / "imagenet_mturk.json"
    votes = '{"given": 0, "guessed": 5}'
    path.write_text(f'[{{"id": 1, "our_guessed_label": {guessed}, "mturk": {votes}}}]')
    with pytest.raises(BenchmarkError, match=message) as refusal:
        corrected_labels(path, [validation_key(1)], np.array([65]))
    assert str(path) in str(refusal.value)


def test_labels_that_are_neither_known_nor_a_file_are_refused():
    with pytest.raises(BenchmarkError, match="labels 'rael' are neither original, real, corrected"):
        label_set("rael", KEYS, CLASSES)


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("rows.txt", "c.png\na.png\n", [0, 2]),
        ("rows.csv", "b.png,whatever\n", [1]),
        ("rows.json", '["d.png", "n01440764/b.png"]', [1, 3]),
        ("rows.npy", np.array([3, 0]), [0, 3]),
    ],
)
def test_rows_are_selected_by_files(tmp_path, name, content, rows):
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        np.save(path, content)
    assert rows_of([str(path)], KEYS, CLASSES).tolist() == rows


def test_rows_are_selected_by_wordnet_ids():
    assert rows_of([wnids()[0], wnids()[7]], KEYS, CLASSES).tolist() == [0, 1, 3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.npy", np.array([4]), "a row is not among the 4 rows"),
        ("rows.npy", np.array([-1]), "a row is not among the 4 rows"),
        ("rows.npy", np.array([0.5]), "holds float64; expected whole numbers"),
        ("rows.npy", np.array([True]), r"holds a mask of True and False; save np.flatnonzero"),
        ("rows.txt", "e.png\n", "1 of 1 names match no picture of the set"),
        ("rows.json", "7", "not iterable"),
    ],
)
def test_wrong_rows_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        np.save(path, content)
    with pytest.raises(BenchmarkError, match=message):
        rows_of([str(path)], KEYS, CLASSES)


def test_a_name_that_is_not_a_wordnet_id_is_refused():
    with pytest.raises(BenchmarkError, match="'n123' is neither a WordNet id .*, nor a file"):
        rows_of(["n123"], KEYS, CLASSES)


def test_names_as_hugging_face_writes_them_are_those_of_validation_pictures(
    tmp_path, keys, original
):
    names = ["ILSVRC2012_val_00000037_n01644900.JPEG", "val/ILSVRC2012_val_00000088_n01632458"]
    path = tmp_path / "mine.csv"
    path.write_text("file,label\n" + "".join(f"{name},5\n" for name in names))
    rows = [keys.index(validation_key(number)) for number in (37, 88)]
    assert lists(label_set(str(path), keys, original)) == dict.fromkeys(rows, [5])
    assert sorted(rows_of(names, keys, original)) == sorted(rows)


def test_a_name_with_the_class_of_another_picture_is_refused(tmp_path, keys, original):
    (tmp_path / "mine.csv").write_text("ILSVRC2012_val_00000037_n01632458.JPEG,5\n")
    with pytest.raises(BenchmarkError, match="1 of 1 names match no picture of the set"):
        label_set(str(tmp_path / "mine.csv"), keys, original)


def test_a_wordnet_id_selects_the_pictures_for_which_its_class_is_any_of_the_right_ones():
    right = np.array([[0, NO_CLASS], [7, 0], [1, NO_CLASS], [3, 7]])
    assert rows_of([wnids()[0]], KEYS, right).tolist() == [0, 1]
    assert rows_of(["d.png"], KEYS, right).tolist() == [3]
