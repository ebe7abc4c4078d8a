"""Merging of shards: what is equal to an undivided run, and what is refused by name."""

import csv
import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import PLUGINS, forget_plugins
from PIL import Image
from safetensors.numpy import load_file

from benchmarking import (
    BenchmarkError,
    Run,
    Store,
    merge,
    open_images,
    plugins,
    predict,
    score,
    sweep,
)
from benchmarking.inference.events import AlreadyStored
from benchmarking.labels.imagenet import wnids
from benchmarking.pictures.image_set import ImageSet, without_pictures
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from benchmarking.predictions.stores import Stores
from benchmarking.predictions.top_k import TopK
from benchmarking.scoring.robust_runs import robustness
from benchmarking.scoring.verify import verify

MODELS = ["brightness/steady", "brightness/darker"]
STEADY = Run("grey", "brightness", "steady", "published")
SOME_OTHER_TIME = ("started", "seconds", "incidents")


def picture(path: Path, brightness: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 20, 3), brightness, np.uint8)).save(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """30 grey pictures, stores A, B and C with one of three shards each, and one with all rows.

    The pictures are of three classes, have different bytes, and blanks and commas in their names.
    """
    folder = tmp_path_factory.mktemp("made")
    pictures = folder / "pictures" / "grey"
    for row in range(30):
        picture(pictures / wnids()[row % 3] / f"picture {row:02}, grey.png", 25 * (row % 3) + row)
    with pytest.MonkeyPatch.context() as patch:
        files = sorted(map(str, PLUGINS.glob("*/*.py")))
        patch.setenv(plugins.FILES_VARIABLE, os.pathsep.join(files))
        for number, name in enumerate("ABC", 1):
            predict(MODELS, pictures, folder / name, shard=(number, 3), keep="all")
        predict(MODELS, pictures, folder / "whole", keep="all")
    forget_plugins()
    return folder


@pytest.fixture
def pictures(made, tmp_path):
    return shutil.copytree(made / "pictures", tmp_path / "pictures") / "grey"


@pytest.fixture
def shards(light, made, tmp_path):
    """Three stores, each with one of three shards of 8, 8 and 14 pictures."""
    return [shutil.copytree(made / name, tmp_path / name) for name in "ABC"]


@pytest.fixture
def whole(light, made, tmp_path):
    """A store with the undivided runs."""
    return Store(shutil.copytree(made / "whole", tmp_path / "whole"))


@pytest.fixture
def new(tmp_path):
    return Store(tmp_path / "new")


def refusal(stores, new, **options) -> str:
    """The message with which a merge is refused."""
    with pytest.raises(BenchmarkError) as error:
        merge(stores, new, **options)
    return str(error.value)


def files_in(folder: Path) -> dict[Path, tuple[bytes, int]]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def assert_equal_runs(run: Run, merged: Store, whole: Store) -> None:
    """Compare files as other programs read them, bit for bit."""
    ours, theirs = load_file(merged.path(run)), load_file(whole.path(run))
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        assert (ours[name].dtype, ours[name].shape) == (array.dtype, array.shape)
        assert ours[name].tobytes() == array.tobytes()
    rows = [store.rows_path(run.images).read_bytes() for store in (merged, whole)]
    assert rows[0] == rows[1]
    made, expected = vars(merged.provenance(run)), vars(whole.provenance(run))
    assert {name for name in made if made[name] != expected[name]} <= {*SOME_OTHER_TIME}


def changed(folder: Path, *runs: Run, **parts: object) -> None:
    """Store runs again, all by default, with other parts of their provenance."""
    store = Store(folder)
    for run in runs or [run for images in store.image_sets() for run in store.runs(images)]:
        made = replace(store.provenance(run), **parts)
        everything = store.read_probabilities(run)
        store.write(run, images_of(store, run), store.read(run), made, probabilities=everything)


def images_of(store: Store, run: Run) -> ImageSet:
    """The image set of a stored run, as an import knows it."""
    rows = store.rows(run.images)
    images = without_pictures(run.images, rows.keys, rows.right_classes)
    return replace(images, fingerprint=store.provenance(run).fingerprint)


def test_three_merged_shards_are_the_undivided_run(shards, whole, new):
    runs = merge(shards, new)
    assert runs == [Run("grey", "brightness", name, "published") for name in ("darker", "steady")]
    for run in runs:
        assert_equal_runs(run, new, whole)
        assert new.provenance(run).fingerprint == whole.provenance(run).fingerprint
        assert new.provenance(run).incidents == ("merged of 3 shards",)
        assert new.check(run)
    assert score(new).rows[0].scores["Acc@1"] == score(whole).rows[0].scores["Acc@1"]


def test_a_merged_run_is_complete_for_predict(shards, pictures, new):
    merge(shards, new)
    (event,) = sweep(MODELS[0], pictures, new, keep="all")
    assert isinstance(event, AlreadyStored)
    assert event.started == new.provenance(STEADY).started


def test_shards_in_one_store_are_merged_into_this_store(light, pictures, whole, tmp_path):
    store = Store(tmp_path / "one")
    for number in (3, 1, 2):
        predict(MODELS, pictures, store, shard=f"{number}/3", keep="all")
    merge(store, store)
    assert_equal_runs(STEADY, store, whole)
    assert store.image_sets() == ["grey", *(f"grey-shard-{number}-of-3" for number in (1, 2, 3))]
    assert store.strays() == []


def test_the_stores_of_the_shards_are_only_read(shards, new):
    before = {store: files_in(store) for store in shards}
    merge(shards, new)
    assert {store: files_in(store) for store in shards} == before


def test_restricted_classes_and_several_right_ones_are_merged_too(light, tmp_path):
    folder = tmp_path / "mine"
    for row in range(12):
        picture(folder / f"kind-{row % 4}" / f"{row:02}.png", 25 * (row % 4) + row)
    (folder / "class_map.csv").write_text(
        "folder,classes\nkind-0,0\nkind-1,1 4\nkind-2,2\nkind-3,7 3 5\n"
    )
    whole, parts, new = (Store(tmp_path / name) for name in ("whole", "parts", "new"))
    predict(MODELS, folder, whole)
    for number in (1, 2, 3):
        predict(MODELS, folder, parts, shard=(number, 3))
    for run in merge(parts, new):
        assert new.restricted_classes(run) is not None
        assert new.provenance(run).classes == (0, 1, 2, 3, 4, 5, 7)
        assert_equal_runs(run, new, whole)


def test_a_single_shard_of_one_is_the_whole(light, pictures, whole, new, tmp_path):
    predict(MODELS, pictures, tmp_path / "all", shard="1/1", keep="all")
    merge(tmp_path / "all", new)
    assert_equal_runs(STEADY, new, whole)


@pytest.mark.models
def test_shards_of_a_real_model_are_the_undivided_run(tmp_path):
    model = "efficientnet-lite-pytorch/efficientnet-lite0"
    how = {"executor": "in-process", "gpu": -1, "keep": "all"}
    whole, parts, new = (Store(tmp_path / name) for name in ("whole", "parts", "new"))
    (run,) = predict(model, "demo", whole, **how)
    for number in (1, 2, 3):
        predict(model, "demo", parts, shard=(number, 3), **how)
    assert [len(parts.rows(f"demo-shard-{number}-of-3")) for number in (1, 2, 3)] == [8, 8, 4]
    assert merge(parts, new) == [run]
    assert_equal_runs(run, new, whole)


def test_time_is_the_sum_and_the_start_that_of_the_first(shards, new):
    for store, started, seconds in zip(shards, ("02", "01", "03"), (1.5, 2.25, 4.0), strict=True):
        changed(store, started=f"2026-01-{started}T00:00:00+00:00", seconds=seconds)
    merge(shards, new)
    made = new.provenance(STEADY)
    assert (made.started, made.seconds) == ("2026-01-01T00:00:00+00:00", 7.75)


def test_incidents_and_different_arguments_of_shards_are_kept(shards, new):
    usual = ("predict", "grey", "--models", "steady")
    changed(shards[0], arguments=(*usual, "--shard", "1/3", "--store", "A"))
    changed(shards[1], arguments=(*usual, "--shard=2/3", "--store=B"), incidents=("resumed",))
    changed(shards[2], arguments=(*usual, "--workers", "9", "--shard", "3/3"))
    merge(shards, new)
    made = new.provenance(STEADY)
    assert made.arguments == (*usual, "--store", "A")
    assert made.incidents == (
        "merged of 3 shards",
        "shard 2 of 3: resumed",
        "shard 3 of 3: made with predict grey --models steady --workers 9 --shard 3/3",
    )


def test_batches_unlike_those_of_an_undivided_run_are_told_and_recorded(
    light, tmp_path, new, capsys
):
    folder = tmp_path / "few"
    for row in range(3):
        picture(folder / wnids()[row] / f"{row}.png", 25 * row + 5)
    for number in (1, 2, 3):
        predict(MODELS[0], folder, tmp_path / "parts", shard=(number, 3))
    (run,) = merge(tmp_path / "parts", new)
    told = "batches of 2 begin at rows 1, where an undivided run has none"
    assert f"note: few: {told}" in capsys.readouterr().err
    assert new.provenance(run).incidents[1].startswith(told)


def test_a_missing_shard_is_named_and_nothing_is_stored(shards, new):
    message = refusal([shards[0], shards[2]], new)
    assert (
        "brightness/steady (published) on grey: shard 2 of 3 is missing; 'predict' with --shard "
        "2/3 makes it"
    ) in message
    assert new.image_sets() == []
    assert "shards 2, 3 of 3 are missing; 'predict' with --shard 2/3 makes the first of them" in (
        refusal(shards[0], new)
    )


def test_of_many_missing_shards_the_first_are_named(light, made, tmp_path, new):
    store = Store(shutil.copytree(made / "A", tmp_path / "A"))
    run = replace(STEADY, images="grey-shard-1-of-3")
    images = dict(store.provenance(run).images)
    images["shard"] = {**images["shard"], "of": 10**12}
    changed(store.folder, run, images=images)
    message = refusal(store, new)
    assert "shards 2, 3, 4, 5, 6, 7, 8, 9 and 999,999,999,991 more of 1000000000000" in message


@pytest.mark.parametrize("n", [None, "abc", 0, -3])
def test_a_shard_without_a_number_of_pictures_does_not_stop_the_others(shards, new, n):
    run = replace(STEADY, images="grey-shard-2-of-3")
    images = dict(Store(shards[1]).provenance(run).images)
    changed(shards[1], run, images={**images, "n": n})
    message = refusal(shards, new)
    assert f"{Store(shards[1]).path(run)} is damaged" in message
    assert [run.model for run in new.runs("grey")] == ["darker"]


def test_other_models_are_merged_if_a_shard_of_one_is_missing(shards, whole, new):
    Store(shards[1]).path(replace(STEADY, images="grey-shard-2-of-3")).unlink()
    message = refusal(shards, new)
    assert "brightness/steady (published) on grey: shard 2 of 3 is missing" in message
    assert message.endswith(f"Stored in {new.folder}: 1.")
    assert [run.model for run in new.runs("grey")] == ["darker"]
    assert_equal_runs(replace(STEADY, model="darker"), new, whole)


def test_a_copied_shard_is_used_once_and_told_once(shards, whole, new, tmp_path, capsys):
    shutil.copytree(shards[1], tmp_path / "copy")
    merge([*shards, tmp_path / "copy", shards[0]], new)
    assert_equal_runs(STEADY, new, whole)
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"note: shard 2 of 3 of grey is in {shards[1]} and {tmp_path / 'copy'}, with the same "
        f"predictions; that in {shards[1]} is used"
    ]


def test_a_shard_that_is_there_twice_with_different_predictions_is_refused(shards, new, tmp_path):
    other = Store(shutil.copytree(shards[1], tmp_path / "other"))
    run = replace(STEADY, images="grey-shard-2-of-3")
    top, everything = other.read(run), other.read_probabilities(run)
    classes = top.classes.copy()
    classes[0, [0, 1]] = classes[0, [1, 0]]
    swapped = TopK(classes, top.probabilities)
    made = other.provenance(run)
    other.write(run, images_of(other, run), swapped, made, probabilities=everything)
    message = refusal([*shards, other.folder], new)
    assert f"shard 2 of 3 in {shards[1]} and shard 2 of 3 in {other.folder} differ" in message
    assert "brightness/darker" not in message


@pytest.mark.parametrize("change", ["a picture more", "another class"])
def test_a_shard_of_another_list_is_named_as_foreign(shards, new, pictures, change):
    first = min(pictures.glob("*/*"))
    if change == "a picture more":
        picture(first.with_name("new.png"), 3)
    else:
        first.rename(pictures / wnids()[2] / first.name)
    shutil.rmtree(shards[0])
    predict(MODELS, pictures, shards[0], shard=(1, 3), keep="all")
    message = refusal(shards, new)
    assert (
        f"shard 1 of 3 in {shards[0]}: of another list of pictures or classes than 2/3 in "
        f"{shards[1]}, 3/3 in {shards[2]}"
    ) in message
    assert new.image_sets() == []


def test_the_fingerprint_is_that_of_the_bytes_that_were_predicted(shards, new, pictures):
    before = open_images(pictures).fingerprint
    merge(shards, new)
    assert new.provenance(STEADY).fingerprint == before
    picture(min(pictures.glob("*/*")), 250)
    shutil.rmtree(shards[0])
    predict(MODELS, pictures, shards[0], shard=(1, 3), keep="all")
    after = Store(new.folder.with_name("after"))
    merge(shards, after)
    assert after.provenance(STEADY).fingerprint == open_images(pictures).fingerprint != before


def test_a_shard_of_another_set_is_not_mixed_in(shards, new, pictures, tmp_path):
    shutil.rmtree(shards[1])
    renamed = pictures.rename(pictures.with_name("other"))
    predict(MODELS[0], renamed, shards[1], shard=(2, 3))
    message = refusal(shards, new)
    assert "brightness/steady (published) on grey: shard 2 of 3 is missing" in message
    assert "brightness/steady (published) on other: shards 1, 3 of 3 are missing" in message


def test_shards_of_another_division_do_not_complete_this_one(shards, new, pictures, tmp_path):
    predict(MODELS, pictures, tmp_path / "D", shard=(2, 4), keep="all")
    message = refusal([shards[0], tmp_path / "D", shards[2]], new)
    assert (
        "shard 2 of 3 is missing; 'predict' with --shard 2/3 makes it; shards 1, 3, 4 of 4 are "
        "missing"
    ) in message


def test_an_incomplete_division_beside_a_complete_one_is_told_and_not_used(
    shards, whole, new, pictures, tmp_path, capsys
):
    predict(MODELS, pictures, tmp_path / "D", shard=(2, 4), keep="all")
    merge([tmp_path / "D", *shards], new)
    assert_equal_runs(STEADY, new, whole)
    told = capsys.readouterr().err
    assert told == (
        f"note: not used, because all 3 shards of grey are there: 2/4 in {tmp_path / 'D'}\n"
    )


def test_two_complete_divisions_are_refused(shards, new, pictures, tmp_path):
    for number in (1, 2):
        predict(MODELS, pictures, tmp_path / "D", shard=(number, 2), keep="all")
    message = refusal([tmp_path / "D", *shards], new)
    assert "it is there in 2 and 3 shards, each complete; name only the stores of one" in message


@pytest.mark.parametrize(("number", "said"), [(2, "begins at row 9"), (3, "begins at row 18")])
def test_shards_that_were_divided_for_another_batch_size_are_refused(
    shards, new, pictures, number, said
):
    shutil.rmtree(shards[number - 1])
    predict(MODELS, pictures, shards[number - 1], shard=(number, 3), keep="all", batch_size=3)
    message = refusal(shards, new)
    assert f"shard {number} of 3 in {shards[number - 1]} {said}, and the shards before" in message
    assert "they were divided for different batch sizes" in message


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"batch_size": 4}, "batch size: 2 of shard 1 of 3 in {A}, and 4 of shard 2 of 3 in {B}"),
        ({"device": "Tesla"}, "device: abacus of shard 1 of 3 in {A}, and Tesla of shard 2 of 3"),
        ({"precision": "tf32"}, "precision: exact of shard 1 of 3 in {A}, and tf32 of shard 2"),
        ({"platform": "Keras"}, "platform: Arithmetic of shard 1 of 3 in {A}, and Keras of"),
        ({"versions": {"arithmetic": "2.0"}}, "versions arithmetic: 1.0 of shard 1 of 3 in {A}, "),
        (
            {"versions": {"arithmetic": "1.0", "compiled": "torch"}},
            "versions compiled: not recorded of shard 1 of 3 in {A}, and torch of shard 2 of 3",
        ),
        ({"weights": {"name": "w", "sha256": "5" * 64}}, "weights sha256: "),
        ({"weights": {"name": "random", "seed": 7}}, "weights seed: not recorded of shard 1 of 3"),
        ({"preprocessing": {"resize": 99}}, "preprocessing resize: 10 of shard 1 of 3 in {A}, and"),
    ],
)
def test_conditions_that_differ_are_named_with_both_values(shards, new, parts, expected):
    changed(shards[1], replace(STEADY, images="grey-shard-2-of-3"), **parts)
    message = refusal(shards, new)
    assert "brightness/steady (published) on grey: the conditions of its shards differ" in message
    assert expected.format(A=shards[0], B=shards[1]) in message
    assert [run.model for run in new.runs("grey")] == ["darker"]


def test_shards_that_keep_different_numbers_are_refused(shards, new, pictures):
    shutil.rmtree(shards[1])
    predict(MODELS, pictures, shards[1], shard=(2, 3))
    assert (
        f"kept: probabilities and top5_index and top5_prob of shard 1 of 3 in {shards[0]}, and "
        f"top5_index and top5_prob of shard 2 of 3 in {shards[1]}"
    ) in refusal(shards, new)


def test_an_edited_list_of_pictures_is_refused(shards, new):
    path = Store(shards[1]).rows_path("grey-shard-2-of-3")
    rows = list(csv.reader(path.read_text().splitlines()))
    rows[3][1] = "9"
    path.write_text("".join(f'"{key}",{label}\n' for key, label in rows))
    message = refusal(shards, new)
    assert f"{path} is damaged: no run was stored with these rows" in message
    assert new.image_sets() == []


def test_a_shard_that_was_stored_with_other_classes_is_refused(shards, new, tmp_path):
    """Its run, list and digests agree with each other, but not with the divided set."""
    before, after = Store(shards[1]), Store(tmp_path / "relabelled")
    run = replace(STEADY, images="grey-shard-2-of-3")
    images = images_of(before, run)
    relabelled = (replace(images.pictures[0], label=9), *images.pictures[1:])
    everything = before.read_probabilities(run)
    after.write(
        run,
        replace(images, pictures=relabelled),
        before.read(run),
        before.provenance(run),
        probabilities=everything,
    )
    shutil.copy(before.digests_path(run.images), after.digests_path(run.images))
    message = refusal([shards[0], after, shards[2]], new)
    assert "the pictures of the shards are not those of grey as it was divided" in message
    assert new.image_sets() == []


def test_edited_or_missing_digests_are_refused_and_predict_mends_them(
    shards, new, pictures, whole, call
):
    path = Store(shards[1]).digests_path("grey-shard-2-of-3")
    original = path.read_bytes()
    path.write_bytes(original.replace(b"a", b"b", 1))
    assert f"{path} is damaged: it is not what the runs beside it" in refusal(shards, new)
    status, out, _ = call("check", "--store", shards[1])
    assert status == 1
    assert f"damaged: {path} is damaged" in out
    predict(MODELS, pictures, shards[1], shard=(2, 3), keep="all")
    assert path.read_bytes() == original
    path.unlink()
    assert f"{path} is missing; without it no fingerprint" in refusal(shards, new)
    predict(MODELS, pictures, shards[1], shard=(2, 3), keep="all")
    assert path.read_bytes() == original
    assert call("check", "--store", shards[1])[0] == 0
    merge(shards, new)
    assert_equal_runs(STEADY, new, whole)


def test_digests_with_the_line_ends_of_windows_are_the_same(shards, new):
    path = Store(shards[1]).digests_path("grey-shard-2-of-3")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(merge(shards, new)) == 2


def test_the_digests_are_the_fingerprint_of_their_shard(shards):
    store = Store(shards[0])
    (one, _) = store.runs("grey-shard-1-of-3")
    data = store.digests_path(one.images).read_bytes()
    assert hashlib.sha256(data).hexdigest() == store.provenance(one).fingerprint
    assert len(data.splitlines()) == 8


@pytest.mark.parametrize("where", ["metadata", "numbers"])
def test_a_damaged_shard_is_named_and_the_others_are_merged(shards, new, where):
    path = Store(shards[1]).path(replace(STEADY, images="grey-shard-2-of-3"))
    data = bytearray(path.read_bytes())
    data[60 if where == "metadata" else -9] ^= 255
    path.write_bytes(data)
    message = refusal(shards, new)
    assert "brightness/steady (published) on grey: " in message
    assert f"{path} is damaged" in message
    assert "brightness/darker" not in message
    assert [run.model for run in new.runs("grey")] == ["darker"]


def test_a_damaged_copy_of_a_shard_is_told_and_not_used(shards, whole, new, tmp_path, capsys):
    copy = Store(shutil.copytree(shards[1], tmp_path / "copy"))
    path = copy.path(replace(STEADY, images="grey-shard-2-of-3"))
    path.write_bytes(path.read_bytes()[:-1])
    merge([copy, *shards], new)
    assert_equal_runs(STEADY, new, whole)
    assert f"note: not used: {path} is damaged" in capsys.readouterr().err


def test_a_merge_that_fails_leaves_nothing(shards, new):
    path = Store(shards[1]).path(replace(STEADY, images="grey-shard-2-of-3"))
    path.with_name("darker.published.safetensors").unlink()
    data = bytearray(path.read_bytes())
    data[-9] ^= 255
    path.write_bytes(data)
    assert "Stored in" in refusal(shards, new)
    assert not list(new.folder.rglob("*.csv"))


def test_a_file_that_is_not_named_like_a_run_is_left_out_by_name(shards, new):
    stray = (
        Store(shards[0])
        .path(replace(STEADY, images="grey-shard-1-of-3"))
        .with_name("what.safetensors")
    )
    stray.touch()
    message = refusal(shards, new)
    assert f"{stray} is not named like a stored run" in message
    assert len(new.runs("grey")) == 2


def test_a_complete_run_is_replaced_only_again(shards, new):
    merge(shards, new)
    before = files_in(new.folder)
    assert merge(shards, new) == new.runs("grey")
    assert files_in(new.folder) == before
    merge(shards, new, again=True)
    after = files_in(new.folder)
    assert {path: data for path, (data, _) in after.items()} == {
        path: data for path, (data, _) in before.items()
    }
    assert after != before  # written at another time


def test_a_merge_removes_what_a_killed_one_has_left_though_another_has_merged_all(shards, new):
    merge(shards, new)
    expected = {path for path in new.folder.rglob("*") if path.is_file()}
    for path in (
        new.folder / "grey" / f".images.csv.{'0' * 16}.part",
        new.path(STEADY).with_name(f".{new.path(STEADY).name}.{'0' * 16}.part"),
        new.folder / "grey" / ".pictures",
    ):
        path.write_bytes(b"x")
    merge(shards, new)
    assert {path for path in new.folder.rglob("*") if path.is_file()} == expected


def test_a_damaged_merged_run_is_replaced(shards, new, whole):
    merge(shards, new)
    path = new.path(STEADY)
    path.write_bytes(path.read_bytes()[:-4])
    merge(shards, new)
    assert_equal_runs(STEADY, new, whole)


def test_a_merged_run_of_the_top_5_is_replaced_by_one_of_all_classes(
    light, pictures, shards, new, whole
):
    predict(MODELS, pictures, new)
    merge(shards, new)
    assert_equal_runs(STEADY, new, whole)


def test_a_run_of_all_classes_is_never_replaced_by_one_of_the_top_5(
    light, pictures, whole, tmp_path
):
    for number in (1, 2):
        predict(MODELS[0], pictures, tmp_path / "top", shard=(number, 2))
    assert merge(tmp_path / "top", whole) == [STEADY]  # complete
    message = refusal(tmp_path / "top", whole, again=True)
    assert "with the probabilities of all classes, and its shards have only the top-5" in message
    assert whole.keeps_all_probabilities(STEADY)


def test_a_run_of_other_weights_is_not_taken_for_the_merged_one(shards, new, whole):
    merge(shards, new)
    weights = {**new.provenance(STEADY).weights, "sha256": "5" * 64}
    changed(new.folder, STEADY, weights=weights)
    message = refusal(shards, new)
    assert f"{new.folder} has this run already, but it differs in weights sha256; merge" in message
    assert new.provenance(STEADY).weights == weights
    merge(shards, new, again=True)
    assert_equal_runs(STEADY, new, whole)


def test_other_pictures_under_the_name_of_the_whole_set_are_refused(shards, new, pictures):
    picture(min(pictures.glob("*/*")), 250)
    predict(MODELS[0], pictures, new)
    message = refusal(shards, new)
    assert "brightness/darker (published) on grey: image set 'grey' is stored with" in message
    assert "this run already, but it differs in images fingerprint" in message


def test_random_weights_are_merged_into_a_store_whose_name_says_so(shards, new, tmp_path):
    for store in shards:
        changed(store, weights={"name": "random", "seed": 0})
    assert "kept apart from others; use a store whose name says so, such as new-random" in (
        refusal(shards, new)
    )
    assert len(merge(shards, tmp_path / "new-random")) == 2


def test_stores_without_shards_are_refused(light, whole, new, tmp_path):
    assert refusal(whole, new).startswith(f"there are no shards in {whole.folder}; ")
    assert refusal([tmp_path / "gone"], new).startswith(f"{tmp_path / 'gone'} is not a folder")


def test_a_set_that_is_only_named_like_a_shard_is_none(light, pictures, new, tmp_path):
    images = open_images(pictures, name="grey-shard-1-of-2")
    predict(MODELS[0], images, tmp_path / "named")
    assert refusal(tmp_path / "named", new).startswith("there are no shards in ")


RECIPE = Preprocessing("pillow", "nearest", resize=10, crop=8, scaling=SCALINGS["identity"])


def by_brightness(crops):
    """A user's own model, with a probability for each of 1,000 classes."""
    probabilities = np.full((len(crops), 1000), 0.1 / 999, np.float32)
    probabilities[np.arange(len(crops)), crops.mean(axis=(1, 2, 3)).astype(int) // 25] = 0.9
    return probabilities


def test_a_model_of_ones_own_is_merged_with_a_note(light, pictures, new, tmp_path, capsys):
    whole = Store(tmp_path / "undivided")
    how = {"recipe": RECIPE, "batch_size": 8}
    predict(by_brightness, pictures, whole, **how)
    for number in (1, 2):
        predict(by_brightness, pictures, tmp_path / "parts", shard=(number, 2), **how)
    (run,) = merge(tmp_path / "parts", new)
    assert_equal_runs(run, new, whole)
    assert "its weights have no digest, so they could differ" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i, s: predict(MODELS, i, s, shard="4/3"), "there is no shard 4/3"),
        (lambda i, s: predict(MODELS, i, s, shard="1/3", estimate=9), "leave out the estimate or"),
        (lambda i, s: next(sweep(MODELS, i, s, shard="1/3", estimate=9)), "leave out the estimate"),
        (lambda i, s: predict(MODELS, open_images(i), s, shard="1/3"), "is open already, and a"),
        (lambda i, s: predict(MODELS, i, s, shard="1/31"), "cannot be divided into 31 shards"),
        (
            lambda i, s: predict(MODELS, i, s, shard="1/3", batch_size=0),
            "batch_size is 0; expected",
        ),
        (lambda i, s: predict(MODELS, i, s, shard="1/4", batch_size=10), "the most is 3"),
    ],
)
def test_shards_that_make_no_sense_are_refused_before_any_work(light, pictures, new, call, message):
    with pytest.raises(BenchmarkError) as error:
        call(pictures, new)
    assert message in str(error.value)
    assert new.image_sets() == []


def test_a_sweep_predicts_a_shard_too(light, pictures, new):
    *_, event = sweep(MODELS[0], pictures, new, shard=(3, 3))
    assert event.job.run.images == "grey-shard-3-of-3"
    assert len(new.rows("grey-shard-3-of-3")) == 14


def test_shards_are_no_sets_of_their_own_for_robustness_and_verify(light, tmp_path):
    folder = tmp_path / "imagenet-a"
    for row in range(4):
        picture(folder / wnids()[6] / f"0.00{row}_a _ b_0.5.jpg", 155)
    store = tmp_path / "parts"
    for number in (1, 2):
        predict(MODELS[0], folder, store, shard=(number, 2))
    stores = Stores(store)
    runs = [run for images in stores.image_sets() for run in stores.runs(images)]
    assert robustness(stores, runs) == {}
    assert [one.reason for one in verify(store)] == 2 * ["no published accuracy"]


def test_processes_predict_shards_into_one_store_at_the_same_time(light, pictures, whole, tmp_path):
    store = tmp_path / "shared"

    def task(number: int) -> int:
        command = [sys.executable, "-m", "benchmarking", "predict", pictures, "--models", "steady"]
        more = ["--save-all-probs", "--shard", f"{number}/3", "--store", store]
        return subprocess.run([*command, *more], capture_output=True, check=False).returncode

    with ThreadPoolExecutor(3) as tasks:
        assert list(tasks.map(task, (1, 2, 3))) == [0, 0, 0]
    merge(store, tmp_path / "merged")
    ours = load_file(Store(tmp_path / "merged").path(STEADY))
    for name, array in load_file(whole.path(STEADY)).items():
        assert ours[name].tobytes() == array.tobytes()
