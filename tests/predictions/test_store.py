import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from conftest import an_image_set
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import benchmarking
from benchmarking.errors import StoreError
from benchmarking.inference.checkpoints import Checkpoints
from benchmarking.pictures.image_set import FilePart, ImageSet, Picture
from benchmarking.pictures.recipe import Preprocessing, Scaling, recipe_from
from benchmarking.predictions import image_rows
from benchmarking.predictions.digests import digests_of, sealed
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store, bytes_needed
from benchmarking.predictions.top_k import TopK, top_k
from benchmarking.scoring.aggregate import aggregate

RUN = Run("three", "source", "model-v1.0", "published")


def probabilities(n: int = 3) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(1000), n).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


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


def test_a_broken_run_can_be_replaced_by_a_new_one(stored, three_pictures, a_provenance):
    stored.path(RUN).write_bytes(b"broken")
    stored.path(RUN).with_name("foreign.safetensors").touch()
    stored.write(RUN, three_pictures, top_k(probabilities()), a_provenance(three_pictures))
    assert len(stored.read(RUN)) == 3


def test_a_class_that_the_format_cannot_hold_is_never_stored(
    tmp_path, three_pictures, a_provenance
):
    top = TopK(np.array([[2**16], [1], [2]]), np.full((3, 1), 0.5, np.float32))
    store = Store(tmp_path / "large")
    with pytest.raises(StoreError, match="class 65536 is above 65,535"):
        store.write(RUN, three_pictures, top, a_provenance(three_pictures))
    assert not list(store.folder.rglob("*.safetensors"))


def test_too_few_predictions_are_never_stored(store, three_pictures, a_provenance):
    with pytest.raises(StoreError, match="2 predictions for the 3 pictures"):
        store.write(RUN, three_pictures, top_k(probabilities(2)), a_provenance(three_pictures))
    assert store.runs("three") == []


def rewrite(path, change, arrays=lambda arrays: arrays):
    """Store a changed document and changed arrays with correct digests."""
    with safe_open(path, "numpy") as file:
        document = json.loads(file.metadata()["imagenet-benchmark"])
    del document["sha256"], document["digests"]
    found = arrays(load_file(path))
    digests = {name: digests_of(array) for name, array in found.items()}
    text = sealed(change(document), digests)
    save_file(found, path, metadata={"imagenet-benchmark": text})


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data.replace(b"beads", b"beans"),
        lambda data: data[:-1] + b"\xff",
    ],
    ids=["cut", "empty", "another device", "another probability"],
)
def test_a_damaged_run_is_named_with_what_to_do(stored, damage):
    path = stored.path(RUN)
    before = path.read_bytes()
    path.write_bytes(damage(before))
    assert path.read_bytes() != before
    with pytest.raises(StoreError, match=f"{path} is damaged: .*Restore a copy, or .*--again"):
        stored.read(RUN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: made | {"format": 2}, "not of format 1, the one this version reads"),
        (lambda made: made | {"run": {"images": "three"}}, "missing required field `source`"),
        (lambda made: made | {"run": {**made["run"], "model": "x"}}, "holds the run source/x"),
        (lambda made: made | {"run": {**made["run"], "model": "x" * 300}}, "which this store lack"),
        (lambda made: made | {"weights": "w.bin"}, r"`object`, got `str` - at `\$.weights`"),
        (lambda made: made | {"images": {"n": 3}}, "images has no fingerprint"),
        (lambda made: made | {"batch_size": True}, r"got `bool` - at `\$.batch_size`"),
        (lambda made: made | {"arguments": "x"}, r"`array`, got `str` - at `\$.arguments`"),
        (lambda made: made | {"input_shapes": [[2, "8"]]}, r"got `str` - at `\$.input_shapes"),
        (lambda made: made | {"other": 1}, "provenance has no 'other'"),
    ],
)
def test_an_invalid_document_is_named(stored, change, message):
    path = stored.path(RUN)
    rewrite(path, change)
    with pytest.raises(StoreError, match=f"published.safetensors.*{message}"):
        stored.provenance(RUN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found["top5_prob"].fill(np.nan), "3 of 3 pictures contain NaN"),
        (lambda found: found.update(top5_index=np.zeros(3, np.uint16)), r"of shape \(3,\)"),
        (lambda found: found.update(top5_index=np.zeros((3, 0), np.uint16)), r"of shape \(3, 0\)"),
        (lambda found: found.update(top5_index=found["top5_prob"]), "top5_index is float32"),
        (lambda found: found.update(top5_prob=found["top5_prob"][:2]), "2 rows, and top5_index 3"),
    ],
)
def test_invalid_predictions_are_named(stored, change, message):
    path = stored.path(RUN)
    rewrite(path, lambda made: made, lambda found: (change(found), found)[1])
    with pytest.raises(StoreError, match=f"published.safetensors: .*{message}"):
        stored.read(RUN)


def test_a_foreign_file_among_the_runs_is_no_run_and_named(stored):
    foreign = stored.folder / "three" / "source" / "weights.safetensors"
    foreign.touch()
    assert stored.runs("three") == [RUN]
    (reason,) = stored.problems("three")
    assert reason.startswith(f"{foreign} is not named like a stored run: ")


def test_a_run_of_an_earlier_version_has_no_digests_and_is_read_as_before(stored):
    path = stored.path(RUN)
    with safe_open(path, "numpy") as file:
        document = json.loads(file.metadata()["imagenet-benchmark"])
    before = stored.read(RUN).probabilities, stored.provenance(RUN)
    assert stored.check(RUN)
    del document["sha256"], document["digests"]
    save_file(load_file(path), path, metadata={"imagenet-benchmark": json.dumps(document)})
    assert (stored.read(RUN).probabilities == before[0]).all()
    assert stored.provenance(RUN) == before[1]
    assert stored.rows("three").keys == ("a", "b", "c")
    assert not stored.check(RUN)


def test_the_digests_in_a_file_are_those_that_its_documentation_says(stored):
    path = stored.path(RUN)
    with safe_open(path, "numpy") as file:
        text = file.metadata()["imagenet-benchmark"]
    document = json.loads(text)
    for name, array in load_file(path).items():
        assert document["digests"][name] == {
            "dtype": array.dtype.name,
            "shape": [3, 5],
            "crc32": f"{zlib.crc32(array.tobytes()):08x}",
            "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
        }
    before, after = text.split(', "sha256": "' + document["sha256"])
    assert after == '"}'
    assert hashlib.sha256(before.encode() + b"}").hexdigest() == document["sha256"]
    rows = (stored.folder / "three" / "images.csv").read_bytes()
    assert document["digests"]["images.csv"] == {"sha256": hashlib.sha256(rows).hexdigest()}


def test_a_list_of_pictures_that_no_run_was_stored_with_is_named(stored):
    path = stored.folder / "three" / "images.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))  # git may do this
    assert stored.labels("three").tolist() == [1, 1, 3]
    path.write_text("key,class\na,1\nb,2\nc,3\n")
    with pytest.raises(StoreError, match=r"images.csv is damaged: .*Restore a copy; 'predict'"):
        stored.labels("three")


@pytest.mark.parametrize("damaged", ["", "key,class\na,1\nb,2\nc,3\n"])
def test_a_damaged_list_of_pictures_is_written_again_from_the_same_pictures(
    stored, three_pictures, damaged
):
    path = stored.folder / "three" / "images.csv"
    path.write_text(damaged)
    other = replace(three_pictures, pictures=three_pictures.pictures[::-1])
    with pytest.raises(StoreError, match="'three' is stored with other classes"):
        stored.admit(other)
    stored.admit(three_pictures)
    assert stored.labels("three").tolist() == [1, 1, 3]


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


def test_a_recipe_that_no_earlier_version_knew_is_stored_in_the_same_format(
    tmp_path, three_pictures, a_provenance
):
    """Format 1 can store any recipe, because a recipe is a document of names and values."""
    scaling = Scaling(255.0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    recipe = Preprocessing("pillow", "lanczos", 256, 224, scaling, first="crop")
    made = replace(a_provenance(three_pictures), preprocessing=recipe.as_document())
    store = Store(tmp_path / "new")
    top = top_k(np.eye(3, 9, dtype=np.float32))
    store.write(RUN, three_pictures, top, made)
    assert recipe_from(store.provenance(RUN).preprocessing) == recipe
    assert store.check(RUN)


@pytest.fixture
def merged(tmp_path, a_provenance):
    """Two stores with different pictures under the same name, copied into one folder."""
    labels = {"a": [1, 1, 3], "b": [7, 8, 9]}
    for name, right in labels.items():
        keys = dict(zip((f"{name}{n}" for n in range(3)), right, strict=True))
        images = an_image_set(tmp_path / name, keys, "val-limit-3")
        top = top_k(np.eye(3, 1000, dtype=np.float32)[:, ::-1])
        run = Run("val-limit-3", "source", f"of-{name}", "published")
        Store(tmp_path / f"store-{name}").write(run, images, top, a_provenance(images))
    shutil.copytree(tmp_path / "store-b", tmp_path / "store-a", dirs_exist_ok=True)
    return Store(tmp_path / "store-a")


def test_a_run_that_was_stored_with_another_list_of_pictures_cannot_be_read(merged):
    ours, theirs = (Run("val-limit-3", "source", f"of-{n}", "published") for n in "ba")
    assert len(merged.read(ours)) == 3
    for read in (
        merged.classes,
        merged.classes_and_provenance,
        merged.read,
        merged.provenance,
        merged.check,
    ):
        with pytest.raises(StoreError, match=r"of-a.* was stored with another images.csv than is"):
            read(theirs)
    assert not merged.keeps_all_probabilities(theirs)


def test_after_a_merge_runs_with_the_current_list_are_scored_and_the_others_named(merged):
    table = aggregate(merged, "val-limit-3")
    assert [row.run.model for row in table.rows] == ["of-b"]
    assert len(table.left_out) == 1
    assert "of-a" in table.left_out[0]
    assert "Were two stores merged?" in table.left_out[0]


def test_an_edited_list_is_refused_even_if_a_run_without_digests_comes_first(
    stored, three_pictures
):
    older = stored.path(replace(RUN, model="a-first"))
    with safe_open(stored.path(RUN), framework="numpy") as file:
        document = json.loads(file.metadata()["imagenet-benchmark"])
    for name in ("digests", "sha256"):
        del document[name]
    document["run"]["model"] = "a-first"
    tensors = load_file(stored.path(RUN))
    save_file(tensors, older, metadata={"imagenet-benchmark": json.dumps(document)})
    assert len(stored.rows("three")) == 3
    path = stored.folder / "three" / "images.csv"
    path.write_text(path.read_text().replace(",1\n", ",2\n"))
    with pytest.raises(StoreError, match="no run was stored with these rows"):
        stored.rows("three")


@pytest.mark.parametrize("place", ["three", "three/source", "three/source/.{name}.unfinished"])
def test_a_store_whose_folders_are_links_is_not_written_through_them(
    tmp_path, three_pictures, a_provenance, place
):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "000000000.npz").write_bytes(b"precious")
    store = Store(tmp_path / "foreign")
    link = store.folder / place.format(name=store.path(RUN).name)
    link.parent.mkdir(parents=True)
    link.symlink_to(mine)
    top = top_k(np.eye(3, 9, dtype=np.float32))
    refused = "is a link; a store is written within its own folder only"
    with ExitStack() as stack, pytest.raises(StoreError, match=refused):
        store.claim(RUN, stack)
    if not place.endswith("unfinished"):
        with pytest.raises(StoreError, match=refused):
            store.write(RUN, three_pictures, top, a_provenance(three_pictures))
    Checkpoints(store.unfinished(RUN)).discard()
    assert [path.name for path in mine.rglob("*")] == ["000000000.npz"]
    assert (mine / "000000000.npz").read_bytes() == b"precious"


def test_only_our_own_files_are_removed_from_a_folder_of_checkpoints(tmp_path):
    folder = tmp_path / "unfinished"
    folder.mkdir()
    for name in ("000000000.npz", "lock", "7.npz", "notes.txt"):
        (folder / name).write_bytes(b"x")
    Checkpoints(folder).discard()
    assert sorted(path.name for path in folder.iterdir()) == ["7.npz", "notes.txt"]


# The command runs once before, to import modules that the other user may not read.
AS_NOBODY = """
import contextlib, io, os, sys, tempfile
from benchmarking.cli import main
work = os.getcwd()
with tempfile.TemporaryDirectory() as elsewhere, contextlib.redirect_stdout(io.StringIO()):
    os.chdir(elsewhere)
    main(sys.argv[1:])
os.chdir(work)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""
COMMANDS = {name: [name] for name in ("table", "check", "verify")} | {
    "export": ["export", "out", "--to", "csv"],
    "compare": ["compare", "source/model-v1.0", "closed/model-v1.0", "--images", "three"],
    "merge": ["merge", "{store}"],
}
IS_ROOT = os.name == "posix" and os.geteuid() == 0


@pytest.mark.skipif(not IS_ROOT, reason="root alone can be another user")
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize(
    "hidden", ["three/closed", "three/source/model-v1.0.published.safetensors", "."]
)
def test_an_unreadable_file_or_folder_is_named(
    stored, three_pictures, a_provenance, command, hidden, tmp_path_factory
):
    """Root ignores permissions, so the command runs as another user."""
    place = tmp_path_factory.mktemp("open")
    folder = Path(shutil.copytree(stored.folder, place / "store"))
    top = top_k(np.eye(3, 9, dtype=np.float32))
    other = replace(RUN, source="closed")
    Store(folder).write(other, three_pictures, top, a_provenance(three_pictures))
    for path in (place, *place.parents):
        path.chmod(path.stat().st_mode | 0o555)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (place / "work").mkdir(mode=0o777)
    (place / "work").chmod(0o777)
    (folder / hidden).chmod(0)
    command = [part.format(store=folder) for part in command]
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *command, "--store", str(folder)],
        cwd=place / "work",
        env={**os.environ, "PYTHONPATH": str(Path(benchmarking.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    if command[0] == "merge" and hidden != ".":
        assert "there are no shards" in said
    else:
        assert f"{folder / hidden} cannot be read: Permission denied" in said
    assert "Traceback" not in said
    assert done.returncode in (1, 2)


@pytest.mark.skipif(not IS_ROOT, reason="root alone can be another user")
def test_a_run_that_permissions_hide_is_not_replaced(
    stored, three_pictures, a_provenance, tmp_path
):
    """In a folder that several users share; the hidden run may have all probabilities."""
    for place in (tmp_path, *tmp_path.parents):
        place.chmod(place.stat().st_mode | 0o555)
    for place in (stored.folder, *stored.folder.rglob("*")):
        place.chmod(0o777 if place.is_dir() else 0o644)
    path, top = stored.path(RUN), top_k(probabilities())
    made, data = a_provenance(three_pictures), path.read_bytes()
    path.chmod(0o600)
    refused = f"{path} cannot be read: Permission denied, so it is not replaced"
    os.seteuid(65534)
    try:
        with ExitStack() as stack, pytest.raises(StoreError, match=refused):
            stored.claim(RUN, stack)
        with pytest.raises(StoreError, match=refused):
            stored.write(RUN, three_pictures, top, made)
    finally:
        os.seteuid(0)
    assert path.read_bytes() == data
    stored.write(RUN, three_pictures, top, made)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of other systems")
def test_a_pipe_in_the_place_of_a_run_or_a_list_is_refused_without_waiting(stored):
    for path in (stored.path(RUN), stored.folder / "three" / "images.csv"):
        path.unlink()
        os.mkfifo(path)
    with pytest.raises(StoreError, match=r"images.csv cannot be read: it is no regular file"):
        stored.rows("three")
    with pytest.raises(StoreError, match=r"cannot be read: it is no regular file"):
        stored.read(RUN)


def test_first_writes_at_the_same_moment_never_mix_pictures_of_one_name(tmp_path, a_provenance):
    """Four threads each write one of two sets with the same name; only one set is stored."""
    sets = [an_image_set(tmp_path / part, {f"{part}{i}": i for i in range(3)}) for part in "ab"]
    top, together = top_k(np.eye(3, 9, dtype=np.float32)), Barrier(8)
    for attempt in range(5):
        store = Store(tmp_path / f"store-{attempt}")

        def write(number, store=store):
            images = sets[number % 2]
            together.wait()
            with suppress(StoreError):
                run = replace(RUN, model=f"model-{number}")
                store.write(run, images, top, a_provenance(images))
                return images.fingerprint
            return None

        with ThreadPoolExecutor(8) as pool:
            stored = [found for found in pool.map(write, range(8)) if found]
        assert len(stored) >= 1
        assert len(set(stored)) == 1
        assert len(store.runs("three")) == len(stored)
        assert all(store.provenance(run).fingerprint == stored[0] for run in store.runs("three"))
        assert [path.name for path in store.folder.glob("three/.*")] == []


@pytest.mark.parametrize("key", ["a.png", "a,b.png", 'a"b.png', "ä b.png", "a\udc80.png"])
def test_a_list_of_pictures_is_written_as_csv_and_read_back(key):
    pictures = [Picture(key, 3, FilePart("")), Picture("z", 7, FilePart(""))]
    data = image_rows.written(ImageSet("two", tuple(pictures), "f"))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("key", "class"), (key, 3), ("z", 7)])
    assert data == text.getvalue().encode("utf-8", "surrogateescape")
    rows = image_rows.parsed(data)
    assert (rows.keys, rows.labels.tolist()) == ((key, "z"), [3, 7])
