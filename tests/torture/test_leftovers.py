"""What killed commands leave outside a store, in the user's cache and among temporary files."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from torture import scenes
from torture.launch import LOADING, PREDICTING, Orders
from torture.scenes import Scene
from torture.verdicts import Verdicts, differences
from torture.victims import Arena, an_arena, contents, traced

CHANGES = ("open", "write", "pwrite", "posix_fallocate", "mkdir", "replace", "unlink", "rmdir")
PICTURES = 300
UNSEEN = {"TORTURE_SEEN": ""}


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with an_arena(tmp_path_factory.mktemp("arena")) as made:
        yield made


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenes.numbered_pictures(tmp_path_factory.mktemp("pictures") / "tiny", PICTURES)


def a_sweep(pictures: Path, *models: str, limit: int = PICTURES) -> Scene:
    """Models that share crops in the user's cache."""
    names = [f"numbered/{model}" for model in models]

    def arguments(store: Path) -> list[str]:
        which = ["--limit", str(limit), "--models", *names]
        return ["predict", str(pictures), "--store", str(store), *which]

    return Scene("predict", arguments, Orders(spare=-(2**40)))


def outside(arena: Arena) -> list[Path]:
    """Files in the cache, and all that is among temporary files."""
    cache = (arena.folder / "cache").rglob("*")
    temporary = (path for path in arena.temporary.iterdir() if not is_probe(path))
    return [*temporary, *(path for path in cache if path.is_file())]


def is_probe(path: Path) -> bool:
    """Whether Python's tempfile made a file to find out whether it can write in the folder."""
    return path.is_file() and len(path.name) == 8 and path.read_bytes() in (b"", b"blat")


@pytest.mark.parametrize("who", ["parent", "worker"])
def test_whatever_a_kill_leaves_outside_the_store_the_next_sweep_removes(
    arena, pictures, tmp_path, full, who
):
    scene, other = a_sweep(pictures, "one", "two"), a_sweep(pictures, "three", limit=20)
    orders = replace(scene.orders, fatal=CHANGES, below=str(arena.folder), who=who)
    trace, verdicts = tmp_path / "trace", Verdicts()
    for number in range(2):  # the first makes the folder of the cache
        trace.unlink(missing_ok=True)
        told = replace(orders, trace=str(trace))
        ended = arena.run(scene.arguments(tmp_path / f"whole-{number}"), told, **UNSEEN)
        assert ended.status == 0, ended.err
        assert outside(arena) == []
    calls = [
        call
        for call in traced(trace)
        if (call.who, call.moment) == (who, "after")
        and call.name in CHANGES
        and call.path.startswith(orders.below)
    ]
    if who == "worker":  # the check has made the crops, in the parent
        assert calls == []
        return
    some = dict.fromkeys([*range(0, len(calls), 15), len(calls) - 1])
    places = [*range(len(calls))] if full else [*some]
    left = 0
    for at in places:
        store = tmp_path / f"{who}-{at}"
        if calls[at].name == "pwrite" and at % 40:
            continue  # of all the crops a few are enough
        killed = replace(orders, die_at=at + 1, moment="after")
        assert arena.run(scene.arguments(store), killed, **UNSEEN).status == -9
        left += bool(outside(arena))
        fault = f"kill -9 while files outside the store are made, {calls[at].name}"
        with verdicts.on(fault, f"predict, light, {who}"):
            assert arena.run(other.arguments(tmp_path / "other"), other.orders).status == 0
            assert outside(arena) == []
    assert left
    verdicts.check()


@pytest.mark.parametrize("whom", ["parent", "both"])
def test_the_same_command_uses_what_a_kill_has_left_or_removes_it(
    arena, pictures, tmp_path, full, whom
):
    scene, verdicts, chance = a_sweep(pictures, "one", "two"), Verdicts(), random.Random(whom)
    assert arena.run(scene.arguments(tmp_path / "0"), scene.orders).status == 0
    for number in range(8 if full else 1):
        store = tmp_path / str(number + 1)
        victim = arena.start(scene.arguments(store), scene.orders, TORTURE_PAUSE="0.05")
        victim.until(PREDICTING if number % 2 else LOADING)
        time.sleep(chance.uniform(0, 0.5))
        victim.kill(whom)
        assert victim.ended().status == -9
        with verdicts.on("kill -9 while crops are shared", f"predict, light, {whom}"):
            assert outside(arena) != []
            assert arena.run(scene.arguments(store), scene.orders).status == 0
            assert outside(arena) == []
            assert differences(contents(store), contents(tmp_path / "0")) == ""
    verdicts.check()


def test_what_a_sweep_at_work_uses_is_left_alone(arena, pictures, tmp_path):
    scene, other = a_sweep(pictures, "one", "two"), a_sweep(pictures, "three", limit=20)
    beside = replace(arena, folder=tmp_path / "beside")
    beside.folder.mkdir()
    shared = {
        "TMPDIR": str(arena.temporary),
        "XDG_CACHE_HOME": str(arena.folder / "cache"),
    }
    verdicts = Verdicts()
    assert arena.run(scene.arguments(tmp_path / "0"), scene.orders).status == 0
    victim = arena.start(scene.arguments(tmp_path / "store"), scene.orders, TORTURE_PAUSE="0.5")
    victim.until_true(lambda: list((arena.folder / "cache").rglob("*.crops*")))
    victim.kill("both", signal.SIGSTOP)  # at work still, however busy the machine is
    before = {path for path in outside(arena) if path.suffix != ".lock"}
    with verdicts.on("2 at once, one of which removes what the other might have left", "light"):
        assert beside.run(other.arguments(tmp_path / "other"), other.orders, **shared).status == 0
        assert before <= set(outside(arena))
        victim.kill("both", signal.SIGCONT)
        assert victim.ended().status == 0
        assert outside(arena) == []
        assert differences(contents(tmp_path / "store"), contents(tmp_path / "0")) == ""
    verdicts.check()


@pytest.mark.parametrize("file", ["images.csv", "one.published.safetensors", "000000000.npz"])
def test_what_a_kill_leaves_half_written_in_the_store_goes_though_another_has_written_it(
    arena, pictures, tmp_path, file
):
    scene, store, verdicts = a_sweep(pictures, "one"), tmp_path / "store", Verdicts()
    assert arena.run(scene.arguments(tmp_path / "0"), scene.orders).status == 0
    reference = contents(tmp_path / "0")
    place = {
        "images.csv": store / "tiny",
        "one.published.safetensors": store / "tiny" / "numbered",
        "000000000.npz": store / "tiny" / "numbered" / ".one.published.safetensors.unfinished",
    }[file]
    below = str(place / f".{file}.")
    most_lost = 100 if file == "000000000.npz" else 0  # else there is no checkpoint
    orders = replace(scene.orders, die_at=1, fatal=("fsync",), below=below, most_lost=most_lost)
    with verdicts.on(f"kill -9 while {file} is written by another as well", "predict, light"):
        assert arena.run(scene.arguments(store), orders).status == -9
        assert len(list(place.glob(".*.part"))) == 1
        if file != "000000000.npz":
            shutil.copytree(tmp_path / "0", store, dirs_exist_ok=True)
        assert arena.run(scene.arguments(store), scene.orders).status == 0
        assert differences(contents(store), reference) == ""
    verdicts.check()
