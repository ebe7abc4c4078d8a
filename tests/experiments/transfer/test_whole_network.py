"""The article's ConvNet trained whole by one plan: both frameworks, step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.experiments import in_fresh_processes
from benchmarking.experiments.transfer.plan import Training
from benchmarking.experiments.transfer.whole_network import (
    WholeTest,
    trained,
    whole_plan,
)
from benchmarking.models.article_networks import CONVNET, VGG

N = 48
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(N) % 10
SGD = Training(epochs=3, batch_size=16, optimizer="sgd", learning_rate=0.01, precision="float64")
ADAM = replace(SGD, optimizer="adam", learning_rate=0.001)


def of(framework: str, training: Training) -> WholeTest:
    return WholeTest(framework, CONVNET, whole_plan(CONVNET, training, N, 1), PIXELS, LABELS)


def all_trained(test: tuple[WholeTest, ...]):
    """Several trainings in one process, since it is its start that takes long."""
    for one in test:
        yield from trained(one)


@pytest.fixture(scope="module")
def found():
    tests = [tuple(of(name, one) for one in (SGD, ADAM)) for name in ("pytorch", "keras")]
    return in_fresh_processes("training", all_trained, tests, 2)


@pytest.mark.parametrize("number", [0, 1], ids=["sgd", "adam"])
def test_losses_and_weights_in_float64_agree_at_every_step(number, found):
    in_pytorch, in_keras = found[number], found[2 + number]

    assert (in_pytorch.framework, in_keras.framework) == ("pytorch", "keras")
    assert in_pytorch.losses.shape == (9,)
    assert np.abs(in_pytorch.losses - in_keras.losses).max() < 1e-12
    assert len(set(in_pytorch.losses.tolist())) == 9
    for name, weights in in_pytorch.weights.items():
        np.testing.assert_allclose(weights, in_keras.weights[name], rtol=0, atol=1e-12)
        assert np.abs(weights - of("keras", SGD).plan.initial[name]).max() > 1e-6


def test_losses_of_another_optimizer_do_not_agree(found):
    assert np.abs(found[0].losses - found[3].losses).max() > 1e-4


def test_dropout_and_other_pictures_are_refused():
    plan = whole_plan(CONVNET, SGD, N, seed=1)
    with pytest.raises(BenchmarkError, match="cifar-vgg has dropout, whose random numbers differ"):
        WholeTest("keras", VGG, plan, PIXELS, LABELS)
    with pytest.raises(BenchmarkError, match=r"shape \(48, 31, 32, 3\); expected \(48, 32, 32, 3"):
        WholeTest("keras", CONVNET, plan, PIXELS[:, 1:], LABELS)
    with pytest.raises(BenchmarkError, match="labels must be from 0 to 9"):
        WholeTest("keras", CONVNET, plan, PIXELS, LABELS + 1)
