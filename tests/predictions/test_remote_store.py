"""Stores on object storage: what is read, what is put up, and what faults and rivals cause."""

import io
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import ClassVar

import numpy as np
import pytest
from conftest import an_image_set
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem

from benchmarking import BenchmarkError, Stores, evaluate, open_store, predict, score, sweep
from benchmarking.errors import StoreError
from benchmarking.inference.events import AlreadyStored, Failed, Progress, Started, Stored
from benchmarking.io import addresses
from benchmarking.io.addresses import Address
from benchmarking.io.locks import claim
from benchmarking.io.user_folders import expanded
from benchmarking.predictions import mirror
from benchmarking.predictions.mirror import folder_of_copy
from benchmarking.predictions.remote_store import RemoteStore
from benchmarking.predictions.run import Run
from benchmarking.predictions.run_file import has_same_predictions
from benchmarking.predictions.store import Store
from benchmarking.predictions.top_k import top_k

ADDRESS = "memory://bucket/store"
LABELS = {f"{n:02d}.png": n % 6 for n in range(30)}
RUNS = tuple(Run("thirty", "lab", model, "published") for model in ("even", "odd", "third"))


class Watched(MemoryFileSystem):
    """fsspec's memory file system; tests see its calls, and cause faults and rivals in them."""

    calls: ClassVar[list[tuple[str, str]]] = []
    before: ClassVar = None
    after: ClassVar = None

    def ls(self, path, detail=True, **options):
        self._tell("ls", path)
        found = super().ls(path, detail, **options)
        return self._tell_after("ls", path) or found

    def _open(self, path, mode="rb", **options):
        if mode == "rb":
            self._tell("read", path)
        return super()._open(path, mode, **options)

    def pipe_file(self, path, value, mode="overwrite", **options):
        self._tell("put", path)
        super().pipe_file(path, value, mode, **options)
        self._tell_after("put", path)

    def _tell(self, what, path):
        place = self._strip_protocol(path).removeprefix("/bucket/store").lstrip("/")
        type(self).calls.append((what, place))
        if type(self).before:
            type(self).before(what, place)

    def _tell_after(self, what, path):
        place = self._strip_protocol(path).removeprefix("/bucket/store").lstrip("/")
        return type(self).after(what, place) if type(self).after else None

    @classmethod
    def done(cls, what):
        """The paths of the calls of a kind since the last question, sorted."""
        found = [place for kind, place in cls.calls if kind == what]
        cls.calls = [call for call in cls.calls if call[0] != what]
        return sorted(found)

    @classmethod
    def files(cls):
        """The contents of each file of the store."""
        start = "/bucket/store/"
        return {
            path.removeprefix(start): bytes(file.getbuffer())
            for path, file in cls.store.items()
            if path.startswith(start)
        }


@pytest.fixture(autouse=True)
def bucket(tmp_path, monkeypatch):
    """Empty object storage, and an empty folder for the user's data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("IMAGENET_BENCHMARK_STORE", raising=False)
    register_implementation("memory", Watched, clobber=True)
    Watched.store.clear()
    Watched.calls, Watched.before, Watched.after = [], None, None
    yield Watched
    register_implementation("memory", MemoryFileSystem, clobber=True)
    Watched.store.clear()


def upload(folder: Path, place: str = "bucket/store") -> None:
    """Copy a folder as other programs do."""
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            MemoryFileSystem().pipe_file(f"/{place}/{name}", path.read_bytes())


@pytest.fixture
def put(a_provenance, tmp_path):
    """Write a run that is right in every n-th row into a folder."""

    def put(folder, run, step, labels=LABELS, *, pictures="pictures"):
        images = an_image_set(tmp_path / pictures, labels, name=run.images)
        guesses = np.full(len(labels), 7)
        guesses[::step] = images.labels[::step]
        probabilities = np.full((len(labels), 10), 0.05, np.float32)
        probabilities[np.arange(len(labels)), guesses] = 0.5
        made = replace(a_provenance(images), platform="Keras")
        return Store(folder).write(run, images, top_k(probabilities), made)

    return put


@pytest.fixture
def folder(put):
    """A local store with three runs, of which the object storage has a copy."""
    for step, run in enumerate(RUNS, 1):
        put("folder", run, step)
    upload(Path("folder"))
    return Path("folder")


def copied() -> set[str]:
    """The files of the copy in the user's data that are no hidden ones."""
    root = folder_of_copy(Address(ADDRESS))
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if not path.name.startswith(".")}


@pytest.mark.parametrize(
    "command", ["table --wide", "compare --all", "check", "cite", "verify", "show even"]
)
def test_a_command_reads_an_address_as_it_reads_the_folder(folder, call, command):
    of_folder = call(*command.split(), "--store", folder)
    status, out, err = call(*command.split(), "--store", ADDRESS)
    copy = str(folder_of_copy(Address(ADDRESS)))
    assert (status, out.replace(copy, "folder"), err) == of_folder


def test_python_reads_an_address_as_it_reads_the_folder(folder):
    tables = [str(score(place)) for place in (folder, ADDRESS, open_store(ADDRESS))]
    assert len(set(tables)) == 1
    assert Stores(ADDRESS).as_options == f"--store {ADDRESS}"


def test_an_address_and_a_folder_are_read_as_two_stores(folder, put, call):
    put("other", Run("thirty", "lab", "fourth", "published"), 4)
    status, out, _ = call("table", "--store", ADDRESS, "--store", "other")
    assert status == 0
    assert [line.split()[-1] for line in out.splitlines()[2:]] == [*3 * [ADDRESS], "other"]


def test_only_new_and_changed_files_are_copied_again(folder, bucket, put):
    open_store(ADDRESS)
    names = [f"thirty/lab/{run.model}.published.safetensors" for run in RUNS]
    assert bucket.done("read") == ["thirty/images.csv", *sorted(names)]
    open_store(ADDRESS)
    assert bucket.done("read") == []
    size = len(bucket.files()[names[0]])
    upload(put("changed", RUNS[0], 4).parents[2])  # which has the same size
    assert len(bucket.files()[names[0]]) == size
    bucket.store.pop(f"/bucket/store/{names[1]}")
    store = open_store(ADDRESS)
    assert bucket.done("read") == ["thirty/images.csv", names[0]]
    assert store.runs("thirty") == [RUNS[0], RUNS[2]]
    assert has_same_predictions(store.path(RUNS[0]), Store("changed").path(RUNS[0]))


class Remembering(Watched):
    """Listings are remembered until they are invalidated, as by s3fs and gcsfs."""

    remembered: ClassVar = {}

    def ls(self, path, detail=True, **options):
        if path not in self.remembered:
            self.remembered[path] = super().ls(path, detail, **options)
        return self.remembered[path]

    def invalidate_cache(self, path=None):
        self.remembered.clear()


def test_a_listing_that_the_library_remembers_is_asked_for_again(folder, bucket):
    register_implementation("memory", Remembering, clobber=True)
    store = open_store(ADDRESS)
    bucket.store.pop("/bucket/store/thirty/lab/odd.published.safetensors")
    store.refresh()
    assert store.runs("thirty") == [RUNS[0], RUNS[2]]


def test_files_are_copied_each_time_if_a_listing_does_not_tell_whether_they_changed(folder, bucket):
    def size_only(what, place):
        if (what, place) != ("ls", "thirty/lab"):
            return None
        path = "/bucket/store/thirty/lab/odd.published.safetensors"
        return [{"name": path, "type": "file", "size": bucket.store[path].size}]

    bucket.after = size_only
    for _ in range(2):
        open_store(ADDRESS)
        assert "thirty/lab/odd.published.safetensors" in bucket.done("read")


def test_a_copy_that_was_altered_is_copied_again(folder, bucket):
    store = open_store(ADDRESS)
    bucket.done("read")
    store.path(RUNS[0]).write_bytes(b"altered")
    store.rows_path("thirty").unlink()
    store.refresh()
    assert bucket.done("read") == ["thirty/images.csv", "thirty/lab/even.published.safetensors"]
    assert store.check(RUNS[0])


def test_a_run_that_somebody_put_into_the_copy_is_neither_read_nor_removed(folder, put):
    copy = open_store(ADDRESS).folder
    other = put(copy, replace(RUNS[0], model="mine"), 3)
    with pytest.raises(StoreError, match=r"mine\.published\.safetensors is in the copy of memory"):
        open_store(ADDRESS)
    assert other.exists()


@pytest.mark.parametrize("failing", range(4))
def test_a_failure_is_an_error_that_names_the_address_and_never_a_smaller_table(
    folder, bucket, call, failing
):
    """Listings of the store, of the set and of the source fail, and the reading of a file."""
    whole = call("table", "--store", ADDRESS)
    bucket.store.pop("/bucket/store/thirty/lab/odd.published.safetensors")
    upload(folder)
    places = ["", "thirty", "thirty/lab", "thirty/lab/odd.published.safetensors"]

    def fail(what, place):
        if what in ("ls", "read") and place == places[failing]:
            raise ConnectionResetError("connection\x1b[2J reset by peer")

    bucket.before = fail
    status, out, err = call("table", "--store", ADDRESS)
    what = "read" if failing == 3 else "listed"
    where = "/".join(filter(None, [ADDRESS, places[failing]]))
    assert (status, out) == (2, "")
    said = (
        f"imagenet-benchmark: {where} cannot be {what}: ConnectionResetError: connection\\x1b[2J "
        "reset by peer. "
    )
    assert err.startswith(said)
    bucket.before = None
    advice = re.search(r"'--store (\S+)' reads what was copied before, last on \d{4}-", err)
    assert call("table", "--store", advice[1]) == whole  # the old files, as the user asked for
    assert call("table", "--store", ADDRESS) == whole


def test_a_folder_that_is_listed_but_not_found_is_an_error(folder, bucket, call):
    def lose(what, place):
        if (what, place) == ("ls", "thirty/lab"):
            raise FileNotFoundError(place)

    bucket.before = lose
    status, out, err = call("table", "--store", ADDRESS)
    assert (status, out) == (2, "")
    assert f"{ADDRESS}/thirty/lab was removed meanwhile; try again." in err


def test_an_address_without_runs_is_no_empty_table(call):
    status, out, err = call("table", "--store", ADDRESS)
    assert (status, out) == (2, "")
    assert f"there are no stored predictions in {ADDRESS}." in err


def test_hostile_names_are_not_written(folder, bucket, tmp_path, capsys):
    data = bucket.files()["thirty/lab/even.published.safetensors"]
    for name in (
        *("../../evil.safetensors", "thirty/../../evil.safetensors", "thirty/lab/../x.safetensors"),
        *("thirty//etc/passwd", "/etc/passwd", "thirty/lab/.hidden.safetensors", "thirty/notes.md"),
        *("thirty/lab/a b.safetensors", "thirty/lab/deep/er.safetensors", "~/x/y.safetensors"),
        *("thirty/images.csv/x.safetensors", "speed/a/b/c d.json", "images.csv", "x\n/y/z.json"),
    ):
        bucket.store[f"/bucket/store/{name}"] = bucket.store["/bucket/store/thirty/images.csv"]
    before = {path for path in tmp_path.rglob("*") if "data" not in path.parts}
    store = open_store(ADDRESS)
    assert copied() == {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert {path for path in tmp_path.rglob("*") if "data" not in path.parts} == before
    assert all(
        path.is_relative_to(store.folder) for path in tmp_path.rglob("data/**/*.safetensors")
    )
    assert data == store.path(RUNS[0]).read_bytes()
    assert capsys.readouterr().err == (
        f"note: left out, not named like a run: {ADDRESS}/thirty/lab/a b.safetensors\n"
    )


def test_a_safe_name_that_is_no_run_is_reported_as_in_a_folder(folder, call):
    shutil.copy(Store(folder).path(RUNS[0]), folder / "thirty/lab/copy.of.even.safetensors")
    upload(folder)
    of_folder = call("check", "--store", folder)
    of_address = call("check", "--store", ADDRESS)
    copy = str(open_store(ADDRESS).folder)
    assert of_folder[0] == of_address[0] == 1
    assert of_address[1].replace(copy, "folder") == of_folder[1]


class Endless(io.RawIOBase):
    """A file that has no end."""

    given = 0

    def read(self, size=-1):
        self.given += size
        assert self.given < 10**8
        return bytes(size)


def test_a_file_without_an_end_is_not_read_beyond_its_size(folder, bucket, monkeypatch):
    monkeypatch.setattr(bucket, "_open", lambda *_, **__: Endless())
    with pytest.raises(BenchmarkError, match="is replaced again and again"):
        open_store(ADDRESS)


@pytest.mark.parametrize("size", [10, 10**9])
def test_a_file_of_another_size_than_listed_is_not_kept(folder, bucket, size):
    name = "thirty/lab/even.published.safetensors"

    def lie(what, place):
        if (what, place) == ("ls", "thirty/lab"):
            entry = {"name": f"/bucket/store/{name}", "size": size, "type": "file", "created": 1}
            return [entry]
        return None

    bucket.after = lie
    with pytest.raises(BenchmarkError, match=f"{name} is replaced again and again"):
        open_store(ADDRESS)
    assert len(bucket.done("read")) > 2
    assert name not in copied()


def test_a_copy_that_needs_more_room_than_there_is_is_not_begun(folder, bucket):
    def lie(what, place):
        entry = {"name": "/bucket/store/thirty/images.csv", "size": 2**60, "type": "file"}
        return [entry] if (what, place) == ("ls", "thirty") else None

    bucket.after = lie
    with pytest.raises(StoreError, match=r"the copy of memory://bucket/store needs .* more"):
        open_store(ADDRESS)
    assert bucket.done("read") == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_run_that_arrives_damaged_is_read_twice_and_then_named(folder, bucket, call, times):
    place = "/bucket/store/thirty/lab/even.published.safetensors"
    whole = call("table", "--store", folder)
    sound = bytes(bucket.store[place].getbuffer())
    damaged = sound[:-1] + bytes([sound[-1] ^ 1])
    left = times

    def flip(what, name):
        nonlocal left
        if (what, name) == ("read", "thirty/lab/even.published.safetensors"):
            bucket.store[place].seek(0)
            bucket.store[place].write(damaged if left > 0 else sound)
            left -= 1

    bucket.before = flip
    status, out, err = call("table", "--store", ADDRESS)
    if times == 1:
        assert (status, out, err) == whole
    else:
        assert status == 1
        assert "left out: " in err
        assert "even.published.safetensors is damaged" in err


def test_only_one_process_at_a_time_writes_a_copy(folder, bucket, monkeypatch):
    stores, told = [], SimpleQueue()
    # capsys would lose a message that comes while it is read.
    monkeypatch.setattr(mirror, "notice", told.put)
    thread = Thread(target=lambda: stores.append(open_store(ADDRESS)))
    with ExitStack() as stack:
        assert claim(folder_of_copy(Address(ADDRESS)) / ".copied.lock", stack)
        thread.start()
        text = told.get(timeout=60)
        assert text == "another process is copying from memory://bucket/store; waiting for it"
        assert bucket.calls == []
    thread.join()
    assert stores[0].runs("thirty") == list(RUNS)


# Writing


@pytest.fixture
def shouted(light, tree, tmp_path):
    """A local store with the runs of two light models on six pictures."""
    predict(["steady", "steadier"], tree, tmp_path / "local")
    return Store(tmp_path / "local")


ROWS, STEADY_FILE, STEADIER_FILE = (
    "tree/images.csv",
    "tree/brightness/steady.published.safetensors",
    "tree/brightness/steadier.published.safetensors",
)


def test_predict_puts_up_the_list_of_pictures_and_then_each_run_as_soon_as_it_is_complete(
    shouted, bucket, tree, call
):
    status, out, _ = call("predict", tree, "--models", "steady", "steadier", "--store", ADDRESS)
    assert status == 0
    assert f"into {ADDRESS}" in out
    puts = [place for what, place in bucket.calls if what == "put"]
    assert puts[0] == ROWS
    assert sorted(puts[1:]) == [STEADIER_FILE, STEADY_FILE]
    assert bucket.files().keys() == {ROWS, STEADY_FILE, STEADIER_FILE}  # no checkpoint, no lock
    store = open_store(ADDRESS)
    for run in shouted.runs("tree"):
        assert has_same_predictions(store.path(run), shouted.path(run))
        assert store.check(run)
    assert bucket.files()[ROWS] == shouted.rows_path("tree").read_bytes()
    assert ADDRESS not in " ".join(store.provenance(run).arguments)
    _, out, _ = call("predict", tree, "--models", "steady", "--store", ADDRESS)
    assert "complete since" in out


def test_a_run_that_cannot_be_put_up_is_kept_and_put_up_by_the_next_call(
    shouted, bucket, tree, call
):
    def fail(what, place):
        if (what, place) == ("put", STEADY_FILE):
            raise PermissionError("Access Denied")

    bucket.before = fail
    arguments = ("predict", tree, "--models", "steady", "--store", ADDRESS)
    status, _, err = call(*arguments)
    assert status == 1
    assert f"{ADDRESS}/{STEADY_FILE} cannot be written: PermissionError: Access Denied." in err
    assert bucket.files().keys() == {ROWS}
    bucket.before = None
    with closing(sweep("steady", tree, ADDRESS)) as events:
        found = list(events)
    steps = [event.pictures for event in found if isinstance(event, Progress)]
    assert (steps, type(found[-1])) == ([6], Stored)  # all at once: nothing is computed again
    assert has_same_predictions(
        open_store(ADDRESS).path(Run("tree", "brightness", "steady", "published")),
        shouted.path(Run("tree", "brightness", "steady", "published")),
    )


def test_an_unreachable_store_stops_predict_before_anything_is_computed(bucket, tree, light):
    def fail(what, place):
        raise TimeoutError

    bucket.before = fail
    next(tree.rglob("*.png")).write_bytes(b"broken")  # and before any picture is read
    with pytest.raises(BenchmarkError, match=f"^{ADDRESS}/tree cannot be listed: TimeoutError"):
        predict("steady", tree, ADDRESS)
    assert bucket.done("put") == []


def test_a_store_that_goes_away_in_the_middle_costs_no_predictions(bucket, tree, light):
    def fail(what, place):
        if any(kind == "put" and name != ROWS for kind, name in bucket.calls):
            raise TimeoutError

    bucket.before = fail
    with pytest.raises(BenchmarkError) as error:
        predict(["steady", "steadier"], tree, ADDRESS)
    assert str(error.value).count("TimeoutError") == 2
    bucket.before = None
    bucket.calls.clear()
    with closing(sweep(["steady", "steadier"], tree, ADDRESS)) as events:
        found = list(events)
    assert [event.pictures for event in found if isinstance(event, Progress)] == [6, 6]
    assert sum(isinstance(event, Stored) for event in found) == 2


def test_other_pictures_under_a_stored_name_are_refused_and_what_is_stored_stays(
    bucket, put, tree, light
):
    put("other", Run("tree", "lab", "odd", "published"), 2)
    upload(Path("other"))
    before = bucket.files()
    with pytest.raises(StoreError, match="image set 'tree' is stored with fingerprint"):
        predict("steady", tree, ADDRESS)
    assert bucket.files() == before


def test_a_list_of_pictures_without_runs_may_be_another_machines_and_stays(
    bucket, put, tree, light
):
    put("other", Run("tree", "lab", "odd", "published"), 2)
    (list_of_others,) = Path("other").glob("*/images.csv")
    bucket().pipe_file(f"/bucket/store/{ROWS}", list_of_others.read_bytes())
    with pytest.raises(StoreError, match=f"{ADDRESS}/{ROWS} lists other pictures than these"):
        predict("steady", tree, ADDRESS)
    assert bucket.files() == {ROWS: list_of_others.read_bytes()}


def test_a_list_that_another_machine_puts_up_in_the_same_moment_is_noticed(
    bucket, put, tree, light
):
    put("other", Run("tree", "lab", "odd", "published"), 2)
    (list_of_others,) = Path("other").glob("*/images.csv")

    def rival(what, place):
        if (what, place) == ("put", ROWS):
            MemoryFileSystem().pipe_file(f"/bucket/store/{ROWS}", list_of_others.read_bytes())

    bucket.after = rival
    with pytest.raises(StoreError, match=f"{ROWS} was stored, but another process has replaced"):
        predict("steady", tree, ADDRESS)
    assert bucket.files() == {ROWS: list_of_others.read_bytes()}


def test_other_pictures_that_another_machine_stores_in_the_same_moment_are_noticed(
    bucket, same_names, tree
):
    def rival(what, place):
        if (what, place) == ("put", STEADY_FILE):
            upload(same_names)

    bucket.after = rival
    with pytest.raises(BenchmarkError, match="stored runs on other pictures under the same name"):
        predict("steady", tree, ADDRESS)


@pytest.fixture
def same_names(shouted, tree):
    """A local store with a run on other pictures with the same names and classes."""
    other = shouted.folder.with_name("other")
    for path in tree.rglob("*.png"):
        path.write_bytes(path.read_bytes() + b"more")
    predict("steadier", tree, other)
    for path in tree.rglob("*.png"):
        path.write_bytes(path.read_bytes().removesuffix(b"more"))
    return other


def test_other_pictures_that_were_stored_during_a_sweep_are_refused_before_a_run_is_put_up(
    bucket, same_names, tree
):
    with closing(sweep("steady", tree, ADDRESS)) as events:
        for event in events:
            if isinstance(event, Started):
                upload(same_names)
    assert isinstance(event, Failed)
    assert "image set 'tree' is stored with fingerprint" in event.reason
    assert STEADY_FILE not in bucket.files()


def test_a_run_that_another_machine_has_stored_meanwhile_is_not_computed(bucket, shouted, tree):
    """It is stored when the first of the two has just been put up."""
    data = shouted.path(Run("tree", "brightness", "steadier", "published")).read_bytes()

    def rival(what, place):
        if (what, place) == ("read", STEADY_FILE):
            MemoryFileSystem().pipe_file(f"/bucket/store/{STEADIER_FILE}", data)

    bucket.before = rival
    with closing(sweep(["steady", "steadier"], tree, ADDRESS)) as events:
        found = [event for event in events if not isinstance(event, Started | Progress)]
    assert [(event.job.run.model, type(event)) for event in found] == [
        ("steady", Stored),
        ("steadier", AlreadyStored),
    ]
    assert bucket.files()[STEADIER_FILE] == data


def test_a_run_that_another_machine_replaces_in_the_same_moment_is_reported(bucket, tree, light):
    def rival(what, place):
        if (what, place) == ("put", STEADY_FILE):
            MemoryFileSystem().pipe_file(f"/bucket/store/{STEADY_FILE}", b"another run")

    bucket.after = rival
    with pytest.raises(BenchmarkError, match=f"{STEADY_FILE} was stored, but another process has"):
        predict("steady", tree, ADDRESS)
    assert bucket.files()[STEADY_FILE] == b"another run"


def test_outputs_of_other_programs_are_imported_to_an_address(folder, bucket, call):
    logits = np.random.default_rng(0).normal(size=(len(LABELS), 1000))
    logits[range(len(LABELS)), list(LABELS.values())] += 20
    np.save("logits.npy", logits)
    words = ("import", "logits.npy", "--model", "mine", "--images", "thirty", "--order", "rows")
    status, out, err = call(*words, "--store", ADDRESS)
    assert (status, out) == (
        0,
        f"imported/mine (unknown) on thirty is in {ADDRESS}: acc@1 100.00 %\n",
    ), err
    assert "thirty/imported/mine.unknown.safetensors" in bucket.files()


def test_an_evaluation_is_stored_at_an_address(bucket, tree, light):
    table = evaluate("brightness/steady", tree, store=ADDRESS)
    assert bucket.files().keys() == {ROWS, STEADY_FILE}
    assert str(table) == str(score(ADDRESS))


def test_shards_at_addresses_are_merged_into_an_address(bucket, shouted, tree, call):
    for number in (1, 2):
        arguments = ("--models", "steady", "--shard", f"{number}/2", "--batch-size", "1")
        assert (
            call("predict", tree, *arguments, "--store", f"memory://bucket/part-{number}")[0] == 0
        )
    command = ("merge", "memory://bucket/part-1", "memory://bucket/part-2", "--store", ADDRESS)
    status, out, err = call(*command)
    assert (status, err) == (0, "")
    assert f"1 of 1 runs are in {ADDRESS}" in out
    assert bucket.files().keys() == {ROWS, STEADY_FILE}
    run = Run("tree", "brightness", "steady", "published")
    assert (open_store(ADDRESS).read(run).classes == shouted.read(run).classes).all()
    assert "complete since" in call(*command)[1]
    bucket.store.pop(f"/bucket/store/{STEADY_FILE}")
    assert "merged of 2 shards" in call(*command)[1]  # the copy knew it


# Addresses


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s3://", "is no plain address"),
        ("s3://bucket/../other", "is no plain address"),
        ("s3://bucket//store", "is no plain address"),
        ("s3://bucket/a*", "is no plain address"),
        ("s3://bucket/a b", "is no plain address"),
        ("zip://x::s3://bucket/a.zip", "is no plain address"),
        ("https://host/store?key=1", "is no plain address"),
        ("file:///tmp/store", "is a folder of this machine; write its path alone"),
        ("ftp://me:secret@host/store", "has a password in it"),
        ("nosuch://host/store", "cannot be opened: ValueError: Protocol not known: nosuch"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(call, text, message):
    status, out, err = call("table", "--store", text)
    assert (status, out) == (2, "")
    assert message in err
    assert "secret" not in err


def test_addresses_are_written_in_one_way():
    assert str(Address("S3://bucket/store/")) == "s3://bucket/store"
    assert Address("s3://bucket/store").beside("-random") == Address("s3://bucket/store-random")
    with pytest.raises(BenchmarkError, match="which would be another bucket"):
        Address("s3://bucket").beside("-random")


def test_two_addresses_have_two_copies():
    places = [f"s3://{place}" for place in ("a/b-c", "a-b/c", "a/b/c", "a.b/c")]
    assert len({folder_of_copy(Address(place)) for place in places}) == 4


def test_a_protocol_whose_library_is_missing_says_what_to_install(call):
    register_implementation("far", "no_such_library.Files", clobber=True)
    status, _, err = call("table", "--store", "far://bucket/store")
    assert (status, err) == (
        2,
        "imagenet-benchmark: far://bucket/store needs no_such_library, which is not installed; "
        "run: pip install 'no_such_library'\n",
    )
    if find_spec("s3fs") is None:
        status, _, err = call("table", "--store", "s3://bucket/store")
        assert (
            "s3://bucket/store needs s3fs, which is not installed; run: pip install 's3fs'" in err
        )


def test_runs_with_random_weights_have_an_address_of_their_own(bucket, tree, light, call):
    arguments = ("--models", "steady", "--weights", "random", "--store", ADDRESS)
    assert call("predict", tree, *arguments)[0] == 0
    assert {path.split("/")[2] for path in bucket.store} == {"store-random"}
    status, out, _ = call("table", "--weights", "random", "--store", ADDRESS)
    assert (status, "steady" in out) == (0, True)


def test_the_variable_can_be_an_address(folder, call, monkeypatch):
    of_folder = call("table", "--store", folder)
    monkeypatch.setenv("IMAGENET_BENCHMARK_STORE", ADDRESS)
    assert call("table") == of_folder
    assert open_store() == RemoteStore(Address(ADDRESS))
    with pytest.raises(StoreError, match="is the address memory://bucket/store; expected a folder"):
        Store()


@pytest.mark.parametrize(
    "command",
    [
        "table -o s3://bucket/table.md",
        "export s3://bucket/arrays --to npy",
        "predict demo --weights-dir s3://bucket/weights",
        "transfer demo demo --store s3://bucket/store",
        "plot learning-curves -o curves.svg --store s3://bucket/store",
        "speed --models steady --store s3://bucket/store",
        "compare s3://bucket/a.safetensors s3://bucket/b.safetensors",
    ],
)
def test_an_address_is_refused_where_a_path_is_expected(folder, call, command, light):
    status, out, err = call(*command.split())
    assert (status, out) == (2, "")
    assert "s3://bucket" in err
    assert "is an address" in err
    assert not Path("s3:").exists()


def test_a_path_made_of_an_address_is_refused(tmp_path):
    for place in ("s3://bucket/store", Path("s3://bucket/store")):
        with pytest.raises(BenchmarkError, match="is an address; expected a path"):
            Store(place)
    Path("s3:/bucket").mkdir(parents=True)
    assert expanded(Path("s3:/bucket")) == Path("s3:/bucket")  # it is really named so


# A server of its own

SERVER = '''
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

root = Path(sys.argv[1])


def status(path, name):
    kind = "DIRECTORY" if path.is_dir() else "FILE"
    found = path.stat()
    changed = found.st_mtime_ns // 1_000_000
    return dict(type=kind, length=found.st_size, modificationTime=changed, pathSuffix=name)


class Files(BaseHTTPRequestHandler):
    """What WebHDFS answers when files are listed and read."""

    def do_GET(self):
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = root / unquote(parts.path).removeprefix("/webhdfs/v1/")
        if (root / "closed").exists():
            self.answer(503, b"")
        elif not path.exists():
            error = dict(exception="FileNotFoundException", message="no such file")
            self.answer(404, json.dumps(dict(RemoteException=error)).encode())
        elif asked["op"] == "LISTSTATUS":
            below = [status(one, one.name) for one in path.iterdir()]
            self.answer(200, json.dumps(dict(FileStatuses=dict(FileStatus=below))).encode())
        elif asked["op"] == "GETFILESTATUS":
            self.answer(200, json.dumps(dict(FileStatus=status(path, ""))).encode())
        else:
            start, length = int(asked["offset"]), int(asked["length"])
            self.answer(200, path.read_bytes()[start : start + length])

    def answer(self, code, data):
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
print(server.server_port, flush=True)
server.serve_forever()
'''


@pytest.fixture
def server(folder, tmp_path):
    """The address of a store on a server that is a process of its own, and the process."""
    (tmp_path / "served").mkdir()
    shutil.copytree(folder, tmp_path / "served" / "store")
    command = [sys.executable, "-c", SERVER, str(tmp_path / "served")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline())
        yield f"webhdfs://127.0.0.1:{port}/store", process
        process.kill()


def test_a_store_on_a_server_is_read_until_the_server_fails(
    server, folder, call, tmp_path, tree, shouted
):
    address, process = server
    of_folder = call("table", "--wide", "--store", folder)
    assert call("table", "--wide", "--store", address) == of_folder
    assert call("table", "--wide", "--store", address) == of_folder
    shutil.copytree(shouted.folder / "tree", tmp_path / "served" / "store" / "tree")
    status, _, err = call("predict", tree, "--models", "darker", "--store", address)
    assert status == 2  # before a model runs
    assert f"{address} can be read, but not written: with webhdfs, others could see" in err
    (tmp_path / "served" / "closed").touch()
    status, out, err = call("table", "--store", address)
    assert (status, out) == (2, "")
    assert f"{address} cannot be listed: HTTPError: 503" in err
    process.kill()
    process.wait()
    status, out, err = call("table", "--store", address)
    assert (status, out) == (2, "")
    assert f"{address} cannot be listed: ConnectionError: " in err
    assert os.linesep not in err.strip()


# Servers that do not answer


@pytest.mark.parametrize(
    "silent", [("ls", ""), ("ls", "thirty/lab"), ("read", "thirty/images.csv")]
)
def test_a_server_that_does_not_answer_is_given_up(folder, bucket, call, monkeypatch, silent):
    released = Event()

    def wait(what, place):
        if (what, place) == silent:
            released.wait(60)

    bucket.before = wait
    monkeypatch.setattr(addresses, "_SECONDS", 0.3)
    try:
        status, out, err = call("table", "--store", ADDRESS)
    finally:
        released.set()
    assert (status, out) == (2, "")
    assert "TimeoutError: no answer within 0 s" in err


def test_a_file_that_is_not_taken_is_given_up_and_the_run_is_kept(bucket, tree, light, monkeypatch):
    released = Event()

    def wait(what, place):
        if what == "put" and place.endswith(".safetensors"):
            released.wait(60)

    monkeypatch.setattr(addresses, "_SECONDS", 0.3)
    monkeypatch.setattr(addresses, "_SLOWEST", 2**40)
    bucket.before = wait
    try:
        predict("steady", tree, store=ADDRESS)
    except BenchmarkError as error:
        said = str(error)
    finally:
        released.set()
    assert "TimeoutError: no answer within 0 s" in said


CTRL_C = """
import sys, threading, time
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem
from benchmarking.cli import main

class Silent(MemoryFileSystem):
    def ls(self, path, detail=True, **options):
        print("asked", flush=True)
        time.sleep(1000)

register_implementation("memory", Silent, clobber=True)
raise SystemExit(main(["table", "--store", "memory://bucket/store"]))
"""


def test_ctrl_c_ends_soon_though_the_server_does_not_answer(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", CTRL_C], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "asked\n"
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "stopped" in err
    assert "Traceback" not in err
