import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from benchmarking.cli import main
from benchmarking.errors import BenchmarkError, StoreError
from benchmarking.io import files
from benchmarking.predictions.digests import sealed
from benchmarking.predictions.run_index import RunIndex
from benchmarking.predictions.speed_runs import (
    Answers,
    Conditions,
    Measured,
    Round,
    Series,
    Setting,
)
from benchmarking.predictions.speed_store import SpeedStore

SERIES = Series("single", "torchvision", "resnet50", "compiled", 1)
SETTING = Setting("a machine", "cpu", 2, "float32", "published", {"torch": "2.14.1"})
CONDITIONS = Conditions(7, (0, 1), "2", "on", "NHWC", "glibc", "performance", (2400.5,), 0.1)
ANSWERS = Answers(("a.jpg",), ((1, 2, 3, 4, 5),), ((0.5, 0.2, 0.1, 0.05, 0.04),))
MEASURED = Measured(
    9.0, (0.5, 0.1), (0.1, 0.11), True, 1, {"import": 2.0}, (6.9,), ANSWERS, {"device": "cpu"}
)


def round_of(number: int) -> Round:
    return Round(number, 2 * number, "2026-01-01T00:00:00", MEASURED, 2**30, None, CONDITIONS)


@pytest.fixture
def store(tmp_path):
    return SpeedStore(tmp_path)


def test_rounds_are_read_as_they_were_added_in_the_order_of_their_numbers(store):
    for number in (2, 1):
        store.add(SERIES, SETTING, round_of(number))
    assert store.read(SERIES, SETTING).rounds == (round_of(1), round_of(2))
    assert store.read(SERIES, SETTING).round(3) is None
    assert [one.series for one in store.found()] == [SERIES]


def test_a_round_that_is_measured_again_replaces_the_earlier_one(store):
    store.add(SERIES, SETTING, round_of(1))
    later = replace(round_of(1), started="2026-02-02T00:00:00")
    store.add(SERIES, SETTING, later)
    assert store.read(SERIES, SETTING).rounds == (later,)


def meanwhile(monkeypatch, add):
    """Let another program add something just before the next file is written, if it does not wait.

    Returns a function that waits until it has ended.
    """
    write, other = files.write, Thread(target=add, daemon=True)

    def late(path, data):
        monkeypatch.setattr(files, "write", write)
        other.start()
        other.join(0.3)
        write(path, data)

    monkeypatch.setattr(files, "write", late)
    return lambda: other.join(30)


def test_rounds_that_two_programs_add_at_the_same_time_are_both_kept(store, monkeypatch):
    ended = meanwhile(monkeypatch, lambda: store.add(SERIES, SETTING, round_of(2)))
    store.add(SERIES, SETTING, round_of(1))
    ended()
    assert store.read(SERIES, SETTING).rounds == (round_of(1), round_of(2))


def test_counts_that_two_programs_add_at_the_same_time_are_both_kept(store, monkeypatch):
    ended = meanwhile(monkeypatch, lambda: store.add_counts("torchvision/vgg16", {"macs": 2}))
    store.add_counts("torchvision/resnet50", {"macs": 1})
    ended()
    assert store.counts() == {"torchvision/resnet50": {"macs": 1}, "torchvision/vgg16": {"macs": 2}}


AS_ANOTHER_USER = """
import os, sys
from pathlib import Path
import msgspec
from benchmarking.predictions.speed_store import SpeedStore
os.setgroups([])
os.setuid(65534)
store = SpeedStore(Path(sys.argv[1]))
store.admit([])
store.add_counts("torchvision/vgg16", {"macs": 2})
"""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="root alone can be another")
def test_another_user_of_a_shared_store_adds_to_it(store):
    store.add_counts("torchvision/resnet50", {"macs": 1})
    for folder in (store.folder, store.folder / "speed"):
        folder.chmod(0o777)
    (store.folder / "speed" / ".lock").chmod(0o644)
    for folder in store.folder.parents:
        folder.chmod(folder.stat().st_mode | 0o555)
    subprocess.run([sys.executable, "-c", AS_ANOTHER_USER, store.folder], check=True)
    assert store.counts() == {"torchvision/resnet50": {"macs": 1}, "torchvision/vgg16": {"macs": 2}}


@pytest.mark.parametrize("make", [lambda lock: lock.symlink_to("elsewhere"), Path.mkdir])
def test_a_lock_that_is_none_is_refused_before_a_round_is_measured(store, make):
    (store.folder / "speed").mkdir()
    make(store.folder / "speed" / ".lock")
    with pytest.raises(BenchmarkError, match="lock"):
        store.admit([(SERIES, SETTING)])


@pytest.mark.parametrize(
    "other",
    [
        (replace(SERIES, mode="eager"), SETTING),
        (replace(SERIES, replica=1), SETTING),
        (replace(SERIES, batch_size=32), SETTING),
        (SERIES, replace(SETTING, threads=1)),
        (SERIES, replace(SETTING, versions={"torch": "2.15.0"})),
    ],
)
def test_rounds_of_another_side_or_setting_are_kept_apart(store, other):
    store.add(SERIES, SETTING, round_of(1))
    assert store.read(*other).rounds == ()


@pytest.mark.parametrize(
    ("old", "new"), [("0.11", "0.01"), ('"resnet50"', '"resnet18"'), ('"format": 1', '"format": 2')]
)
def test_a_changed_file_is_refused(store, old, new):
    store.add(SERIES, SETTING, round_of(1))
    path = store.path(SERIES, SETTING)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(StoreError, match="is broken: .* measure its rounds again"):
        store.read(SERIES, SETTING)


def test_a_file_of_another_series_is_refused(store):
    store.add(SERIES, SETTING, round_of(1))
    other = replace(SERIES, model="resnet18")
    store.path(SERIES, SETTING).rename(store.path(other, SETTING))
    with pytest.raises(StoreError, match="was it renamed or moved"):
        store.read(other, SETTING)


def test_measured_rounds_are_part_of_a_store_but_no_predictions(store):
    store.add(SERIES, SETTING, round_of(1))
    store.add_counts("torchvision/resnet50", {"macs": 1})
    index = RunIndex(store.folder)
    assert index.strays() == []
    assert index.image_sets() == []


def test_check_does_not_complain_about_measured_rounds(store, capsys):
    store.add(SERIES, SETTING, round_of(1))
    main(["check", "--store", str(store.folder)])
    assert "single" not in "".join(capsys.readouterr())


def test_counts_of_models_are_kept_beside_the_rounds_and_are_no_rounds(store):
    assert store.counts() == {}
    store.add_counts("torchvision/resnet50", {"macs": 4_089_184_256})
    store.add_counts("mine/odd", {})
    assert store.counts() == {"torchvision/resnet50": {"macs": 4_089_184_256}, "mine/odd": {}}
    store.add(SERIES, SETTING, round_of(1))
    assert [one.series for one in store.found()] == [SERIES]
    path = store.folder / "speed" / "counts.json"
    path.write_text(path.read_text().replace("4089184256", "4089184257"))
    with pytest.raises(StoreError, match=r"counts.json is broken: .* models are counted again"):
        store.counts()


def test_rounds_of_an_earlier_version_have_no_times_of_a_device(store):
    store.add(SERIES, SETTING, round_of(1))
    path = store.path(SERIES, SETTING)
    document = json.loads(path.read_text())
    del document["rounds"][0]["measured"]["device_times"]
    document = {key: value for key, value in document.items() if key not in ("digests", "sha256")}
    path.write_text(sealed(document, {}))
    assert store.read(SERIES, SETTING).rounds == (round_of(1),)


CHANGES = {
    "no time": {"times": ()},
    "a time of zero": {"times": (0.0, 0.1)},
    "a time below zero": {"times": (-0.1,)},
    "no pictures": {"pictures": 0},
    "other parts": {"parts": {"export": 1.0}},
    "answers to fewer pictures": {"answers": replace(ANSWERS, pictures=("a.jpg", "b.jpg"))},
    "fewer probabilities": {"answers": replace(ANSWERS, probabilities=((0.5,),))},
    "no answer": {"answers": replace(ANSWERS, classes=((),), probabilities=((),))},
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_file_with_a_correct_digest_and_impossible_rounds_is_refused(store, what):
    store.add(SERIES, SETTING, round_of(1))
    store.add(SERIES, SETTING, replace(round_of(2), measured=replace(MEASURED, **CHANGES[what])))
    with pytest.raises(StoreError, match="is broken: its round 2 has .* measure its rounds again"):
        store.read(SERIES, SETTING)


def test_a_file_that_is_too_deep_is_refused(store):
    store.add(SERIES, SETTING, round_of(1))
    store.path(SERIES, SETTING).write_text("[" * 100_000)
    with pytest.raises(StoreError, match="is broken"):
        store.read(SERIES, SETTING)


@pytest.mark.parametrize("place", ["speed", "speed/single", "speed/single/torchvision"])
def test_rounds_are_not_written_through_a_link_in_a_foreign_store(tmp_path, place):
    mine, store = tmp_path / "mine", SpeedStore(tmp_path / "foreign")
    mine.mkdir()
    link = store.folder / place
    link.parent.mkdir(parents=True)
    link.symlink_to(mine)
    refused = f"{link} is a link; a store is written within its own folder"
    with pytest.raises(StoreError, match=refused):
        store.add(SERIES, SETTING, round_of(1))
    if place == "speed":
        with pytest.raises(StoreError, match=refused):
            store.add_counts("torchvision/resnet50", {"macs": 1})
    assert list(mine.rglob("*")) == []


@pytest.mark.parametrize("place", ["speed", "speed/single", "speed/single/torchvision"])
def test_a_folder_of_rounds_that_cannot_be_read_is_named(store, place, monkeypatch):
    store.add(SERIES, SETTING, round_of(1))
    store.add(replace(SERIES, scenario="offline"), SETTING, round_of(1))
    hidden, listed = store.folder / place, Path.iterdir

    def iterdir(folder):
        if folder == hidden:
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    found = list(store.found())
    errors = [str(one) for one in found if isinstance(one, StoreError)]
    assert errors == [f"{hidden} cannot be read: Permission denied."]
    assert len(found) == (1 if place == "speed" else 2)
