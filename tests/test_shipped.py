"""The predictions that the project ships, and the tables made from them."""

import re
from pathlib import Path

import pytest

from benchmarking.cli import main
from benchmarking.models.sources import all_specs
from benchmarking.predictions.store import Store
from benchmarking.reports.formats import format_of
from benchmarking.scoring.aggregate import aggregate

ROOT = Path(__file__).parents[1]
STORE = Store(ROOT / "precomputed")
SHIPPED = ["demo", "imagenet-sample-500"]

# Measured with other code, before this project existed.
KNOWN = {
    "efficientnet-lite0": (88.4, 97.2),
    "efficientnet-lite1": (88.2, 98.2),
    "efficientnet-lite2": (90.4, 98.8),
}


def test_every_model_is_shipped_on_every_set():
    lite = {(s.source, s.name) for s in all_specs() if s.name in KNOWN}
    assert STORE.image_sets() == SHIPPED
    for images in SHIPPED:
        assert {(run.source, run.model) for run in STORE.runs(images)} == lite


def test_accuracies_on_500_pictures_are_the_known_ones_within_a_picture():
    table = aggregate(STORE, SHIPPED[1])
    assert table.n == 500
    for row in table.rows:
        found = [100 * row.scores[name].share for name in ("Acc@1", "Acc@5")]
        assert found == pytest.approx(KNOWN[row.run.model], abs=0.2)


@pytest.mark.parametrize("images", SHIPPED)
@pytest.mark.parametrize("suffix", [".md", ".csv"])
def test_shipped_tables_follow_from_shipped_predictions(images, suffix):
    path = ROOT / "results" / f"{images}{suffix}"
    assert path.read_text() == format_of(path).render([aggregate(STORE, images)])


@pytest.mark.parametrize("suffix", [".csv", ".md", ".tex", ".json"])
def test_the_table_of_2019_follows_from_its_arrays(imported_2019, suffix, tmp_path, monkeypatch):
    """With the command of the Makefile, which is a comment in the .tex file."""
    monkeypatch.chdir(tmp_path)
    for folder in ("build", "results"):
        (tmp_path / folder).mkdir()
    (tmp_path / "build" / "2019").symlink_to(imported_2019.folder)
    path = f"results/imagenet-val-2019{suffix}"
    assert f"table --store build/2019 -o {path.removesuffix(suffix)}.$$format" in (
        (ROOT / "Makefile").read_text()
    )
    assert main(["table", "--store", "build/2019", "-o", path]) == 0
    assert Path(path).read_text() == (ROOT / path).read_text()


@pytest.mark.parametrize("images", SHIPPED)
def test_every_shipped_run_is_as_its_digests_say(images):
    assert [STORE.check(run) for run in STORE.runs(images)] == 6 * [True]


def test_shipped_provenance_names_no_folder_of_a_machine():
    for run in [run for images in SHIPPED for run in STORE.runs(images)]:
        assert not any(re.search(r"[/\\]", part) for part in STORE.provenance(run).arguments)
