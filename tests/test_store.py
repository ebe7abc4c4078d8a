import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import an_image_set
from safetensors.numpy import load_file, save_file

from benchmarking.errors import StoreError
from benchmarking.predictions import top_k
from benchmarking.specs import Run
from benchmarking.store import PredictionStore, bytes_needed

RUN = Run("three", "source", "model-v1.0", "published")


def probabilities(n: int = 3) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(1000), n).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    return PredictionStore(tmp_path / "store")


@pytest.fixture
def stored(store, three_pictures, a_provenance):
    store.write(RUN, three_pictures, top_k(probabilities()), a_provenance(three_pictures))
    return store


def test_what_is_read_is_what_was_written(stored, three_pictures, a_provenance):
    said = top_k(probabilities())
    assert stored.runs("three") == [RUN]
    assert (stored.read(RUN).classes == said.classes).all()
    assert (stored.read(RUN).probabilities == said.probabilities).all()
    assert stored.provenance(RUN) == a_provenance(three_pictures)
    assert stored.rows("three").keys == ("a", "b", "c")
    assert stored.rows("three").labels.tolist() == [1, 1, 3]


def test_the_files_are_what_the_documentation_says(stored):
    path = stored.folder / "three" / "source" / "model-v1.0.published.safetensors"
    tensors = load_file(path)
    assert {name: (array.dtype.name, array.shape) for name, array in tensors.items()} == {
        "top5_index": ("uint16", (3, 5)),
        "top5_prob": ("float32", (3, 5)),
    }
    assert (stored.folder / "three" / "images.csv").read_text() == "key,class\na,1\nb,1\nc,3\n"


def test_all_probabilities_are_kept_on_request(store, three_pictures, a_provenance):
    everything = probabilities()
    provenance = a_provenance(three_pictures)
    store.write(RUN, three_pictures, top_k(everything), provenance, probabilities=everything)
    assert store.keeps_all_probabilities(RUN)
    assert (store.read_probabilities(RUN) == everything).all()
    size = store.path(RUN).stat().st_size
    assert abs(size - bytes_needed(3, classes=1000)) < 4096


def test_a_top_5_run_keeps_no_more(stored):
    assert not stored.keeps_all_probabilities(RUN)
    with pytest.raises(StoreError, match="does not contain tensor probabilities"):
        stored.read_probabilities(RUN)


def test_part_files_of_a_write_in_progress_are_no_runs(stored):
    path = stored.path(RUN)
    path.with_name(f".{path.name}.123.part").write_bytes(path.read_bytes()[:100])
    path.with_name(".x.published.safetensors").touch()
    assert stored.runs("three") == [RUN]


def test_other_names_under_a_known_set_are_refused(stored, tmp_path, a_provenance):
    other = an_image_set(tmp_path / "other", {"a": 1, "b": 2, "d": 3})
    with pytest.raises(StoreError, match=r"'three' is stored with .* --images"):
        stored.admit(other)
    with pytest.raises(StoreError, match="is stored with fingerprint"):
        stored.write(RUN, other, top_k(probabilities()), a_provenance(other))


def test_other_bytes_under_a_known_set_are_refused(stored, three_pictures):
    altered = replace(three_pictures, fingerprint="another")
    with pytest.raises(StoreError, match="'three' is stored with fingerprint"):
        stored.admit(altered)


def test_other_classes_for_the_same_pictures_are_refused(stored, three_pictures):
    pictures = tuple(replace(picture, label=9) for picture in three_pictures.pictures)
    with pytest.raises(StoreError, match="'three' is stored with other classes"):
        stored.admit(replace(three_pictures, pictures=pictures))


def test_a_broken_run_does_not_stand_in_the_way_of_a_new_one(stored, three_pictures, a_provenance):
    stored.path(RUN).write_bytes(b"broken")
    stored.path(RUN).with_name("foreign.safetensors").touch()
    stored.write(RUN, three_pictures, top_k(probabilities()), a_provenance(three_pictures))
    assert len(stored.read(RUN)) == 3


def test_too_few_predictions_are_never_stored(store, three_pictures, a_provenance):
    with pytest.raises(StoreError, match="2 predictions for the 3 pictures"):
        store.write(RUN, three_pictures, top_k(probabilities(2)), a_provenance(three_pictures))
    assert store.runs("three") == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], "model-v1.0.published.safetensors: "),
        (lambda data: b"", "model-v1.0.published.safetensors: "),
        (lambda data: data.replace(b'format\\": 1', b'format\\": 9'), "not of format 1"),
        (lambda data: data.replace(b"model-v1.0", b"model-v2.0"), "another run than its name"),
    ],
)
def test_a_broken_run_is_named(stored, damage, message):
    path = stored.path(RUN)
    before = path.read_bytes()
    path.write_bytes(damage(before))
    assert path.read_bytes() != before
    with pytest.raises(StoreError, match=message):
        stored.provenance(RUN)


def test_predictions_that_cannot_be_are_named(stored):
    path = stored.path(RUN)
    tensors = load_file(path)
    tensors["top5_prob"][1, 2] = np.nan
    save_file(tensors, path, metadata={"imagenet-benchmark": json.dumps({})})
    with pytest.raises(StoreError, match=r"published.safetensors: .*1 of 3 pictures contain NaN"):
        stored.read(RUN)


def test_a_foreign_file_among_the_runs_is_named(stored):
    foreign = stored.folder / "three" / "source" / "weights.safetensors"
    foreign.touch()
    with pytest.raises(StoreError, match="weights.safetensors is not named like a stored run"):
        stored.runs("three")


@pytest.mark.parametrize(
    "rows", ["key,class\n", "key,class\na\n", "key,class\na,b\n", "key,class\na,-7\n"]
)
def test_a_broken_list_of_pictures_is_named(stored, rows):
    (stored.folder / "three" / "images.csv").write_text(rows)
    with pytest.raises(StoreError, match=r"images.csv is broken.*key,class"):
        stored.rows("three")


def test_a_missing_run_is_named(store):
    with pytest.raises(StoreError, match="model-v1.0.published.safetensors does not exist"):
        store.read(RUN)
