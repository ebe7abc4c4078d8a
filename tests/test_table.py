import csv
import io
from pathlib import Path

import numpy as np
import pytest
from conftest import an_image_set

from benchmarking import reports
from benchmarking.aggregate import aggregate
from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.plugins import discover
from benchmarking.predictions import top_k
from benchmarking.reports import render_as
from benchmarking.specs import Run
from benchmarking.store import PredictionStore


@pytest.fixture
def store(tmp_path, a_provenance):
    """Two image sets; models that get a known number of pictures right."""
    store = PredictionStore(tmp_path / "store")
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


def test_each_image_set_has_a_table_of_its_own(store):
    found = [(table.images, table.n, len(table.rows)) for table in both(store)]
    assert found == [("ten", 10, 4), ("two", 2, 1)]


def test_a_text_table_reads_as_it_should(store):
    text = render_as(Path("t.txt"), [aggregate(store, "two")])
    assert text == (
        "two, 2 pictures, fingerprint bbe380a4e35b\n"
        "Platform  Model  Recipe     Acc@1 [95 % interval]   Acc@5 [95 % interval]"
        "  Rank@1  Rank@5  n\n"
        "Abacus    good   published    50.00 [9.45, 90.55]  100.00 [34.24, 100.00]"
        "       1       1  2\n"
    )


def test_a_markdown_table_reads_as_it_should(store):
    text = render_as(Path("t.md"), [aggregate(store, "two")])
    assert text.splitlines() == [
        "## two, 2 pictures, fingerprint bbe380a4e35b",
        "",
        "| Platform | Model | Recipe | Acc@1 [95 % interval] | Acc@5 [95 % interval] "
        "| Rank@1 | Rank@5 | n |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
        "| Abacus | good | published | 50.00 [9.45, 90.55] | 100.00 [34.24, 100.00] | 1 | 1 | 2 |",
    ]


def test_a_csv_file_holds_every_run_of_every_set(store):
    rows = list(csv.DictReader(io.StringIO(render_as(Path("t.csv"), both(store)))))
    assert [(row["Images"], row["Model"], row["Acc@1"], row["n"]) for row in rows] == [
        ("ten", "good", "80.0000", "10"),
        ("ten", "even", "50.0000", "10"),
        ("ten", "fair", "50.0000", "10"),
        ("ten", "poor", "20.0000", "10"),
        ("two", "good", "50.0000", "2"),
    ]
    assert rows[0]["Source"] == "somewhere"
    assert (rows[0]["Acc@1 low"], rows[0]["Acc@1 high"]) == ("49.0162", "94.3318")


def test_a_suffix_without_a_format_is_refused_with_those_that_have_one():
    with pytest.raises(BenchmarkError, match=r"t.xls has no known suffix; use one of .csv, .md"):
        render_as(Path("t.xls"), [])


@pytest.mark.parametrize("module", discover(reports).values(), ids=lambda module: module.NAME)
def test_every_report_names_every_model_and_set(module, store):
    text = module.render(both(store))
    assert text.endswith("\n")
    for word in ("ten", "two", "good", "even", "fair", "poor", "published", "Abacus"):
        assert word in text


def test_a_run_shorter_than_the_list_of_pictures_is_named(store):
    rows = store.folder / "two" / "images.csv"
    rows.write_text(rows.read_text() + "z,3\n")
    with pytest.raises(StoreError, match="good.published.safetensors has 2 rows for 3 pictures"):
        aggregate(store, "two")


def test_a_run_on_other_pictures_is_named_not_ranked(store):
    """As where somebody merges two stores by hand."""
    run = Run("ten", "somewhere", "poor", "published")
    made = store.provenance(run)
    path = store.path(run)
    path.write_bytes(path.read_bytes().replace(made.images["fingerprint"].encode(), b"f" * 64))
    with pytest.raises(StoreError, match=r"poor.*was made on other pictures \(fingerprint f{64}\)"):
        aggregate(store, "ten")


def test_models_of_one_name_from_two_sources_are_told_apart(store, a_provenance, tmp_path):
    two = an_image_set(tmp_path / "two", {"x": 3, "y": 3}, name="two")
    said = top_k(np.full((2, 20), 0.05, np.float32))
    store.write(Run("two", "elsewhere", "good", "published"), two, said, a_provenance(two))
    text = render_as(Path("t.txt"), [aggregate(store, "two")])
    assert "somewhere/good" in text
    assert "elsewhere/good" in text
