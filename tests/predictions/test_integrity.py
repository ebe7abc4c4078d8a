"""Damage of every kind in a store: tables leave it out, and `check` finds all of it."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import an_image_set
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from torture.tally import record

from benchmarking.cli import main
from benchmarking.errors import StoreError
from benchmarking.predictions.provenance import imported
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_file import opened
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import top_k

VICTIM = Run("six", "s", "victim", "r")
OTHERS = [Run("six", "s", name, "r") for name in ("one", "two", "three")]


@pytest.fixture
def store(tmp_path):
    """Four runs on six pictures; one has all probabilities and hardly any provenance."""
    store = Store(tmp_path / "store")
    images = an_image_set(tmp_path / "pictures", {f"{i}": i for i in range(6)}, name="six")
    made = replace(
        imported("Abacus é", "six", {}),
        images={"name": "six", "n": 6, "fingerprint": images.fingerprint[:9]},
        seconds=1e-05,
    )
    images = replace(images, fingerprint=images.fingerprint[:9])
    random = np.random.default_rng(1)
    for run in (*OTHERS, VICTIM):
        everything = random.dirichlet(np.ones(6), 6).astype(np.float32)
        kept = everything if run == VICTIM else None
        store.write(run, images, top_k(everything), made, probabilities=kept)
    return store


@pytest.fixture
def call(store, capsys):
    """Run a command on the store: exit status, standard output, standard error."""

    def call(*arguments):
        capsys.readouterr()
        status = main([*arguments, "--store", str(store.folder)])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def without(store, call):
    """The table without the damaged run, plain and with --calibration."""
    path = store.path(VICTIM)
    away = store.folder.parent / "away"
    path.rename(away)
    found = {options: call("table", *options)[1] for options in ((), ("--calibration",))}
    away.rename(path)
    return found


def flipped(data, position, bit):
    damaged = bytearray(data)
    damaged[position] ^= 1 << bit
    return bytes(damaged)


def regions(data):
    """Byte range of each part of a file, as (first, end)."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    end = data.index(b'"},"') + 2
    found = {"header length": (0, 8), "metadata": (8, end), "header": (end, start)}
    for name, tensor in header.items():
        if name != "__metadata__":
            first, last = tensor["data_offsets"]
            found[name] = (start + first, start + last)
    return found


def test_a_run_that_another_program_truncates_while_it_is_read_is_damaged(store):
    """With a memory map, the system would kill this process."""
    path = store.path(VICTIM)

    def read():
        with opened(path) as stored:
            path.write_bytes(b"")
            stored.array("probabilities")

    with pytest.raises(StoreError, match="victim.* is damaged: another program has truncated it"):
        read()


def test_every_flipped_bit_is_found(store):
    path = store.path(VICTIM)
    whole = path.read_bytes()
    found = []
    with path.open("r+b", buffering=0) as file:
        for place, byte in enumerate(whole):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([byte ^ (1 << bit)]), place)
                with pytest.raises(StoreError, match="/victim.r.safetensors") as error:
                    store.check(VICTIM)
                found.append(error.type)
            os.pwrite(file.fileno(), bytes([byte]), place)
    assert store.check(VICTIM)
    n = 8 * len(whole)
    record("flipped bit in a run's file", tried=n, survived=len(found), lost=n - len(found))


@pytest.mark.parametrize(
    ("part", "options"),
    [
        *((part, ()) for part in ("header length", "metadata", "header", "top5_index")),
        *((part, ("--calibration",)) for part in ("top5_prob", "probabilities")),
    ],
)
def test_a_run_with_a_flipped_bit_is_named_and_the_table_of_the_others_is_printed(
    store, call, without, part, options
):
    path = store.path(VICTIM)
    whole = path.read_bytes()
    first, end = regions(whole)[part]
    places = range(first, end, max(1, (end - first) // 60))
    for place in places:
        path.write_bytes(flipped(whole, place, place % 8))
        status, out, err = call("table", *options)
        assert (status, out) == (1, without[options])
        assert err.startswith(f"left out: {path}")
        status, out, err = call("check")
        assert status == 1
        assert out.startswith(f"damaged: {path}")
    n = len(places)
    record("table of a store with a flipped bit", tried=n, survived=n, lost=0, note=part)


def test_probabilities_that_a_table_does_not_show_do_not_stop_it(store, call):
    path = store.path(VICTIM)
    before = call("table")
    whole = path.read_bytes()
    path.write_bytes(flipped(whole, regions(whole)["top5_prob"][0], 0))
    assert call("table") == before
    assert call("check")[0] == 1


def test_a_truncated_run_is_named_and_the_table_of_the_others_is_printed(store, call, without):
    path = store.path(VICTIM)
    whole = path.read_bytes()
    sizes = range(0, len(whole), 50)
    for size in sizes:
        path.write_bytes(whole[:size])
        status, out, err = call("table")
        assert (status, out) == (1, without[()])
        assert err.startswith(f"left out: {path} is damaged: ")
        assert call("check")[0] == 1
    record("table of a store with a cut run", tried=len(sizes), survived=len(sizes), lost=0)


@pytest.mark.parametrize("options", [("compare", "--all"), ("verify",), ("verify", "o*", "v*")])
def test_comparisons_of_many_runs_continue_without_a_damaged_one(store, call, options):
    path = store.path(VICTIM)
    whole = path.read_bytes()
    path.write_bytes(flipped(whole, regions(whole)["top5_index"][0], 0))
    damaged = call(*options)
    assert damaged[2].startswith(f"left out: {path} is damaged: top5_index")
    path.unlink()
    others = [one for one in options if one != "v*"]
    status, out, _ = call(*others)
    assert (status, out) == (0, damaged[1])
    assert damaged[0] == 1


def test_comparisons_without_any_undamaged_run_say_why(store, call):
    for run in (*OTHERS, VICTIM):
        store.path(run).write_bytes(b"cut")
    for command in (("compare", "--all"), ("verify",)):
        status, out, err = call(*command)
        assert (status, out) == (2, "")
        assert err.count("is damaged") == 4


def newer(path):
    unseal(path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b'format\\": 1', b'format\\": 2'))


def with_nan(path):
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    arrays = load_file(path)
    arrays["top5_prob"][2, 0] = np.nan
    save_file(arrays, path, metadata)


BROKEN = {
    "of a newer format": (newer, "not of format 1", ()),
    "of another program": (lambda path: save_file({"w": np.ones(3)}, path), "not of format 1", ()),
    "no safetensors": (lambda path: path.write_text("<html>"), "is damaged", ()),
    "another run": (lambda path: shutil.copy(path.with_name("one.r.safetensors"), path), "run", ()),
    "NaN": (with_nan, "top5_prob has crc32", ("--calibration",)),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be read", ()),
}


@pytest.mark.parametrize(("damage", "message", "options"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_not_a_run_is_named_and_the_table_of_the_others_is_printed(
    store, call, without, damage, message, options
):
    path = store.path(VICTIM)
    damage(path)
    status, out, err = call("table", *options)
    assert (status, out) == (1, without[options])
    assert err.startswith(f"left out: {path}")
    assert message in err
    status, out, _ = call("check")
    assert status == 1
    assert out.startswith(f"damaged: {path}")
    record("table of a store with a run that is none", tried=1, survived=1, lost=0)


def test_a_file_whose_name_is_invalid_for_a_run_is_left_out_and_named(store, call, without):
    path = store.path(VICTIM)
    path = path.rename(path.with_name("my weights.safetensors"))
    path.write_text("weights")
    status, out, err = call("table")
    assert (status, out) == (1, without[()])
    assert err.startswith(f"left out: {path} is not named like a stored run: ")
    reason = err.splitlines()[0].removeprefix("left out: ")
    status, out, _ = call("check")
    assert (status, out.splitlines()[0]) == (1, f"damaged: {reason}")


def test_if_every_run_is_broken_all_are_named_and_there_is_no_table(store, call):
    paths = [store.path(run) for run in store.runs("six")]
    for path in paths:
        path.write_bytes(path.read_bytes()[:99])
    status, out, err = call("table")
    assert (status, out) == (2, "")
    assert err.startswith("imagenet-benchmark: no run on six can be scored.")
    assert [str(path) in err for path in paths] == [True] * 4
    assert call("check")[0] == 1


def test_a_set_with_a_damaged_list_of_pictures_does_not_prevent_the_table_of_another(
    store, call, tmp_path, a_provenance
):
    before = call("table")[1]
    images = an_image_set(tmp_path / "two", {"x": 3, "y": 3}, name="two")
    said = top_k(np.full((2, 20), 0.05, np.float32))
    store.write(Run("two", "s", "m", "r"), images, said, a_provenance(images))
    rows = store.folder / "two" / "images.csv"
    rows.write_text(rows.read_text().replace("3", "4"))
    status, out, err = call("table")
    assert (status, out) == (1, before)
    assert err.startswith(f"left out: {rows} is damaged: no run was stored with these rows. ")
    status, out, _ = call("check")
    assert status == 1
    assert f"damaged: {rows} is damaged" in out


def test_check_reports_an_undamaged_store(call):
    assert call("check") == (0, "4 runs on 1 image set: all as they were written\n", "")


def test_files_of_a_killed_process_are_named_but_are_no_damage(store, call):
    part = store.path(VICTIM).with_name(".victim.r.safetensors.123.part")
    part.write_bytes(b"half")
    (store.folder / "notes.txt").touch()
    (store.folder / ".DS_Store").touch()
    status, out, _ = call("check")
    assert status == 0
    assert [line.split(";")[0] for line in out.splitlines()[:-1]] == [
        f"left over: {store.folder / 'notes.txt'}",
        f"left over: {part}",
    ]


def unseal(path):
    """Remove the digests from a run's file, as in an earlier version."""
    with safe_open(path, "numpy") as file:
        made = json.loads(file.metadata()["imagenet-benchmark"])
    del made["digests"], made["sha256"]
    save_file(load_file(path), path, {"imagenet-benchmark": json.dumps(made)})


def test_runs_of_an_earlier_version_are_recognised_by_their_lack_of_digests(store, call):
    for run in OTHERS:
        unseal(store.path(run))
    status, out, _ = call("check")
    assert status == 0
    assert "no digests: s/one (r) on six, s/three (r) on six, s/two (r) on six; stored by" in out


def merge(store, folder, n, fingerprint):
    """Replace the victim by a run from another store, like a merge of two stores by hand."""
    other = Store(folder / "other")
    images = an_image_set(folder / "elsewhere", {f"{i}": i for i in range(n)}, name="six")
    images = replace(images, fingerprint=fingerprint)
    said = top_k(np.full((n, 6), 1 / 6, np.float32))
    made = store.provenance(VICTIM)
    made = replace(made, images={**made.images, "fingerprint": fingerprint})
    other.write(VICTIM, images, said, made)
    shutil.copy(other.path(VICTIM), store.path(VICTIM))


def test_a_run_that_was_stored_with_another_list_of_pictures_is_found(store, call, tmp_path):
    merge(store, tmp_path, 5, store.provenance(VICTIM).fingerprint)
    status, out, _ = call("check")
    assert status == 1
    assert out.startswith(f"damaged: {store.path(VICTIM)}: was stored with another images.csv")


def test_a_run_on_other_pictures_is_found(store, call, tmp_path):
    merge(store, tmp_path, 6, "other")
    status, out, _ = call("check")
    assert status == 1
    assert out.startswith(f"damaged: {store.path(VICTIM)} was made on other pictures (fingerprint")
    assert out.splitlines()[-1] == "4 runs on 1 image set: 1 damaged"


def test_invalid_values_are_found_even_without_digests(store, call, tmp_path):
    path = store.path(VICTIM)
    unseal(path)
    arrays = load_file(path)
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    for name, message in (("top5_prob", "contain NaN"), ("probabilities", "outside [0, 1]")):
        broken = {**arrays, name: arrays[name] * np.float32("nan" if name == "top5_prob" else 9)}
        save_file(broken, path, metadata)
        status, out, _ = call("check")
        assert status == 1
        assert out.startswith(f"damaged: {path}: ")
        assert message in out
    merge(store, tmp_path, 5, store.provenance(OTHERS[0]).fingerprint)
    unseal(path)
    assert f"damaged: {path} has 5 rows for 6 pictures." in call("check")[1]


def test_a_run_can_be_checked_alone(store, call):
    store.path(VICTIM).write_bytes(b"")
    assert call("check", "--models", "one", "two")[0] == 0
    assert call("check", "--models", "vic*")[0] == 1
    assert call("check", "--images", "other")[0] == 2
