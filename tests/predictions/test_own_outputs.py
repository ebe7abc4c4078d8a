"""Import of outputs that another program stored: logits, probabilities or classes."""

import json
import re
import sys
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarking.cli import main
from benchmarking.errors import BenchmarkError, MissingDependency, StoreError
from benchmarking.labels.imagenet import (
    validation_key,
    validation_labels,
    validation_rows,
    wnids,
)
from benchmarking.labels.label_set import every_image
from benchmarking.pictures.image_set import without_pictures
from benchmarking.predictions import output_files
from benchmarking.predictions.output_files import numpy_files, read_outputs
from benchmarking.predictions.output_files.outputs import Wanted
from benchmarking.predictions.own_outputs import import_outputs
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import top_k
from benchmarking.reports.formats import reports
from benchmarking.scoring.aggregate import aggregate, calibration
from benchmarking.scoring.verify import Verdict, verify

N = 24
LABELS = np.random.default_rng(0).permutation(1000)[:N]
KEYS = [f"{wnids()[label]}/photo {row}.JPEG" for row, label in enumerate(LABELS)]
PICTURES = replace(without_pictures("pets", KEYS, LABELS), fingerprint="f" * 64)


def logits(seed=1) -> np.ndarray:
    """Logits of a model that is right about two pictures of three."""
    found = np.random.default_rng(seed).normal(size=(N, 1000)).astype(np.float32)
    found[np.arange(N)[::3], (LABELS[::3] + 1) % 1000] += 9
    found[np.arange(N), LABELS] += 7
    return found


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values.astype(np.float64) - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


LOGITS = logits()
PROBABILITIES = softmax(LOGITS)
BEST = np.argsort(-LOGITS, axis=1, kind="stable")
GUESSES = BEST[:, 0]
RUN = Run("pets", "imported", "mine", "unknown")


@pytest.fixture
def store(tmp_path, a_provenance):
    """A store with one run on the set of pictures."""
    store = Store(tmp_path / "store")
    top = top_k(softmax(logits(seed=5)).astype(np.float32))
    store.write(Run("pets", "pair", "first", "published"), PICTURES, top, a_provenance(PICTURES))
    return store


@pytest.fixture
def take(store, tmp_path):
    """Import an array, or the contents of a file, and return the notes."""

    def take(content, suffix=".npy", *, images="pets", model="mine", **options):
        path = tmp_path / f"outputs{suffix}"
        if isinstance(content, np.ndarray):
            np.save(path, content)
        elif isinstance(content, dict):
            np.savez(path, **content)
        elif isinstance(content, str):
            path.write_text(content)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        notes = []
        import_outputs(path, model=model, images=images, store=store, tell=notes.append, **options)
        return notes

    return take


def call(*arguments) -> int:
    return main([str(argument) for argument in arguments])


def lines(headings: str, *columns) -> str:
    rows = zip(*columns, strict=True)
    body = (",".join(str(cell) for part in row for cell in np.ravel(part)) for row in rows)
    return "\n".join([headings, *body, ""])


def numbered(stem: str, count: int) -> str:
    return ",".join(f"{stem}{number}" for number in range(count))


@pytest.mark.parametrize(
    "array",
    [
        LOGITS,
        LOGITS.astype(np.float16),
        np.round(LOGITS.astype(np.float64)),  # with ties
        np.asfortranarray(LOGITS.astype(">f4")),
        LOGITS.astype(np.float64) * 1e-9,  # equal probabilities in single precision
        PROBABILITIES,
        np.log(PROBABILITIES),
    ],
)
def test_accuracy_of_a_full_array_is_that_of_numpy(array, take, store):
    take(array)
    (score,) = (
        row.scores["Acc@1"] for row in aggregate(store, "pets").rows if row.run.source == "imported"
    )
    assert score.share == (array.argmax(axis=1) == LABELS).mean()
    expected = np.argsort(-array, axis=1, kind="stable")[:, :5]
    assert (store.read(RUN).classes == expected).all()


def test_a_softmax_is_taken_of_logits_and_told(take, store):
    assert take(LOGITS * 100, keep="all") == [
        "note: outputs.npy: these are logits; a softmax was applied"
    ]
    found = store.read_probabilities(RUN)
    assert np.abs(found - softmax(LOGITS * 100.0)).max() < 1e-6
    assert store.read(RUN).probabilities[:, 0].tolist() == found.max(axis=1).tolist()
    assert store.provenance(RUN).origin["probabilities"] == "softmax of the logits in the file"


def test_probabilities_are_stored_as_they_are(take, store):
    assert take(PROBABILITIES, keep="all") == []
    assert (store.read_probabilities(RUN) == PROBABILITIES.astype(np.float32)).all()
    assert store.provenance(RUN).origin["probabilities"] == "as in the file"


def npz(path):
    np.savez_compressed(path, filenames=np.array(KEYS), logits=LOGITS, labels=LABELS)


def csv_of_all(path):
    path.write_text(lines(f"filename,label,{numbered('c', 1000)}", KEYS, LABELS, LOGITS))


def csv_of_data_frame(path):
    path.write_text(lines(f"filename,label,{numbered('', 1000)}", KEYS, LABELS, LOGITS))


def csv_of_wnids(path):
    path.write_text(lines(f"path,{','.join(wnids()[::-1])}", KEYS, LOGITS[:, ::-1]))


def csv_from_excel(path):
    text = lines(f"filename;{numbered('logit_', 1000).replace(',', ';')}", KEYS, LOGITS)
    path.write_bytes(text.replace(",", ";").encode("utf-16"))


def pt(path):
    torch = pytest.importorskip("torch")
    torch.save({"logits": torch.tensor(LOGITS), "paths": KEYS, "epoch": 3}, path)


def parquet(path):
    pytest.importorskip("pyarrow")
    import pandas as pd

    columns = [f"c{number}" for number in range(1000)]
    pd.DataFrame(LOGITS, index=KEYS, columns=columns).to_parquet(path)


def parquet_of_lists(path):
    pytest.importorskip("pyarrow")
    import pandas as pd

    pd.DataFrame({"logits": list(LOGITS), "label": LABELS}, index=KEYS).to_parquet(path)


@pytest.mark.parametrize(
    ("write", "suffix"),
    [
        (npz, ".npz"),
        (csv_of_all, ".csv"),
        (csv_of_data_frame, ".csv"),
        (csv_of_wnids, ".csv"),
        (csv_from_excel, ".csv"),
        (lambda path: np.savetxt(path, LOGITS), ".txt"),
        (lambda path: np.savetxt(path, LOGITS, delimiter=","), ".csv"),
        (pt, ".pt"),
        (parquet, ".parquet"),
        (parquet_of_lists, ".parquet"),
    ],
)
def test_every_kind_of_file_gives_the_same_predictions(write, suffix, take, store, tmp_path):
    write(tmp_path / f"outputs{suffix}")
    take(None, suffix)
    assert (store.read(RUN).classes == BEST[:, :5]).all()
    expected = np.take_along_axis(PROBABILITIES, BEST[:, :5], axis=1)
    assert np.abs(store.read(RUN).probabilities - expected).max() < 1e-6


def test_tensors_are_read_as_people_save_them(take, store, tmp_path):
    torch = pytest.importorskip("torch")
    whole, labels = torch.tensor(LOGITS), torch.tensor(LABELS)
    for number, saved in enumerate(
        (
            whole.half(),
            torch.nn.Parameter(whole),
            [whole[:10], whole[10:]],
            list(whole),
            (whole, labels),
            whole.bfloat16(),
        )
    ):
        torch.save(saved, tmp_path / "outputs.pt")
        take(None, ".pt", model=f"m{number}")
        found = store.classes(Run("pets", "imported", f"m{number}", "unknown"))
        assert (found[:, 0] == GUESSES).all()
    torch.save({"logits": LOGITS}, tmp_path / "outputs.pt")
    with pytest.raises(BenchmarkError, match="other objects than tensors"):
        take(None, ".pt")
    torch.save(whole.to("meta"), tmp_path / "outputs.pt")
    with pytest.raises(BenchmarkError, match="a tensor without data, on the device 'meta'"):
        take(None, ".pt")
    (tmp_path / "outputs.pt").write_bytes(b"PK\x03\x04junk")
    with pytest.raises(BenchmarkError, match=r"it is no whole \.pt file"):
        take(None, ".pt")


ODD = np.arange(N)[:, None]
ROUNDED = np.where(PROBABILITIES < 2e-6, -1e-9, PROBABILITIES)
REFUSED = {
    "a background class": (np.hstack([LOGITS[:, :1], LOGITS]), "probably the class 'background'"),
    "ImageNet-21k": (np.zeros((N, 21_841), np.float16), "classes of ImageNet-21k"),
    "few classes": (LOGITS[:, :10], "expected 1000 columns of logits or probabilities"),
    "100 classes": (LOGITS[:, :100], "it has 100 columns; expected 1000"),
    "transposed": (LOGITS.T, "probably transposed"),
    "a further axis": (LOGITS[:, None], r"save array.reshape\(-1, 1000\)"),
    "augmented": (np.stack([LOGITS, LOGITS], 1), r"expected two axes, pictures and classes\.$"),
    "whole numbers": (LOGITS.astype(np.int8), "say with --outputs what they are"),
    "one 1 for each": (np.eye(1000)[GUESSES], "each row has a single 1"),
    "masks": (LOGITS > 0, "it holds bool, and outputs are numbers"),
    "NaN": (np.where(ODD == 7, np.nan, LOGITS), "row 7, counted from 0, has NaN"),
    "infinity": (np.where(ODD == 3, -np.inf, LOGITS), "row 3, counted from 0, has NaN"),
    "rows of zeros": (np.where(ODD > 20, 0, LOGITS), "row 21.* the same value for every class"),
    "sigmoid outputs": (1 / (1 + np.exp(-LOGITS)), "sigmoid outputs, or something else"),
    "percent": (100 * PROBABILITIES, "each row sums to 100; divide by it"),
    "rounding errors": (
        ROUNDED,
        r"values from -1e-09 .* sum to 1 to 1: probabilities with rounding .* below 0 to 0\.$",
    ),
    "larger errors": (
        PROBABILITIES - 1e-4 * (PROBABILITIES < 1e-4),
        "rounding errors below 0, or something else; .*, or say --outputs logits",
    ),
    "rounded percent": (np.round(100 * PROBABILITIES, 1), "none of them negative.*percentages"),
    "complex numbers": (LOGITS.astype(complex), "it holds complex128"),
    "counted from 1": (GUESSES + 1, "they are counted from 1"),
    "cut off": (GUESSES.astype(np.uint8), "it holds uint8, which has no classes above 255"),
    "class 1000": (np.where(ODD[:, 0] == 3, 1000, GUESSES), "1000 in row 3 is no class"),
    "no class": (np.where(ODD[:, 0] == 3, -1, GUESSES), "-1 in row 3 is no class"),
    "a class twice": (BEST[:, [0, 0, 1, 2, 3]], "name a class twice"),
    "counts": (np.stack([np.arange(N), GUESSES], 1), "its column 0 counts the pictures"),
    "too few": (LOGITS[1:], "it has 23 outputs for the 24 pictures of pets, and no names"),
    "another order": (LOGITS[::-1], "about as by chance, so the order of its rows is unknown"),
    "names": (np.array(KEYS), "names of pictures belong into --names"),
}


@pytest.mark.parametrize(("array", "message"), REFUSED.values(), ids=REFUSED)
def test_an_array_that_has_something_else_is_refused(array, message, take, store):
    array = np.ascontiguousarray(array)
    with pytest.raises(BenchmarkError, match=message):
        take(array)
    assert not store.path(RUN).exists()


@pytest.mark.parametrize(
    ("array", "said", "message"),
    [
        (PROBABILITIES, "logits", "each row sums to 1, so these are probabilities"),
        (ROUNDED, "logits", "each row sums to 1, so these are probabilities"),
        (ROUNDED, "probabilities", r"set what is below 0 to 0\.$"),
        (LOGITS, "probabilities", r"these are no probabilities: values from .*; say --outp"),
        (100 * PROBABILITIES, "probabilities", "; divide percentages by 100, or say --outp"),
        (GUESSES, "logits", "it has classes, not logits"),
        (LOGITS, "classes", "it has scores of all classes, not classes"),
    ],
)
def test_outputs_that_are_not_what_is_said_are_refused(array, said, message, take):
    with pytest.raises(BenchmarkError, match=message):
        take(array, outputs=said)


def test_what_is_said_decides_where_outputs_can_be_two_things(take, store):
    sigmoid = 1 / (1 + np.exp(-LOGITS))
    (warning,) = take(sigmoid, outputs="probabilities", model="sigmoid")
    assert warning.startswith("warning: outputs.npy: rows sum to")
    take((LOGITS * 9).astype(np.int16), outputs="logits", model="quantised")
    for model in ("sigmoid", "quantised"):
        found = store.classes(Run("pets", "imported", model, "unknown"))[:, 0]
        assert (found == GUESSES).mean() > 0.9


TABLES = {
    "one class": lines("filename,prediction", KEYS, GUESSES),
    "one class and more": lines("path,label,pred,split", KEYS, LABELS, GUESSES, ["val"] * N),
    "what is right": lines("path,pred,correct", KEYS, GUESSES, (GUESSES == LABELS).astype(int)),
    "WordNet ids": lines("image,prediction", KEYS, [wnids()[guess] for guess in GUESSES]),
    "no headings": lines("", KEYS, GUESSES).lstrip(),
    "five classes": lines("id,pred1,pred2,pred3,pred4,pred5", KEYS, BEST[:, :5]),
    "of export": lines("key,label,class1,class2,class3", KEYS, LABELS, BEST[:, :3]),
    "of timm": lines("filename,index_0,index_1", KEYS, BEST[:, :2]),
    "numbers and names": lines("image_id,file_name,prediction", np.arange(N)[::-1], KEYS, GUESSES),
    "an index of pandas": lines(",filename,prediction", range(N), KEYS, GUESSES),
    "an index of pandas with names": lines(",prediction", KEYS[::-1], GUESSES[::-1]),
    "an index beside names": lines(",filename,prediction", ["a"] * N, KEYS, GUESSES),
    "numbers for names": lines("id,prediction", range(N), GUESSES),
    "a list in a cell": "filename,top5\n"
    + "".join(f'{key},"{best.tolist()}"\n' for key, best in zip(KEYS, BEST[:, :5], strict=True)),
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_tables_of_classes_are_read_by_their_headings(text, take, store):
    notes = take(text, ".csv")
    assert (store.classes(RUN)[:, 0] == GUESSES).all()
    assert any("no calibration error" in note for note in notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lines("filename,label", KEYS, LABELS), "'label' is taken for the true class"),
        (lines("filename,class", KEYS, LABELS), "may be the true class or the predicted one"),
        (lines("filename,pred,top1", KEYS, LABELS, LABELS), "may both be predictions"),
        (lines("filename,label,pred", KEYS, LABELS + 1, GUESSES), "its labels differ from those"),
        (lines("filename,prediction", KEYS, ["tench"] * N), "line 2: 'tench' is not a class"),
        (lines("filename,prediction", KEYS, [""] * N), "line 2 has 0 predicted classes"),
        (lines("filename,pred,p", KEYS, GUESSES, ["0;5"] * N), "could not convert"),
        (lines("filename,y_true,pred", KEYS, LABELS + 1, GUESSES), "its labels differ from those"),
        ("filename,prediction\n", "it has headings alone"),
        (lines("filename,prediction", KEYS, GUESSES) + "a.jpg\n", "line 26 has 1 cells"),
        (lines(numbered("c", 1001), np.zeros((2, 1001))), "the class 'background'"),
        (lines(f"{numbered('c', 20)},{numbered('p', 20)}", np.zeros((2, 40))), "keep one of them"),
        ("x" * 2**20, "a line has more than"),
        (b"filename,prediction\n\xe9,1\n", "it is no text in UTF-8"),
        ("", "it is empty"),
    ],
)
def test_a_table_that_cannot_be_understood_is_refused(text, message, take):
    with pytest.raises(BenchmarkError, match=message):
        take(text, ".csv")


def test_top_5_probabilities_are_stored_with_their_classes(take, store):
    places = [3, 1, 0, 2, 4]  # as np.argpartition gives them
    sure = np.take_along_axis(PROBABILITIES, BEST[:, places], axis=1)
    best = -np.sort(-sure.astype(np.float32))
    take({"indices": BEST[:, places], "values": sure}, ".npz")
    assert (store.read(RUN).classes == BEST[:, :5]).all()
    assert (store.read(RUN).probabilities == best).all()
    headings = f"filename,{numbered('pred', 5)},{numbered('prob', 5)}"
    with pytest.raises(BenchmarkError, match="must be sorted, best first"):
        take({"classes": BEST[:, places], "names": np.array(KEYS)}, ".npz", model="unsorted")
    take(lines(headings, KEYS, BEST[:, places], sure), ".csv", model="text")
    assert (store.classes(replace(RUN, model="text")) == BEST[:, :5]).all()
    pairs = "filename,top1_class,top1_prob,top2_class,top2_prob"
    (note,) = take(
        lines(pairs, KEYS, GUESSES, best[:, 0], BEST[:, 1], best[:, 1]), ".csv", model="p"
    )
    assert note == "note: outputs.csv: the file has 2 classes per picture; there is no Acc@5"
    assert (store.read(replace(RUN, model="p")).probabilities == best[:, :2]).all()


def test_classes_alone_have_no_calibration_and_too_few_no_top_5_accuracy(take, store, tmp_path):
    notes = take(GUESSES)
    assert "there is no Acc@5" in notes[0]
    table = aggregate(store, "pets", measure=lambda run, right: calibration(store, run, right))
    (row,) = (row for row in table.rows if row.run == RUN)
    assert row.scores.keys() == {"Acc@1"}
    assert row.measures == {}
    texts = {name: report.render([table]) for name, report in reports().items()}
    (line,) = (line for line in texts["csv"].splitlines() if "mine" in line)
    assert line.startswith(f"imported,mine,{row.scores['Acc@1'].share},,2,,imported")
    assert texts["markdown"].count("|  |") > 0
    (found,) = verify(store, [RUN])
    assert (found.ece, found.verdict) == (None, Verdict.NO_REFERENCE)
    assert call("verify", "--store", store.folder) == 0
    assert call("export", tmp_path / "out", "--to", "csv", "--store", store.folder) == 0
    (written,) = (tmp_path / "out").rglob("mine*.csv")
    assert written.read_text().startswith("key,label,class1\n")


def test_a_run_without_five_guesses_is_never_sorted_by_acc_at_5(take, store):
    take(GUESSES)
    table = aggregate(store, "pets", by="Acc@5")
    assert [row.run.source for row in table.rows] == ["pair"]
    assert "has too few guesses per picture for Acc@5" in table.left_out[0]


def test_names_put_rows_into_the_order_of_the_set(take, store, tmp_path):
    np.save(tmp_path / "names.npy", np.array(KEYS[::-1]))
    (tmp_path / "names.json").write_text(json.dumps(KEYS[::-1]))
    (tmp_path / "names.txt").write_text("\n".join(f"C:\\val\\{key}" for key in KEYS[::-1]))
    (tmp_path / "names.csv").write_text(lines("filename,split", KEYS[::-1], ["val"] * N))
    for suffix in (".npy", ".json", ".txt", ".csv"):
        take(LOGITS[::-1], names=tmp_path / f"names{suffix}", model=f"m{suffix[1:]}")
        found = store.classes(replace(RUN, model=f"m{suffix[1:]}"))
        assert (found == BEST[:, :5]).all()


def test_names_that_are_given_replace_those_in_the_file(take, store, tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(KEYS))
    named = {"logits": LOGITS, "ids": np.array([f"x{row}" for row in range(N)])}
    (note, _) = take(named, ".npz", names=tmp_path / "names.txt")
    assert note == "note: outputs.npz: the names in the file are not used, but those of --names"
    assert set(store.provenance(RUN).origin["files"]) == {"outputs.npz", "names.txt"}


def test_names_that_are_not_those_of_the_pictures_are_counted_and_shown(take, tmp_path):
    wrong = [*KEYS[:-3], KEYS[0], "cat.jpg", "dog.jpg"]
    with pytest.raises(BenchmarkError, match=r"of no picture of the set: 2 \('cat.jpg', 'dog.jpg'"):
        take({"logits": LOGITS, "names": np.array(wrong)}, ".npz")
    with pytest.raises(BenchmarkError, match=r"more than once: 1 \('n\d+/photo 0.JPEG'\); missing"):
        take(lines("filename,prediction", wrong, GUESSES), ".csv")
    (tmp_path / "names.txt").write_text("\n".join(KEYS[:5]))
    with pytest.raises(BenchmarkError, match="has 24 outputs, and --names has 5 names"):
        take(LOGITS, names=tmp_path / "names.txt")
    (tmp_path / "names.npy").write_bytes(b"?")
    with pytest.raises(BenchmarkError, match=r"names\.npy is no whole \.npy file"):
        take(LOGITS, names=tmp_path / "names.npy")


def test_the_order_of_rows_can_be_said(take, store):
    (warning, _) = take(LOGITS[::-1], order="rows")
    assert "first guesses agree with the labels in 0.0 %" in warning
    assert store.provenance(RUN).origin["order"] == "the order of rows, as the user says"
    with pytest.raises(BenchmarkError, match="--order files is of ImageNet's validation pictures"):
        take(LOGITS, order="files")
    with pytest.raises(BenchmarkError, match="so that --order is not used"):
        take(TABLES["one class"], ".csv", order="rows")


VALIDATION = Run("imagenet-val", "imported", "mine", "unknown")


@pytest.fixture(scope="module")
def guesses_by_number():
    """First guesses for the validation pictures 1, 2 and so on; 60 % are right."""
    found = validation_labels().astype(np.int64)
    random = np.random.default_rng(0)
    wrong = random.random(len(found)) < 0.4
    found[wrong] = random.integers(0, 1000, wrong.sum())
    return found


def test_validation_outputs_are_accepted_in_either_order(guesses_by_number, take, store):
    in_rows = guesses_by_number[validation_rows()]
    (note, *_) = take(guesses_by_number, images="imagenet-val")
    assert "rows are in the order of file numbers" in note
    assert (store.classes(VALIDATION)[:, 0] == in_rows).all()
    take(in_rows, images="imagenet-val", model="rows")
    assert (store.classes(replace(VALIDATION, model="rows"))[:, 0] == in_rows).all()
    assert store.rows("imagenet-val").keys[0] == validation_key(293)


def test_an_unknown_order_of_validation_outputs_is_refused(guesses_by_number, take, store):
    shuffled = np.random.default_rng(1).permutation(guesses_by_number)
    with pytest.raises(BenchmarkError, match="or say --order rows or --order files"):
        take(shuffled, images="imagenet-val")
    with pytest.raises(BenchmarkError, match="they are counted from 1"):
        take(np.minimum(guesses_by_number + 1, 999), images="imagenet-val")
    take(shuffled, images="imagenet-val", order="files")
    found = store.classes(VALIDATION)[:, 0]
    assert (found == shuffled[validation_rows()]).all()


def test_outputs_for_the_whole_validation_set_serve_a_part_of_it(guesses_by_number, take, store):
    numbers = np.array([7, 44, 3, 49_000, 128, 9001, 30, 31, 32, 33])
    keys = [validation_key(number) for number in numbers.tolist()]
    part = without_pictures("part", keys, validation_labels()[numbers - 1])
    (note, *_) = take(guesses_by_number, images=part)
    assert "10 of its 50,000 rows are of pictures of part" in note
    found = store.classes(Run("part", "imported", "mine", "unknown"))[:, 0]
    assert (found == guesses_by_number[numbers - 1]).all()


def test_labels_in_place_of_predictions_are_told(take):
    """No model is right about all of many pictures."""
    labels = validation_labels().astype(np.int64)
    (_, warning, *_) = take(labels, images="imagenet-val")
    assert warning == (
        "warning: outputs.npy: first guesses are the labels of all 50,000 pictures: labels, in "
        "place of predictions?"
    )
    assert not any("in place of" in note for note in take(LABELS, model="few"))


@pytest.mark.parametrize("by", [1, -32])
def test_rows_that_a_data_loader_has_moved_are_told(by, guesses_by_number, take):
    """Most rows have the class of their neighbours, so the accuracy stays plausible."""
    in_rows = guesses_by_number[validation_rows()]
    (warning, *_) = take(np.roll(in_rows, by), images="imagenet-val")
    assert re.search(rf"in \d\d.\d % of 50000 .* in 60.4 % .* moved by {-by} rows", warning)
    assert not any("moved" in note for note in take(in_rows, images="imagenet-val", model="right"))


def test_pictures_in_folders_with_the_index_of_their_class_can_be_given(tree, tmp_path):
    for folder in list(tree.iterdir()):
        folder.rename(tree / str(wnids().index(folder.name)))
    np.save(tmp_path / "p.npy", np.array([0, 1, 1, 4, 4, 7]))
    arguments = ("import", tmp_path / "p.npy", "--model", "mine", "--images", tree)
    store = Store(tmp_path / "new")
    assert call(*arguments, "--store", store.folder) == 2
    assert call(*arguments, "--store", store.folder, "--class-folders", "index") == 0
    assert store.labels("tree").tolist() == [0, 1, 1, 4, 4, 7]


def test_pictures_can_be_given_by_their_folder(tree, tmp_path):
    labels = np.array([0, 1, 1, 4, 4, 7])
    np.save(tmp_path / "p.npy", labels)
    arguments = ("--model", "mine", "--images", tree, "--store", tmp_path / "new")
    assert call("import", tmp_path / "p.npy", *arguments) == 0
    assert len(Store(tmp_path / "new").provenance(replace(RUN, images="tree")).fingerprint) == 64


def test_an_imported_run_is_never_taken_for_one_with_published_weights(take, store):
    take(LOGITS, model="resnet50")
    run = replace(RUN, model="resnet50")
    made = store.provenance(run)
    assert (made.platform, made.executor, made.weights) == (
        "imported",
        "imported",
        {"name": "unknown"},
    )
    assert made.images == {"name": "pets", "n": N, "fingerprint": "f" * 64}
    assert made.origin.keys() == {"files", "pictures", "order", "outputs", "probabilities"}
    assert made.origin["pictures"] == "as stated by the user"
    assert len(made.origin["files"]["outputs.npy"]) == 64
    (found,) = verify(store, [run])
    assert (found.verdict, found.reason) == (Verdict.NO_REFERENCE, "no published accuracy")


def test_the_same_file_changes_nothing_and_another_one_is_refused(take, store):
    take(LOGITS)
    before = store.path(RUN).read_bytes()
    assert "was imported from outputs.npy before" in take(LOGITS)[-1]
    assert store.path(RUN).read_bytes() == before
    with pytest.raises(StoreError, match="was imported from another file, or with other options"):
        take(logits(seed=2))
    assert store.path(RUN).read_bytes() == before
    take(LOGITS, keep="all")
    assert store.keeps_all_probabilities(RUN)
    take(LOGITS)
    assert store.keeps_all_probabilities(RUN)


def test_one_of_several_arrays_is_chosen(take, store):
    both = {"logits": LOGITS, "probs": PROBABILITIES}
    with pytest.raises(BenchmarkError, match=r"with --array NAME; it has logits \(24, 1000\), pro"):
        take(both, ".npz")
    with pytest.raises(BenchmarkError, match="it has no array 'x' of numbers"):
        take(both, ".npz", array="x")
    with pytest.raises(BenchmarkError, match="it has none; 'class_id' is taken for the true"):
        take({"class_id": GUESSES}, ".npz")
    take({"class_id": GUESSES}, ".npz", array="class_id", model="class_id")
    many = {f"a{number}": LOGITS[0] for number in range(30)}
    with pytest.raises(BenchmarkError, match=r"a9 \(1000,\), …\.$"):
        take(many, ".npz")
    assert take(both, ".npz", array="probs") == [
        "note: outputs.npz: arrays that were not read: logits"
    ]
    assert store.provenance(RUN).origin["outputs"] == "probabilities"
    wrong = {"logits": LOGITS, "labels": LABELS[::-1]}
    with pytest.raises(BenchmarkError, match="its labels differ from those of pets for"):
        take(wrong, ".npz", model="other")


def test_a_parquet_file_without_rows_is_refused(take, tmp_path):
    pytest.importorskip("pyarrow")
    import pandas as pd

    pd.DataFrame({"filename": [], "prediction": []}).to_parquet(tmp_path / "outputs.parquet")
    with pytest.raises(BenchmarkError, match=r"outputs\.parquet: it is empty\.$"):
        take(None, ".parquet")


def test_files_that_need_pickle_or_are_too_large_are_refused(take, tmp_path, monkeypatch):
    np.save(tmp_path / "outputs.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    with pytest.raises(BenchmarkError, match="it holds object"):
        take(None)
    np.savez(tmp_path / "outputs.npz", logits=np.array([{}], dtype=object))
    with pytest.raises(BenchmarkError, match="its array 'logits' cannot be read: it holds object"):
        take(None, ".npz")
    with zipfile.ZipFile(tmp_path / "outputs.npz", "w") as archive:
        archive.writestr("logits.npy", (tmp_path / "outputs.npy").read_bytes()[:40])
    with pytest.raises(BenchmarkError, match="its array 'logits' cannot be read"):
        take(None, ".npz")
    with pytest.raises(BenchmarkError, match=r"it is no whole \.npz file"):
        take(b"PK", ".npz")
    np.savez_compressed(tmp_path / "outputs.npz", logits=np.zeros((999, 1000)))
    broken = bytearray((tmp_path / "outputs.npz").read_bytes())
    broken[60:80] = bytes(20)
    with pytest.raises(BenchmarkError, match=r"it is no whole \.npz file: Error -3"):
        take(bytes(broken), ".npz")
    np.savez_compressed(tmp_path / "outputs.npz", logits=np.zeros((999, 1000)))
    monkeypatch.setattr(numpy_files, "MOST_BYTES", 1_000_000)
    with pytest.raises(BenchmarkError, match=r"unpacked it has 7,992,\d+ bytes; at most"):
        take(None, ".npz")
    monkeypatch.setattr(output_files, "MOST_BYTES", 1000)
    with pytest.raises(BenchmarkError, match=r"it has 96,128 bytes; at most 1,000"):
        take(LOGITS)


def test_a_changed_byte_is_read_or_refused_and_never_a_traceback(tmp_path):
    random = np.random.default_rng(0)
    (tmp_path / "a.csv").write_text(TABLES["of export"])
    (tmp_path / "b.csv").write_text(lines("filename,pred,prob", KEYS, GUESSES, [0.5] * N))
    np.savez_compressed(tmp_path / "c.npz", names=np.array(KEYS), classes=GUESSES)
    np.save(tmp_path / "d.npy", GUESSES)
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        for _ in range(150):
            broken = bytearray(whole)
            broken[random.integers(min(len(whole), 400))] = random.integers(256)
            path.write_bytes(broken[: random.integers(1, 2 * len(whole))])
            with suppress(BenchmarkError):
                assert len(read_outputs(path, Wanted(2 * N)))


@pytest.mark.parametrize(("suffix", "library"), [(".parquet", "pyarrow"), (".pt", "torch")])
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    suffix, library, take, monkeypatch
):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependency, match=f"{library} is not installed; run: pip install"):
        take(b"?", suffix)


def test_wrong_arguments_are_named(take, tmp_path, store, capsys):
    with pytest.raises(BenchmarkError, match="'nowhere' is neither an image set in"):
        take(LOGITS, images="nowhere")
    with pytest.raises(BenchmarkError, match=r"has none of the suffixes .*\.npy, \.npz, \.pt"):
        take(b"?", ".h5")
    with pytest.raises(BenchmarkError, match="outputs='logit' is unknown; choose from"):
        take(LOGITS, outputs="logit")
    with pytest.raises(BenchmarkError, match="cannot be read: No such file"):
        take(None, ".csv")
    for arguments in (("--model", "mine"), ("--images", "pets"), ()):
        assert call("import", tmp_path / "outputs.npy", *arguments, "--store", store.folder) == 2
        assert "--images SET" in capsys.readouterr().err
    own = ("--model", "mine", "--images", "pets", "-l", "labels.npy")
    assert call("import", tmp_path / "outputs.npy", *own, "--store", store.folder) == 2
    assert "your own outputs have the labels of --images" in capsys.readouterr().err
    assert call("import", "--save-all-probs", "--store", store.folder) == 2
    assert "--save-all-probs: to import your own outputs, add --model" in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--store", "mine")])
def test_an_image_set_of_the_shipped_runs_is_known_to_other_stores(
    tmp_path, store, monkeypatch, capsys, options
):
    store.folder.rename(tmp_path / "precomputed")
    np.save(tmp_path / "logits.npy", LOGITS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("IMAGENET_BENCHMARK_STORE", raising=False)
    assert call("import", "logits.npy", "--model", "mine", "--images", "pets", *options) == 0
    assert "the pictures of pets are those of the store precomputed" in capsys.readouterr().err
    assert Store().folder.is_relative_to(tmp_path / "data")
    target = Store("mine") if options else Store()
    assert target.provenance(RUN).fingerprint == "f" * 64


def test_the_command_stores_your_own_outputs(tmp_path, store, capsys):
    path = tmp_path / "logits.npy"
    np.save(path, LOGITS)
    arguments = ("--model", "mine", "--images", "pets", "--recipe", "my-crop")
    assert call("import", path, *arguments, "--save-all-probs", "--store", store.folder) == 0
    out, err = capsys.readouterr()
    share = (LOGITS.argmax(axis=1) == store.labels("pets")).mean()
    assert (
        out == f"imported/mine (my-crop) on pets is in {store.folder}: acc@1 {100 * share:.2f} %\n"
    )
    assert err == "note: logits.npy: these are logits; a softmax was applied\n"
    run = replace(RUN, recipe="my-crop")
    right = every_image(store.labels("pets"))
    assert calibration(store, run, right).keys() == {"ECE", "NLL", "Brier"}
    assert call("compare", "mine", "first", "--store", store.folder) == 0


def test_validation_pictures_are_told_by_their_number_whatever_folder_they_are_in(take, store):
    names = [f"/data/val/{validation_key(number)}" for number in range(300, 0, -1)]
    guesses = validation_labels()[299::-1]
    part = without_pictures(
        "part", [validation_key(7), validation_key(3)], validation_labels()[[6, 2]]
    )
    (note, *_) = take(lines("filename,prediction", names, guesses), ".csv", images=part)
    assert note == "note: outputs.csv: 298 validation pictures are not in this set"
    assert store.classes(replace(RUN, images="part"))[:, 0].tolist() == guesses[[-7, -3]].tolist()


def test_the_code_of_the_page_on_your_own_outputs_runs(tmp_path, monkeypatch, capsys):
    page = Path(__file__).parents[2] / "docs" / "your-own-outputs.md"
    (code,) = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.M | re.S)
    monkeypatch.chdir(tmp_path)
    labels = Store(page.parents[1] / "precomputed").labels("demo")
    np.save("logits.npy", 9 * np.eye(1000)[labels] - 1)
    exec(code, {})  # noqa: S102
    assert "imported  my-network    100.00" in capsys.readouterr().out


def test_any_right_class_counts_in_the_accuracy_of_your_own_outputs(tmp_path, a_provenance, capsys):
    """A label in the file may be any of them, too."""
    right = np.column_stack([(LABELS + 1) % 1000, LABELS])
    pictures = replace(without_pictures("pets", KEYS, right), fingerprint="f" * 64)
    store = Store(tmp_path / "several")
    top = top_k(softmax(logits(seed=5)).astype(np.float32))
    run = Run("pets", "pair", "first", "published")
    store.write(run, pictures, top, a_provenance(pictures))
    path = tmp_path / "outputs.npz"
    np.savez(path, filenames=np.array(KEYS), logits=LOGITS, labels=LABELS)
    assert call("import", path, "--model", "mine", "--images", "pets", "--store", store.folder) == 0
    share = (GUESSES[:, None] == right).any(axis=1).mean()
    assert f"acc@1 {100 * share:.2f} %" in capsys.readouterr().out
    np.savez(path, filenames=np.array(KEYS), logits=LOGITS, labels=LABELS + 2)
    call("import", path, "--model", "other", "--images", "pets", "--store", store.folder)
    assert "its labels differ from those of pets" in capsys.readouterr().err
