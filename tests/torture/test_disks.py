"""Full and read-only disks: detected early or reported clearly, without harm to files."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from torture import scenes
from torture.launch import PREDICTING, READING, Orders
from torture.scenes import Scene
from torture.verdicts import Verdicts, differences
from torture.victims import Arena, Ended, an_arena, check_whole, contents, phases

PAGE = 4096
"""Allocation unit of a tmpfs, in bytes."""


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with an_arena(tmp_path_factory.mktemp("arena")) as made:
        yield made


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenes.numbered_pictures(tmp_path_factory.mktemp("pictures") / "tiny", 300)


def mount(*arguments: str) -> None:
    found = shutil.which("mount")
    done = found and subprocess.run([found, *arguments], capture_output=True, text=True)
    if not done or done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip() if done else 'no mount'}")


@contextmanager
def a_disk(folder: Path, size: int) -> Iterator[Path]:
    """A disk of this size in bytes, which `mount -o remount` can change."""
    folder.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def check_refusal(ended: Ended, what: str) -> None:
    assert ended.status in (1, 2), ended
    assert "Traceback" not in ended.err, ended.err
    assert what in ended.err, ended.err


def make(name: str, arena: Arena, pictures: Path, folder: Path) -> Scene:
    if name == "predict":
        made = scenes.predict(pictures, "one", limit=60)
        return replace(made, arguments=lambda out: [*made.arguments(out), "--save-all-probs"])
    if name in ("npy", "csv"):
        return scenes.export(arena, pictures, name)
    return {"import": scenes.imports, "fetch": scenes.fetch, "prepare": scenes.prepare}[name](
        folder / "given"
    )


@pytest.mark.parametrize("name", ["predict", "import", "fetch", "prepare", "npy", "csv"])
def test_a_disk_that_is_too_small_is_reported_and_existing_files_stay(
    arena, pictures, tmp_path, full, name
):
    scene = make(name, arena, pictures, tmp_path)
    assert arena.run(scene.arguments(tmp_path / "0"), scene.orders).status == 0
    reference = contents(tmp_path / "0")
    needed = sum(-(-file.stat().st_size // PAGE) for file in (tmp_path / "0").rglob("*.*"))
    sizes = range(1, needed, max(1, needed // (12 if full else 3)))
    verdicts = Verdicts()
    for pages in sizes:
        with a_disk(tmp_path / f"disk-{pages}", pages * PAGE) as disk:
            out = disk / "out"
            ended = arena.run(scene.arguments(out), scene.orders)
            with verdicts.on("disk full", f"{scene.name}, light"):
                if ended.status == 0:  # the disk was rounded up, so the files may fit
                    assert contents(out) == reference
                    continue
                early = {"predict": "Make room", "prepare": "make room"}
                check_refusal(ended, early.get(name, "No space left on device"))
                check_whole(out, reference)
                assert not list(disk.rglob(".*.part"))
                mount("-o", f"remount,size={2**24}", str(disk))
                again = arena.run(scene.arguments(out), scene.orders)
                assert again.status == 0, again.err
                assert differences(contents(out), reference) == ""
    verdicts.check()


def test_a_store_without_room_for_the_run_is_found_before_anything_is_predicted(
    arena, pictures, tmp_path
):
    scene, verdicts = make("predict", arena, pictures, tmp_path), Verdicts()
    arena.seen()
    with a_disk(tmp_path / "disk", 20 * PAGE) as disk:
        ended = arena.run(scene.arguments(disk / "store"), scene.orders)
        with verdicts.on("disk full, found beforehand", "predict, light"):
            check_refusal(ended, "")
            assert arena.seen() == []
    verdicts.check()


def test_a_disk_that_fills_up_costs_at_most_the_current_run_and_the_next_call_resumes(
    arena, pictures, tmp_path
):
    scene, verdicts = scenes.predict(pictures, "one", "two", limit=200), Verdicts()
    earlier = scenes.predict(pictures, "one", limit=200)
    assert arena.run(scene.arguments(tmp_path / "0")).status == 0
    reference = contents(tmp_path / "0")
    with a_disk(tmp_path / "disk", 2**22) as disk:
        assert arena.run(earlier.arguments(disk / "store")).status == 0
        victim = arena.start(scene.arguments(disk / "store"), scene.orders, TORTURE_PAUSE="0.1")
        victim.until(PREDICTING)
        fill(disk / "filler")
        ended = victim.ended()
        with verdicts.on("disk full, of a sudden", "predict, light"):
            check_refusal(ended, "No space left on device")
            check_whole(disk / "store", reference)
            (disk / "filler").unlink()
            assert arena.run(scene.arguments(disk / "store"), scene.orders).status == 0
            assert differences(contents(disk / "store"), reference) == ""
    verdicts.check()


def test_a_complete_sweep_needs_no_disk_space(arena, pictures, tmp_path):
    scene = scenes.predict(pictures, "one", "two")
    with a_disk(tmp_path / "disk", 2**22) as disk:
        assert arena.run(scene.arguments(disk / "store"), scene.orders).status == 0
        fill(disk / "filler")
        assert arena.run(scene.arguments(disk / "store"), scene.orders).status == 0


def fill(path: Path) -> None:
    """Write until no more can be written."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(PAGE)):
            pass


def test_a_full_disk_of_crops_costs_only_time(arena, pictures, tmp_path):
    scene, verdicts = scenes.predict(pictures, "one", "two"), Verdicts()
    assert arena.run(scene.arguments(tmp_path / "0")).status == 0
    with a_disk(tmp_path / "store-crops", 5 * PAGE) as disk:
        (disk / "full").write_bytes(bytes(4 * PAGE))
        with verdicts.on("disk full, of crops", "predict, light"):
            ended = arena.run(scene.arguments(tmp_path / "store"), Orders(spare=-(2**40)))
            assert ended.status == 0, ended
            assert differences(contents(tmp_path / "store"), contents(tmp_path / "0")) == ""
            assert [path.name for path in disk.iterdir() if path.stat().st_size] == ["full"]
    verdicts.check()


@pytest.mark.parametrize("name", ["predict", "import", "fetch", "prepare", "npy", "csv"])
def test_a_read_only_disk_is_reported_at_once_and_left_unchanged(arena, pictures, tmp_path, name):
    scene, verdicts = make(name, arena, pictures, tmp_path), Verdicts()
    with a_disk(tmp_path / "disk", 2**24) as disk:
        earlier = scenes.predict(pictures, "two", limit=20)
        assert arena.run(earlier.arguments(disk / "out")).status == 0
        before = contents(disk)
        out = disk / ("new" if name == "prepare" else "out")
        mount("-o", "remount,ro", str(disk))
        ended = arena.run(scene.arguments(out), scene.orders)
        with verdicts.on("disk that cannot be written", f"{scene.name}, light"):
            check_refusal(ended, "Read-only file system")
            assert contents(disk) == before
            assert READING not in [name for name, *_ in phases(arena.marks)]
    verdicts.check()
