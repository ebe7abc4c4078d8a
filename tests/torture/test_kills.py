"""Commands that are killed at any moment: the same command resumes, and gives the same files."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from benchmarking.inference.partial_run import MOST_LOST
from torture import scenes
from torture.calls import SYNCS
from torture.launch import LOADING, PREDICTING, READING, START, WRITING, Orders
from torture.scenes import Scene
from torture.verdicts import Verdicts, differences
from torture.victims import (
    Arena,
    Batch,
    an_arena,
    check_whole,
    contents,
    incidents,
    tensors,
    traced,
)

PICTURES = 1300  # enough for a checkpoint to resume from
PAUSE = {"TORTURE_PAUSE": "0.015"}
FULL = [
    *[(START, "both"), (READING, "both"), (LOADING, "both"), (LOADING, "parent")],
    *[(PREDICTING, whom) for whom in ("both", "parent", "both", "parent", "both", "parent")],
    *[(WRITING, whom) for whom in ("both", "parent")],
] * 5
SHORT = [(PREDICTING, "both"), (PREDICTING, "parent"), (WRITING, "both")]


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with an_arena(tmp_path_factory.mktemp("arena")) as made:
        yield made


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenes.numbered_pictures(tmp_path_factory.mktemp("pictures") / "tiny", PICTURES)


def uninterrupted(arena: Arena, scene: Scene, out: Path) -> dict[str, object]:
    trace = out.with_name(f"{out.name}-trace")
    ended = arena.run(scene.arguments(out), replace(scene.orders, trace=str(trace)))
    assert ended.status == 0, ended.err
    return contents(out)


def check_goes_on(arena: Arena, scene: Scene, out: Path, reference: dict[str, object]) -> None:
    """Check that remaining files are complete, and that the same command makes all files."""
    check_whole(out, reference)
    done = scene.when_done and contents(out) == reference
    again = arena.run(scene.arguments(out), scene.orders)
    if done:
        assert again.status == 2
        assert scene.when_done in again.err
    else:
        assert again.status == 0, again.err
    assert differences(contents(out), reference) == ""


def make(name: str, arena: Arena, pictures: Path, folder: Path) -> Scene:
    makers: dict[str, Callable[[], Scene]] = {
        "predict": lambda: scenes.predict(pictures, "one", limit=220),
        "import": lambda: scenes.imports(folder / "arrays"),
        "fetch": lambda: scenes.fetch(folder / "remote"),
        "prepare": lambda: scenes.prepare(folder / "downloads"),
        "npy": lambda: scenes.export(arena, pictures, "npy"),
        "csv": lambda: scenes.export(arena, pictures, "csv"),
    }
    return makers[name]()


@pytest.mark.parametrize(
    ("name", "who", "every"),
    [
        ("predict", "parent", 12),
        ("import", "parent", 10),
        ("fetch", "parent", 10),
        ("prepare", "parent", 8),
        ("npy", "parent", 14),
        ("csv", "parent", 2),
    ],
)
def test_a_command_that_is_killed_at_any_write_sync_or_rename_resumes(
    arena, pictures, tmp_path, full, name, who, every
):
    scene = make(name, arena, pictures, tmp_path)
    reference = uninterrupted(arena, scene, tmp_path / "0")
    points = points_of(tmp_path / "0-trace", who)
    assert len(points) >= 4
    verdicts = Verdicts()
    for number, point in enumerate(points[:: 1 if full else every]):
        out = tmp_path / f"killed-{number}"
        orders = replace(scene.orders, who=who, **point)
        assert arena.run(scene.arguments(out), orders).status == -9
        with verdicts.on(f"kill -9 while {arena.phase()}", f"{scene.name}, light"):
            check_goes_on(arena, scene, out, reference)
    verdicts.check()


def points_of(trace: Path, who: str) -> list[dict[str, object]]:
    """The points before and after every sync and rename of a process, and amid every write."""
    calls = [call for call in traced(trace) if call.who == who]
    amid = sum((call.name, call.moment) == ("write", "amid") for call in calls)
    syncs = sum(call.name in SYNCS and call.moment == "before" for call in calls)
    return [
        *({"fatal": ["write"], "die_at": at + 1, "moment": "amid"} for at in range(amid)),
        *(
            {"fatal": SYNCS, "die_at": at + 1, "moment": moment}
            for at in range(syncs)
            for moment in ("before", "after")
        ),
    ]


def test_a_sweep_that_is_killed_at_any_time_resumes_and_loses_little(
    arena, pictures, tmp_path, full
):
    scene = replace(scenes.predict(pictures, "one", "two"), orders=Orders())
    reference = uninterrupted(arena, scene, tmp_path / "0")
    chance, verdicts = random.Random(2019), Verdicts()
    for number, (phase, whom) in enumerate(FULL if full else SHORT):
        out = tmp_path / f"killed-{number}"
        latest = kill(arena, scene, out, (phase, whom), chance)
        before = arena.seen()
        with verdicts.on(f"kill -9 while {latest}", f"predict, light, {whom}"):
            check_goes_on(arena, scene, out, reference)
            assert lost(before, arena.seen()) <= MOST_LOST
    verdicts.check()


def kill(
    arena: Arena, scene: Scene, out: Path, when: tuple[str, str], chance: random.Random
) -> str:
    """Kill the command within a phase; return its actual phase, which can be the next one."""
    longest = {START: 0.3, READING: 0.3, LOADING: 0.4, PREDICTING: 0.7, WRITING: 0}
    phase, whom = when
    arena.seen()
    victim = arena.start(scene.arguments(out), scene.orders, **PAUSE)
    victim.until(phase, times=chance.randint(1, 4) if phase == WRITING else 1)
    time.sleep(chance.uniform(0, longest[phase]))
    latest = arena.phase()
    victim.kill(whom)
    ended = victim.ended()
    assert ended.status == (0 if whom == "worker" else -9), ended
    return latest


def lost(before: Sequence[Batch], after: Sequence[Batch]) -> int:
    """Number of pictures of the interrupted model that had to be predicted again."""
    if not before:
        return 0
    ours = [batch for batch in before if batch["model"] == before[-1]["model"]]
    again = [batch for batch in after if batch["model"] == before[-1]["model"]]
    return ours[-1]["numbers"][-1] + 1 - again[0]["numbers"][0] if again else 0


def test_a_command_whose_worker_is_killed_continues_by_itself(arena, pictures, tmp_path, full):
    scene = replace(scenes.predict(pictures, "one"), orders=Orders())
    reference = uninterrupted(arena, scene, tmp_path / "0")
    chance, verdicts = random.Random(7), Verdicts()
    for number in range(15 if full else 1):
        out = tmp_path / f"killed-{number}"
        latest = kill(arena, scene, out, (PREDICTING, "worker"), chance)
        batches = arena.seen()
        with verdicts.on(f"kill -9 while {latest}", "predict, light, worker"):
            path = next(path for path in reference if path.endswith(".safetensors"))
            assert tensors(out / path) == tensors(tmp_path / "0" / path)
            assert sorted(contents(out)) == sorted(reference)
            assert incidents(out / path)[0].startswith("its process was killed by SIGKILL; ")
            first, *rest = (list(of_one) for _, of_one in groupby(batches, lambda one: one["pid"]))
            assert not rest or lost(first, rest[0]) <= MOST_LOST
    verdicts.check()


def test_a_run_whose_odd_batch_size_is_halved_uses_its_checkpoints(arena, pictures, tmp_path):
    scene = replace(scenes.predict(pictures, "one", **{"batch-size": 25}), orders=Orders())
    victim = arena.start(scene.arguments(tmp_path / "store"), **PAUSE)
    pieces = tmp_path / "store" / "tiny" / "numbered" / ".one.published.safetensors.unfinished"
    victim.until_true(lambda: list(pieces.glob("*.npz")))
    victim.kill("worker")
    assert victim.ended().status == 0
    (run,) = (tmp_path / "store").rglob("*.safetensors")
    assert any(text.startswith("resumed with ") for text in incidents(run))
