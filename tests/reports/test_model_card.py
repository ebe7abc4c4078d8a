"""`export model-card`: what the library of the Hugging Face Hub reads, and hostile names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import an_image_set
from html_outline import HOSTILE

from benchmarking.labels.imagenet import validation_key
from benchmarking.pictures.image_set import without_pictures
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import TopK
from benchmarking.reports.shown_table import score

PRECOMPUTED = Path(__file__).parents[2] / "precomputed"
LITE0 = "efficientnet-lite-pytorch/efficientnet-lite0"


@pytest.fixture(scope="module")
def hub():
    return pytest.importorskip("huggingface_hub")


def stored(store: Path, pictures: Path, made, **names: str) -> None:
    """A run of a model of mine on one picture."""
    images = an_image_set(pictures, {"a": 1}, names.get("images", "one"))
    top = TopK(np.array([[1, 2]]), np.float32([[0.6, 0.3]]))
    run = Run(images.name, names.get("source", "mine"), "net", names.get("recipe", "published"))
    Store(store).write(run, images, top, made(images))


def test_the_hub_reads_the_numbers_of_the_table(hub, call):
    status, out, err = call("export", "model-card", LITE0, "--store", PRECOMPUTED)
    assert (status, err) == (0, "")
    data = hub.ModelCard(f"{out}\n# A card\n").data
    assert data.model_name == "efficientnet-lite0"
    assert [one.dataset_name for one in data.eval_results] == [
        *["demo"] * 2,
        *["imagenet-sample-500"] * 2,
    ]
    for one in data.eval_results:
        (row,) = (
            row
            for row in score(PRECOMPUTED, one.dataset_type).rows
            if f"{row.run.source}/{row.run.model}" == LITE0
        )
        found = row.scores[one.metric_name.removesuffix(" [%]")]
        assert one.task_type == "image-classification"
        assert one.metric_type == "accuracy"
        assert one.metric_value == pytest.approx(100 * found.share, abs=1e-4)
        assert one.metric_args == {
            "low": pytest.approx(100 * found.low, abs=1e-4),
            "high": pytest.approx(100 * found.high, abs=1e-4),
            **{"interval": "95 % Wilson", "pictures": found.n},
            **{"recipe": "published", "platform": "PyTorch"},
        }
        assert one.dataset_args == {"fingerprint": row.provenance.fingerprint}


def test_the_card_that_the_hub_writes_again_has_the_same_results(hub, call):
    _, out, _ = call("export", "model-card", LITE0, "--store", PRECOMPUTED)
    data = hub.ModelCard(out).data
    again = hub.ModelCard(f"---\n{data.to_yaml()}\n---\n").data
    assert again.eval_results == data.eval_results


def test_only_the_whole_validation_set_is_called_so(hub, call, imported_2019):
    arguments = ["alexnet", "--store", imported_2019.folder]
    _, out, _ = call("export", "model-card", *arguments)
    first, _ = hub.ModelCard(out).data.eval_results
    assert (first.dataset_type, first.dataset_name) == ("imagenet-1k", "ImageNet-1k")
    assert (first.dataset_split, first.dataset_config) == ("validation", "imagenet-val-2019")
    assert first.metric_value == pytest.approx(54.478, abs=0.05)


@pytest.mark.parametrize(("kind", "called"), [("", "imagenet-1k"), ("imagenet-c", "all")])
def test_altered_pictures_with_the_names_of_the_validation_set_are_not(
    kind, called, hub, call, tmp_path, a_provenance
):
    """Those of ImageNet-C have the names of the original ones."""
    keys = [validation_key(number) for number in range(1, 50_001)]
    images = without_pictures("all", keys, np.zeros(50_000, np.int64))
    made = a_provenance(images)
    made = replace(made, images={**made.images, "picture_set": kind})
    top = TopK(np.tile([[0, 1]], (50_000, 1)), np.tile(np.float32([[0.6, 0.3]]), (50_000, 1)))
    Store(tmp_path).write(Run("all", "mine", "net", "published"), images, top, made)
    _, out, _ = call("export", "model-card", "net", "--store", tmp_path)
    (one,) = hub.ModelCard(out).data.eval_results
    assert one.dataset_type == called


def test_a_file_has_no_dashes_and_is_yaml(hub, call, tmp_path):
    file = tmp_path / "card.yaml"
    arguments = [LITE0, "--images", "demo", "--store", PRECOMPUTED]
    assert call("export", "model-card", *arguments, "-o", file) == (0, "", f"wrote {file}\n")
    _, out, _ = call("export", "model-card", *arguments)
    assert out == f"---\n{file.read_text()}---\n"


def test_hostile_names_stay_text(hub, call, tmp_path, a_provenance):
    def made(images):
        return replace(a_provenance(images), platform=f"{HOSTILE}\n---\nlicense: mit\n# {HOSTILE}")

    stored(tmp_path / "store", tmp_path / "pictures", made)
    status, out, _ = call("export", "model-card", "net", "--store", tmp_path / "store")
    assert status == 0
    card = hub.ModelCard(out)
    assert (card.text, card.data.license) == ("", None)
    (one,) = card.data.eval_results
    escaped = HOSTILE.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e")
    assert one.metric_args["platform"] == rf"{escaped}\n---\nlicense: mit\n# {escaped}"
    assert not {"\x1b", "\u202e"} & set(out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model-card", "*lite0"], "one model with one recipe, and there are 2 (efficientnet-"),
        (["model-card"], "name the model, such as 'export model-card torchvision/resnet50'"),
        (["model-card", LITE0, "-o", "README.md"], "README.md has no known suffix; use .yaml."),
        (["folder"], "export needs --to npy or --to csv, the format of the files in folder;"),
        (["folder", LITE0, "--to", "csv"], "a RUN and -o are for 'export model-card' only;"),
    ],
)
def test_what_is_no_card_is_refused(arguments, message, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = call("export", *arguments, "--store", PRECOMPUTED)
    assert (status, out) == (2, "")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_arrays_may_still_be_called_model_card(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["--to", "csv", "--images", "demo", "--store", PRECOMPUTED]
    status, out, _ = call("export", "model-card", *arguments)
    assert (status, out) == (0, "6 runs in model-card\n")
    assert len([*(tmp_path / "model-card").rglob("*.csv")]) == 6


def test_random_weights_have_no_card(call, tmp_path, a_provenance):
    def made(images):
        return replace(a_provenance(images), weights={"name": "random"})

    stored(tmp_path / "store", tmp_path / "pictures", made)
    status, _, err = call("export", "model-card", "net", "--store", tmp_path / "store")
    assert status == 2
    assert "has random weights, so it has no results for a card" in err
