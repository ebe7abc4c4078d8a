"""Several commands on one store or one cache at the same time: they share the work, or wait."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from torture import scenes
from torture.launch import PREDICTING
from torture.scenes import Scene
from torture.verdicts import Verdicts, differences
from torture.victims import Arena, an_arena, check_whole, contents, incidents, tensors

LIMIT = 300
SLOW = {"TORTURE_PAUSE": "0.05"}


@pytest.fixture(scope="module")
def arenas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Arena]]:
    """Three arenas, so that victims can be distinguished."""
    folder = tmp_path_factory.mktemp("arenas")
    with an_arena(folder / "a") as made:
        yield [replace(made, folder=folder / name) for name in "abc"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenes.numbered_pictures(tmp_path_factory.mktemp("pictures") / "tiny", LIMIT)


def a_sweep(pictures: Path, *models: str) -> Scene:
    return scenes.predict(pictures, *models)


def predictions(arenas: Sequence[Arena]) -> Counter[str]:
    """How often each model has predicted each picture since the last call."""
    batches = [batch for arena in arenas for batch in arena.seen()]
    return Counter(batch["model"] for batch in batches for _ in batch["numbers"])


def once(*models: str) -> dict[str, int]:
    return dict.fromkeys(models, LIMIT)


def alone(arenas: Sequence[Arena], scene: Scene, folder: Path) -> dict[str, object]:
    """The files that a single process makes."""
    ended = arenas[0].run(scene.arguments(folder), scene.orders)
    assert ended.status == 0, ended.err
    predictions(arenas)
    return contents(folder)


@pytest.mark.parametrize(
    "models",
    [
        [("one", "two", "three")] * 2,
        [("one", "two", "three")] * 3,
        [("one", "two"), ("two", "three")],
        [("one",), ("three", "two", "one")],
    ],
    ids=["two-alike", "three-alike", "two-that-overlap", "one-within-another"],
)
def test_commands_over_one_store_share_the_work(arenas, pictures, tmp_path, full, models):
    every = sorted({model for some in models for model in some})
    reference, verdicts = alone(arenas, a_sweep(pictures, *every), tmp_path / "0"), Verdicts()
    for number, pause in enumerate((0, 0.3, 0.7, 1.5) if full else (0,)):
        out, victims = tmp_path / f"store-{number}", []
        for arena, some in zip(arenas, models, strict=False):
            scene = a_sweep(pictures, *some)
            victims.append(arena.start(scene.arguments(out), scene.orders, **SLOW))
            time.sleep(pause)
        ends = [victim.ended() for victim in victims]
        with verdicts.on(f"{len(models)} at once", "predict, light"):
            assert [end.status for end in ends] == [0] * len(models), ends
            assert predictions(arenas) == once(*every)
            assert differences(contents(out), reference) == ""
    verdicts.check()


def test_a_run_that_another_process_has_stored_meanwhile_is_not_computed_again(
    arenas, pictures, tmp_path
):
    scene, verdicts = a_sweep(pictures, "one", "two", "three"), Verdicts()
    reference = alone(arenas, scene, tmp_path / "0")
    quick, slow = arenas[:2]
    first = quick.start(scene.arguments(tmp_path / "store"), scene.orders, TORTURE_PAUSE="0.02")
    first.until(PREDICTING)  # with model one, so that the second command starts with two
    second = slow.start(scene.arguments(tmp_path / "store"), scene.orders, TORTURE_PAUSE="0.15")
    ends = [first.ended(), second.ended()]
    with verdicts.on("2 at once, one of them slow", "predict, light"):
        assert [end.status for end in ends] == [0, 0], ends
        assert differences(contents(tmp_path / "store"), reference) == ""
        assert predictions(arenas) == once("one", "two", "three")
    verdicts.check()


def test_other_pictures_of_the_same_name_are_refused_before_a_prediction(
    arenas, pictures, tmp_path
):
    scene, verdicts = a_sweep(pictures, "one"), Verdicts()
    other = scenes.numbered_pictures(tmp_path / pictures.name, LIMIT // 2)
    reference, store = alone(arenas, scene, tmp_path / "0"), tmp_path / "store"
    first = arenas[0].start(scene.arguments(store), scene.orders, TORTURE_PAUSE="0.4")
    first.until(PREDICTING)
    second = arenas[1].start(a_sweep(other, "two").arguments(store), scene.orders)
    ends = [second.ended(), first.ended()]
    with verdicts.on("2 at once, with other pictures of the same name", "predict, light"):
        assert [end.status for end in ends] == [2, 0], ends
        assert "by another process that is at work" in ends[0].err
        assert differences(contents(store), reference) == ""
        assert predictions(arenas) == once("one")
    verdicts.check()


def test_if_a_process_is_killed_the_waiting_one_continues_its_run(arenas, pictures, tmp_path):
    scene, verdicts = a_sweep(pictures, "one"), Verdicts()
    reference = alone(arenas, scene, tmp_path / "0")
    store = tmp_path / "store"
    first = arenas[0].start(scene.arguments(store), scene.orders, TORTURE_PAUSE="2")
    first.until(PREDICTING)
    second = arenas[1].start(scene.arguments(store), scene.orders)
    kept = store / "tiny" / "numbered" / ".one.published.safetensors.unfinished" / "000000000.npz"
    second.until_true(lambda: kept.exists() and "another process" in arenas[1].err.read_text())
    first.kill("both")
    ends = [first.ended(), second.ended()]
    with verdicts.on("kill -9 while another waits", "predict, light"):
        assert [end.status for end in ends] == [-9, 0], ends
        assert "one: another process works on it" in ends[1].err
        check_whole(store, reference)
        assert differences(contents(store), reference) == ""
        (run,) = store.rglob("one.*.safetensors")
        assert incidents(run)[0].startswith("resumed with ")
        assert LIMIT <= predictions(arenas)["one"] <= LIMIT + scene.orders.most_lost
    verdicts.check()


def test_commands_that_share_a_cache_of_crops_do_not_take_it_from_each_other(
    arenas, pictures, tmp_path
):
    def arguments(store: str, *models: str) -> list[str]:
        names = [f"numbered/{model}" for model in models]
        return ["predict", str(pictures), "--store", str(tmp_path / store), "--models", *names]

    verdicts = Verdicts()
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert arenas[0].run(arguments("0", "one", "two")).status == 0
    first = arenas[0].start(arguments("a", "one", "two"), TORTURE_PAUSE="0.12", **cache)
    first.until_true(lambda: list((tmp_path / "cache").rglob("*.crops")))
    second = arenas[1].start(arguments("b", "one", "two"), TORTURE_LOADING="2", **cache)
    ends = [first.ended(), second.ended()]
    with verdicts.on("2 at once, with one cache of crops", "predict, light"):
        assert [end.status for end in ends] == [0, 0], ends
        for store in ("a", "b"):
            found = contents(tmp_path / store)
            assert differences(found, contents(tmp_path / "0")) == ""
        assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    verdicts.check()


def test_a_reader_sees_all_of_a_run_or_none_while_it_is_written(arenas, pictures, tmp_path, full):
    scene, verdicts = a_sweep(pictures, "one", "two"), Verdicts()
    reference = alone(arenas, scene, tmp_path / "store")
    for _ in range(5 if full else 1):
        victim = arenas[0].start([*scene.arguments(tmp_path / "store"), "--again"], scene.orders)
        reads = 0
        with verdicts.on("a reader while it is written", "predict, light"):
            while victim.process.poll() is None:
                check_whole(tmp_path / "store", reference)
                reads += 1
        print(f"read {reads} times")
        assert victim.ended().status == 0
    assert differences(contents(tmp_path / "store"), reference) == ""
    verdicts.check()


@pytest.mark.parametrize("damage", ["a flipped bit", "a cut", "another length", "half of it"])
def test_damaged_crops_are_never_trusted(arenas, pictures, tmp_path, damage):
    scene, verdicts = a_sweep(pictures, "one"), Verdicts()
    reference = alone(arenas, scene, tmp_path / "store")
    (crops,) = (tmp_path / "store-crops").glob("*.crops")
    whole = crops.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 4
    changed = {
        "a flipped bit": bytes(flipped),
        "a cut": whole[:-5],
        "another length": whole + b"\0",
        "half of it": whole[: len(whole) // 2].ljust(
            len(whole), b"\0"
        ),  # like after a power failure
    }
    crops.write_bytes(changed[damage])
    (run,) = (tmp_path / "store").rglob("*.safetensors")
    before = tensors(run)
    with verdicts.on(f"crops with {damage}", "predict, light"):
        ended = arenas[0].run([*scene.arguments(tmp_path / "store"), "--again"], scene.orders)
        assert ended.status == 0, ended.err
        assert tensors(run) == before
        assert differences(contents(tmp_path / "store"), reference) == ""
    verdicts.check()
