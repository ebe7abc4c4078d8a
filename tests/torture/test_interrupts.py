"""Ctrl-C and a lack of memory: predictions are kept, a message says why, and the run resumes."""

from __future__ import annotations

import math
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from torture import scenes
from torture.launch import LOADING, PREDICTING, READING, Orders
from torture.verdicts import Verdicts, differences
from torture.victims import Arena, an_arena, check_whole, contents, incidents, phases, tensors

BATCH = 20
SLOW = {"TORTURE_PAUSE": "0.015", "TORTURE_LOADING": "0.8"}
_SOON = 10
"""Seconds; two are enough on an idle machine."""


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with an_arena(tmp_path_factory.mktemp("arena")) as made:
        yield made


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenes.numbered_pictures(tmp_path_factory.mktemp("pictures") / "tiny", 1300)


def test_ctrl_c_ends_soon_keeps_the_partial_run_and_says_how_to_resume(
    arena, pictures, tmp_path, full
):
    scene = replace(scenes.predict(pictures, "one"), orders=Orders())
    calm = arena.run(scene.arguments(tmp_path / "0"))
    assert calm.status == 0, calm.err
    reference = contents(tmp_path / "0")
    chance, verdicts = random.Random(130), Verdicts()
    moments = [(READING, 1, 0.3), (LOADING, 1, 1.2), (LOADING, 3, 0), (PREDICTING, 1, 0.5)]
    for number, (phase, times, longest) in enumerate(moments * (12 if full else 1)):
        out = tmp_path / f"stopped-{number}"
        arena.seen()
        victim = arena.start(scene.arguments(out), **SLOW)
        victim.until(phase, times)  # the third phase of loading is the start of the worker
        time.sleep(chance.uniform(0, longest))
        latest, before = phases(arena.marks)[-1][0], time.monotonic()
        victim.kill("both", signal.SIGINT)
        victim.process.wait()
        took = time.monotonic() - before
        ended, seen = victim.ended(), sum(len(batch["numbers"]) for batch in arena.seen())
        print(f"ended after {took:.2f} s")
        note = f"predict, light, ended within {math.ceil(took)} s"
        with verdicts.on(f"Ctrl-C while {latest}", note):
            # Python can end by the signal itself if the signal arrives during an import.
            assert ended.status in (130, -signal.SIGINT), ended
            assert took < _SOON
            assert "Traceback" not in ended.err, ended.err
            assert "the same command resumes" in ended.err
            check_whole(out, reference)
            assert arena.run(scene.arguments(out)).status == 0
            assert differences(contents(out), reference) == ""
            check_went_on(out, seen)
    verdicts.check()


def check_went_on(store: Path, seen: int) -> None:
    """Check that all received predictions are kept; the worker may have computed a few more."""
    (run,) = store.rglob("*.safetensors")
    said = [text for text in incidents(run) if text.startswith("resumed with ")]
    kept = int(said[0].split()[2]) if said else 0
    assert seen - 15 * BATCH <= kept <= seen, (kept, seen)


@pytest.mark.parametrize("model", ["hungry", "doomed", "bloated"])
def test_if_memory_runs_out_the_batch_is_halved_and_the_run_resumes(
    arena, pictures, tmp_path, model
):
    wanted = scenes.predict(pictures, model, limit=60, **{"batch-size": 5})
    assert arena.run(wanted.arguments(tmp_path / "calm")).status == 0
    scene = scenes.predict(pictures, "one", model, limit=60)
    ended = arena.run(scene.arguments(tmp_path / "store"))
    print(ended.err)
    verdicts = Verdicts()
    (run,) = (tmp_path / "store").rglob(f"{model}.*.safetensors")
    with verdicts.on(f"too little memory, {model}", "predict, light"):
        assert ended.status == 0, ended
        told = incidents(run)
        assert [text.rpartition("; ")[2] for text in told] == [
            "20 pictures at a time were too many, now 10",
            "10 pictures at a time were too many, now 5",
        ]
        for text in told:
            assert f"{model} (PyTorch): {text}" in ended.err
        (calm,) = (tmp_path / "calm").rglob("*.safetensors")
        assert tensors(run) == tensors(calm)
        assert contents(run.parent)[run.name]["provenance"]["batch_size"] == 5
        assert len(list((tmp_path / "store").rglob("*.safetensors"))) == 2
    verdicts.check()


def test_only_a_model_that_lacks_memory_for_one_picture_fails(arena, pictures, tmp_path):
    scene = scenes.predict(pictures, "starving", "one", "two", limit=60)
    ended = arena.run(scene.arguments(tmp_path / "store"))
    verdicts = Verdicts()
    with verdicts.on("too little memory, for one picture", "predict, light"):
        assert ended.status == 1
        assert "1 pictures" not in ended.out
        assert "failed: numbered/starving: out of memory: MemoryError: 1 pictures" in ended.err
        assert "Traceback" not in ended.err
        stored = {path.name for path in (tmp_path / "store").rglob("*.safetensors")}
        assert stored == {"one.published.safetensors", "two.published.safetensors"}
        assert not list((tmp_path / "store").rglob(".*"))
    verdicts.check()
