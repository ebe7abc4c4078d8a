"""Sweeps with real frameworks whose parent or worker is killed repeatedly."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from torture.launch import LOADING, PREDICTING, WRITING, Orders
from torture.verdicts import Verdicts, differences
from torture.victims import Arena, an_arena, check_whole, contents, incidents

KEPT = 8
"""Number of pictures between two checkpoints."""


@dataclass(frozen=True)
class Framework:
    """A framework with its model, and the plan of kills.

    Attributes:
        name: its name in the tally.
        model: name of the model in the command.
        limit: number of pictures.
        plan: phases, and the process that is killed in each; a worker comes last, because its
            command continues to the end.
    """

    name: str
    model: str
    limit: int
    plan: tuple[tuple[str, str], ...]

    def arguments(self, pictures: Path, store: Path) -> Sequence[str]:
        # Batch size 1, as a killed worker's batch size is halved, which changes the last bits.
        alone = ["--batch-size", "1", "--weights", "random", "--crop-cache", "none"]
        what = ["--models", self.model, "--limit", str(self.limit)]
        return ["predict", str(pictures), "--store", str(store), *what, *alone]


TORCH = Framework(
    "torch",
    "torchvision/squeezenet1_1",
    96,
    (
        *((WRITING, "both"), (PREDICTING, "both"), (LOADING, "both")),
        *((PREDICTING, "parent"), (WRITING, "parent"), (PREDICTING, "worker")),
    ),
)
KERAS = Framework(
    "keras",
    "keras/MobileNet",
    24,
    ((LOADING, "both"), (WRITING, "both"), (PREDICTING, "worker")),
)


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with an_arena(tmp_path_factory.mktemp("arena")) as made:
        yield made


@pytest.mark.parametrize("framework", [TORCH, KERAS], ids=lambda framework: framework.name)
def test_a_model_that_is_killed_repeatedly_gives_the_same_tensors(
    arena, sample_images, tmp_path, full, framework
):
    if find_spec(framework.name) is None:
        pytest.skip(f"{framework.name} is not installed")
    if framework is KERAS and not full:
        pytest.skip("takes a minute; run it with --full")
    calm = arena.run(framework.arguments(sample_images, tmp_path / "calm"))
    assert calm.status == 0, calm.err
    reference, verdicts = contents(tmp_path / "calm-random"), Verdicts()
    for turn in range(2 if full else 1):
        store = tmp_path / f"store-{turn}"
        for phase, whom in framework.plan[: None if full else 1]:
            latest = kill(arena, framework.arguments(sample_images, store), phase, whom)
            with verdicts.on(f"kill -9 while {latest}", f"predict, {framework.name}, {whom}"):
                check_whole(tmp_path / f"store-{turn}-random", reference)
        ended = arena.run(framework.arguments(sample_images, store), Orders(most_lost=KEPT))
        assert ended.status == 0, ended.err
        assert differences(contents(tmp_path / f"store-{turn}-random"), reference) == ""
        (run,) = (tmp_path / f"store-{turn}-random").rglob("*.safetensors")
        assert any(text.startswith("resumed with ") for text in incidents(run))
    verdicts.check()


def kill(arena: Arena, arguments: Sequence[str], phase: str, whom: str) -> str:
    """Kill a victim and return its phase; if only its worker is killed, it continues to the end."""
    victim = arena.start(arguments, Orders(most_lost=KEPT))
    victim.until(phase, times=3 if phase == WRITING else 1)
    time.sleep(0 if phase == WRITING else random.uniform(0, 0.3))
    latest = arena.phase()
    victim.kill(whom)
    ended = victim.ended()
    assert ended.status == (0 if whom == "worker" else -9), ended
    return latest
