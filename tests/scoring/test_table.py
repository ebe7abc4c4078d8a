import csv
import io
import json
import re
import shutil
from argparse import Namespace
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import an_image_set

from benchmarking.cli import main
from benchmarking.cli.options import subset
from benchmarking.errors import BenchmarkError
from benchmarking.labels.imagenet import validation_key, validation_labels, wnids
from benchmarking.labels.label_set import every_image
from benchmarking.models.spec import Published
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_file import packed
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import top_k
from benchmarking.reports import formats
from benchmarking.reports.data_frame import pandas_frame
from benchmarking.reports.formats import format_of, latex
from benchmarking.scoring.aggregate import aggregate
from benchmarking.scoring.statistics import wilson_interval
from benchmarking.scoring.table import AccuracyTable, Counts, View, tabulate


@pytest.fixture
def store(tmp_path, a_provenance):
    """Two image sets, and models with known numbers of right predictions."""
    store = Store(tmp_path / "store")
    ten = an_image_set(tmp_path / "ten", {f"{i}": i for i in range(10)}, name="ten")
    two = an_image_set(tmp_path / "two", {"x": 3, "y": 3}, name="two")
    for images, right in ((ten, {"good": 8, "fair": 5, "even": 5, "poor": 2}), (two, {"good": 1})):
        for model, n in right.items():
            probabilities = np.full((len(images), 20), 0.01, np.float32)
            guesses = np.where(np.arange(len(images)) < n, images.labels, 19)
            probabilities[np.arange(len(images)), guesses] = 0.81
            run = Run(images.name, "somewhere", model, "published")
            store.write(run, images, top_k(probabilities), a_provenance(images))
    return store


def both(store):
    return [aggregate(store, images) for images in store.image_sets()]


def test_models_are_ranked_by_accuracy_and_ties_share_a_rank(store):
    table = aggregate(store, "ten")
    rows = [(r.run.model, r.scores["Acc@1"].right, r.scores["Acc@1"].rank) for r in table.rows]
    assert rows == [("good", 8, 1), ("even", 5, 2), ("fair", 5, 2), ("poor", 2, 4)]


class WithRandomWeights:
    """The runs of a store, as if all weights had been random."""

    def __init__(self, store):
        self.runs, self.right_classes, self._store = store.runs, store.right_classes, store

    def classes_and_provenance(self, run):
        classes, made = self._store.classes_and_provenance(run)
        return classes, replace(made, weights={"name": "random"})


def test_runs_with_random_weights_are_not_compared_with_published_accuracies(imported_2019):
    vgg16 = [one for one in imported_2019.runs("imagenet-val-2019") if one.model == "vgg16"]
    for store, compared in ((imported_2019, [True]), (WithRandomWeights(imported_2019), [False])):
        rows = aggregate(store, "imagenet-val-2019", runs=vgg16[:1]).rows
        assert [row.published is not None for row in rows] == compared


def test_each_image_set_has_a_table_of_its_own(store):
    found = [(table.images, table.n, len(table.rows)) for table in both(store)]
    assert found == [("ten", 10, 4), ("two", 2, 1)]


def test_a_text_table_reads_as_it_should(store):
    text = format_of(Path("t.txt")).render([aggregate(store, "two")])
    assert text == (
        "two, 2 pictures, fingerprint bbe380a4e35b, recipe published\n"
        "Platform  Model  Acc@1 ± 95 % CI   Acc@5  Rank  Tier\n"
        "Abacus    good     50.00 ± 40.55  100.00     1     1\n"
    )


def test_a_markdown_table_reads_as_it_should(store):
    text = format_of(Path("t.md")).render([aggregate(store, "two")])
    assert text.splitlines() == [
        "## two, 2 pictures, fingerprint bbe380a4e35b",
        "",
        "| Platform | Model | Recipe | Acc@1 [95 % interval] | Acc@5 [95 % interval] "
        "| Rank@1 | Rank@5 | Tier | Ranks | n |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| Abacus | good | published | 50.00 [9.45, 90.55] | 100.00 [34.24, 100.00] "
        "| 1 | 1 | 1 | 1-1 | 2 |",
    ]


def test_a_csv_file_holds_every_run_of_every_set(store):
    rows = list(csv.DictReader(io.StringIO(format_of(Path("t.csv")).render(both(store)))))
    assert [(row["Images"], row["Model"], row["Acc@1"], row["n"]) for row in rows] == [
        ("ten", "good", "0.8", "10"),
        ("ten", "even", "0.5", "10"),
        ("ten", "fair", "0.5", "10"),
        ("ten", "poor", "0.2", "10"),
        ("two", "good", "0.5", "2"),
    ]
    assert rows[0]["Source"] == "somewhere"
    assert [float(rows[0][f"Acc@1 {end}"]) for end in ("low", "high")] == list(
        wilson_interval(8, 10)
    )


def test_the_first_columns_of_a_csv_file_are_those_of_2019(store):
    ten = every_image(store.labels("ten"))
    labels = {"": ten, "c": ten.without([0])}
    text = format_of(Path("t.csv")).render([aggregate(store, "ten", labels=labels)])
    assert text.splitlines()[0].startswith(
        "Platform,Model,Acc@1,cAcc@1,Acc@5,cAcc@5,Rank@1,cRank@1,Rank@5,cRank@5,"
    )


def test_a_data_frame_holds_the_shares_to_the_last_digit(store):
    tables = both(store)
    frame = pandas_frame(tables)
    rows = [row for table in tables for row in table.rows]
    assert frame["Model"].tolist() == [row.run.model for row in rows]
    assert frame["Acc@1 low"].tolist() == [row.scores["Acc@1"].low for row in rows]


def test_json_holds_how_each_run_was_made(store):
    document = json.loads(format_of(Path("t.json")).render(both(store)))
    ten, two = document["tables"]
    assert [row["model"] for row in ten["rows"]] == ["good", "even", "fair", "poor"]
    made = two["rows"][0]["provenance"]
    assert Provenance.from_document(made) == store.provenance(
        Run("two", "somewhere", "good", "published")
    )
    assert two["rows"][0]["scores"]["Acc@1"]["right"] == 1


def test_latex_has_its_special_characters_escaped():
    run = Run("two", "somewhere", "a_b", "published")
    made = Provenance.from_document(
        json.loads(STRANGE) | {"platform": "50% of {A} & B_2 #1 $ ~ ^ \\ <b> x--y"}
    )
    hits = np.packbits([True, False])
    counts = [Counts(run, made, {"Acc@1": (1, 2)}, hits, Published(99.0, "somebody"))]
    table = AccuracyTable("two", 2, "f" * 64, ("Acc@1",), tabulate(counts, "Acc@1"))
    texts = [latex.render([replace(table, view=View(columns))]) for columns in ("default", "wide")]
    platform = (
        r"50\% of \{A\} \& B\_2 \#1 \$ \textasciitilde{} \textasciicircum{} "
        r"\textbackslash{} \textless{}b\textgreater{} x-{}-y & a\_b & "
    )
    assert platform + r"50.00 $\pm$ 40.55 & 1 & 1 \\" in texts[0].splitlines()
    last = r"published & 50.00 [9.45, 90.55] & 1 & 1 & 1-1 & 2 & 99.00 & $-$49.00 \\"
    assert platform + last in texts[1].splitlines()


STRANGE = json.dumps(
    {
        **{"weights": {"name": "w"}, "preprocessing": {}, "images": {"fingerprint": "f" * 64}},
        **{"versions": {}, "device": "", "precision": "", "batch_size": 1, "input_shapes": []},
        **{"executor": "", "process_id": 1, "started": "", "seconds": 0.0, "arguments": []},
    }
)


def test_a_suffix_without_a_format_is_refused_with_those_that_have_one():
    with pytest.raises(
        BenchmarkError, match=r"t.xls has no known suffix; use one of .csv, .json, .md, .tex, .txt"
    ):
        format_of(Path("t.xls")).render([])


@pytest.mark.parametrize("module", formats.reports().values(), ids=lambda module: module.NAME)
def test_every_report_names_every_model_and_set(module, store):
    text = module.render(both(store))
    assert text.endswith("\n")
    for word in ("ten", "two", "good", "even", "fair", "poor", "published", "Abacus"):
        assert word in text


POOR = Run("ten", "somewhere", "poor", "published")


def merge(store, folder, n, fingerprint, made):
    """Replace "poor" by a run from another store, like a merge of two stores by hand."""
    other = Store(folder / "other")
    images = an_image_set(folder / "elsewhere", {f"{i}": i for i in range(n)}, name="ten")
    images = replace(images, fingerprint=fingerprint)
    made = replace(made, images={**made.images, "fingerprint": fingerprint})
    other.write(POOR, images, top_k(np.full((n, 20), 0.05, np.float32)), made)
    shutil.copy(other.path(POOR), store.path(POOR))


@pytest.fixture
def merged(store, tmp_path):
    """The store with one run on other pictures among the runs on "ten"."""
    merge(store, tmp_path, 10, "f" * 64, store.provenance(POOR))
    return store


def test_a_run_shorter_than_the_list_of_pictures_is_named(store, tmp_path):
    made = store.provenance(POOR)
    merge(store, tmp_path, 9, made.fingerprint, made)
    arrays = {"top5_index": np.zeros((9, 5), np.uint16)}
    store.path(POOR).write_bytes(packed(POOR, arrays, made, rows=""))  # no digest of the list
    (reason,) = aggregate(store, "ten").left_out
    assert reason == f"{POOR} has 9 rows for 10 pictures."


def test_a_broken_run_is_left_out_and_named(store):
    path = store.path(Run("ten", "somewhere", "fair", "published"))
    path.write_bytes(path.read_bytes()[:100])
    table = aggregate(store, "ten")
    assert [row.run.model for row in table.rows] == ["good", "even", "poor"]
    (reason,) = table.left_out
    assert str(path) in reason


def test_a_run_on_other_pictures_is_named_not_ranked(merged):
    table = aggregate(merged, "ten")
    assert [row.run.model for row in table.rows] == ["good", "even", "fair"]
    (reason,) = table.left_out
    assert f"poor (published) on ten was made on other pictures (fingerprint {'f' * 64})" in reason


def test_runs_on_different_pictures_share_a_table_on_request(merged):
    table = aggregate(merged, "ten", pictures="any")
    assert (len(table.rows), table.fingerprint) == (4, "unknown")


def test_models_of_one_name_from_two_sources_are_distinguished(store, a_provenance, tmp_path):
    two = an_image_set(tmp_path / "two", {"x": 3, "y": 3}, name="two")
    said = top_k(np.full((2, 20), 0.05, np.float32))
    store.write(Run("two", "elsewhere", "good", "published"), two, said, a_provenance(two))
    text = format_of(Path("t.txt")).render([aggregate(store, "two")])
    assert "somewhere/good" in text
    assert "elsewhere/good" in text


@pytest.fixture
def hundred(tmp_path, a_provenance):
    """Models with 90, 88, 70, 69 and 20 of 100 pictures right; some differ significantly."""
    store = Store(tmp_path / "hundred")
    images = an_image_set(tmp_path / "100", {f"{n:03d}": n % 10 for n in range(100)}, "hundred")
    for right in (90, 88, 70, 69, 20):
        everything = np.full((100, 20), 0.02, np.float32)
        guesses = np.where(np.arange(100) < right, images.labels, 19)
        everything[np.arange(100), guesses] = 0.62
        run = Run("hundred", "somewhere", f"m{right}", "published")
        keep = {"probabilities": everything} if right > 69 else {}
        store.write(run, images, top_k(everything), a_provenance(images), **keep)
    return store


def test_tiers_and_ranks_follow_from_paired_tests(hundred):
    table = aggregate(hundred, "hundred")
    found = {row.run.model: (row.place.tier, row.place.best, row.place.worst) for row in table.rows}
    assert found == {
        "m90": (1, 1, 2),
        "m88": (1, 1, 2),
        "m70": (2, 3, 4),
        "m69": (2, 3, 4),
        "m20": (3, 5, 5),
    }


def test_very_many_runs_have_no_tiers(hundred, monkeypatch):
    monkeypatch.setattr("benchmarking.scoring.table.MOST_PLACED", 4)
    table = aggregate(hundred, "hundred")
    assert {row.place for row in table.rows} == {None}
    assert "Tier" not in format_of(Path("t.txt")).render([table])


def test_the_34_have_a_tier_fewer_than_neighbours_that_differ(imported_2019):
    rows = aggregate(imported_2019, "imagenet-val-2019").rows
    tiers = [row.place.tier for row in rows]
    assert tiers[0] == 1
    assert all(after - before in (0, 1) for before, after in pairwise(tiers))
    assert all(row.place.best <= n <= row.place.worst for n, row in enumerate(rows, 1))


def table_of(capsys, store, *arguments):
    assert main(["table", "--store", str(store.folder), *map(str, arguments)]) == 0
    caption, headings, *lines = capsys.readouterr().out.splitlines()
    cells = [re.split(r"  +", line) for line in (headings, *lines)]
    return caption, [dict(zip(cells[0], line, strict=False)) for line in cells[1:]]


def test_several_label_sets_stand_side_by_side(hundred, tmp_path, capsys):
    labels = tmp_path / "mine.csv"
    labels.write_text("000,0\n001,1\n002,5\n")
    _, rows = table_of(capsys, hundred, "--labels", "original", "--labels", labels)
    assert [row["n"] for row in rows] == ["100"] * 5
    assert [row["mine n"] for row in rows] == ["3"] * 5
    assert rows[0]["mine Acc@1 ± 95 % CI"].startswith("66.67 ")
    assert rows[0]["Acc@1 ± 95 % CI"].startswith("90.00 ")


def test_two_files_of_labels_with_one_name_are_refused_not_merged(hundred, tmp_path, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "l.csv").write_text("000,0\n")
    both = [part for folder in "ab" for part in ("--labels", str(tmp_path / folder / "l.csv"))]
    assert main(["table", "--store", str(hundred.folder), *both]) == 2
    assert "would have the same column names as other labels" in capsys.readouterr().err


def test_a_subset_is_named_and_counted(hundred, tmp_path, capsys):
    caption, rows = table_of(capsys, hundred, "--only", "n01440764", "n01443537", "--wide")
    assert caption.startswith("hundred, 100 pictures, only n01440764, n01443537, fingerprint ")
    assert [row["n"] for row in rows] == ["20"] * 5
    (tmp_path / "blurry.txt").write_text("000\n010\n")
    caption, rows = table_of(
        capsys, hundred, "--only=n01440764", "--without", tmp_path / "blurry.txt", "--wide"
    )
    assert "only n01440764 without blurry.txt" in caption
    assert [row["n"] for row in rows] == ["8"] * 5


def test_a_selected_picture_is_named_with_its_folder(tmp_path):
    """Other classes may have a picture with the same file name."""
    names = ["val/n01440764/0.jpg", "n01440764", r"C:\\n01443537\\0.jpg"]
    assert subset(Namespace(only=names, without=None)) == (
        "only n01440764/0.jpg, n01440764, n01443537/0.jpg"
    )
    (tmp_path / "rows.txt").write_text("0.jpg\n")
    assert subset(Namespace(only=None, without=[str(tmp_path / "rows.txt")])) == "without rows.txt"


def test_calibration_is_shown_where_it_can_be(hundred, capsys):
    _, rows = table_of(capsys, hundred, "--calibration")
    assert [row["ECE [%]"] for row in rows] == ["28.0", "26.0", "8.0", "7.0", "42.0"]
    everything = hundred.read_probabilities(Run("hundred", "somewhere", "m90", "published"))
    labels = hundred.labels("hundred")
    expected = -np.log(everything[np.arange(100), labels]).mean()
    assert float(rows[0]["NLL"]) == pytest.approx(expected, abs=1e-4)
    assert [bool(row.get("NLL")) for row in rows] == [True, True, True, False, False]


def test_runs_on_other_pictures_can_be_mixed_in(merged, capsys):
    arguments = ["table", "--images", "ten", "--store", str(merged.folder)]
    assert main(arguments) == 1
    assert "left out: somewhere/poor" in capsys.readouterr().err
    assert main([*arguments, "--mix-pictures"]) == 0
    assert "fingerprint unknown" in capsys.readouterr().out


@pytest.fixture
def two_sets(store, tmp_path, a_provenance):
    """A store with runs on "ten" and on three validation pictures."""
    labels = {validation_key(number): int(validation_labels()[number - 1]) for number in (5, 6, 7)}
    images = an_image_set(tmp_path / "val", labels, name="val")
    everything = np.full((3, 1000), 0.0005, np.float32)
    everything[[0, 1, 2], images.labels] = 0.5
    store.write(
        Run("val", "somewhere", "good", "published"),
        images,
        top_k(everything),
        a_provenance(images),
    )
    return store


def test_sets_that_labels_are_not_about_are_left_out_by_name(two_sets, tmp_path, capsys):
    labels = tmp_path / "mine.txt"
    labels.write_text(f"{validation_key(5)} 7\n{validation_key(6)} {validation_labels()[5]}\n")
    assert main(["table", "--store", str(two_sets.folder), "--labels", str(labels)]) == 0
    out, err = capsys.readouterr()
    assert [line for line in out.splitlines() if "pictures" in line][0].startswith("val, 3 ")
    assert "ten, " not in out
    assert f"note: ten is left out: {labels}: 2 of 2 names match no picture of the set" in err


def test_a_subset_that_a_set_has_nothing_of_leaves_it_out_by_name(two_sets, capsys):
    own = wnids()[validation_labels()[4]]
    assert main(["table", "--store", str(two_sets.folder), "--only", own]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("val, 3 pictures, only ")
    assert err.startswith(f"note: ten is left out: no labelled picture is left with only {own}.")


def test_where_no_set_is_left_the_reason_is_the_error(two_sets, capsys):
    assert main(["table", "--store", str(two_sets.folder), "--only", "n15075141"]) == 2
    assert capsys.readouterr().err == (
        "imagenet-benchmark: no labelled picture is left with only n15075141.\n"
    )


def test_ece_is_a_share_in_files_for_programs(hundred, tmp_path, capsys):
    for suffix in (".csv", ".json", ".md"):
        path = tmp_path / f"t{suffix}"
        assert (
            main(["table", "--calibration", "--store", str(hundred.folder), "-o", str(path)]) == 0
        )
    (first, *_) = csv.DictReader((tmp_path / "t.csv").read_text().splitlines())
    assert float(first["ECE"]) == pytest.approx(0.28)
    document = json.loads((tmp_path / "t.json").read_text())
    assert document["tables"][0]["rows"][0]["measures"]["ECE"] == pytest.approx(0.28)
    assert "| ECE [%] |" in (tmp_path / "t.md").read_text()


def test_what_sorts_a_table_does_not_order_its_columns(hundred):
    labels = {"": every_image(hundred.labels("hundred")), "c": every_image([19] * 100)}
    for by in ("Acc@1", "cAcc@1", "cAcc@5"):
        table = aggregate(hundred, "hundred", labels=labels, by=by)
        assert table.columns == ("Acc@1", "cAcc@1", "Acc@5", "cAcc@5")
        assert [list(row.scores) for row in table.rows] == [list(table.columns)] * 5


def test_a_table_of_labels_in_another_order_warns(tmp_path, a_provenance):
    """500 pictures, of which a model gets none right."""
    store = Store(tmp_path / "s")
    images = an_image_set(tmp_path / "500", {f"{n:03d}": n % 10 for n in range(500)}, "many")
    everything = np.full((500, 20), 0.02, np.float32)
    everything[:, 19] = 0.62
    for model, right in (("bad", 0), ("good", 400)):
        said = everything.copy()
        said[np.arange(right), images.labels[:right]] = 0.9
        run = Run("many", "somewhere", model, "published")
        store.write(run, images, top_k(said), a_provenance(images))
    (warning,) = aggregate(store, "many").notes
    assert warning == (
        "warning: Acc@1 of 1 of 2 runs on many is near chance (somewhere/bad: 0.00 %): labels and "
        "predictions are probably in different orders of pictures or classes"
    )


@pytest.mark.parametrize(
    ("n", "classes", "right", "warns"),
    [(9, 9, 0, True), (8, 8, 0, False), (100, 10, 0, True), (100, 10, 1, False)]
    + [(100, 4, 0, False), (500, 1, 0, True), (500, 10, 4, True)],
)
def test_a_few_pictures_without_a_right_guess_are_enough_for_a_warning(
    tmp_path, a_provenance, n, classes, right, warns
):
    """But a trained model may know none of a few classes."""
    store = Store(tmp_path / "s")
    images = an_image_set(tmp_path / "few", {f"{at:03d}": at % classes for at in range(n)}, "few")
    said = np.full((n, 20), 0.02, np.float32)
    said[:, 19] = 0.62
    said[np.arange(right), images.labels[:right]] = 0.9
    store.write(
        Run("few", "somewhere", "bad", "published"), images, top_k(said), a_provenance(images)
    )
    notes = aggregate(store, "few").notes
    assert (
        any(note.startswith("warning: Acc@1 of 1 of 1 runs on few is near") for note in notes)
        is warns
    )
