"""Samples that grow until an accuracy is known well enough."""

import numpy as np
import pytest

from benchmarking.errors import BenchmarkError
from benchmarking.labels.imagenet import validation_key
from benchmarking.pictures.design import Design
from benchmarking.pictures.growth import Goal
from benchmarking.pictures.intervals import estimated_share
from benchmarking.pictures.sampling import LEAST, designed

KEYS = [validation_key(1 + row) for row in range(0, 50_000, 5)]
FEW = [f"{row}.png" for row in range(120)]


def test_the_first_sample_has_the_size_that_known_difficulty_suggests():
    """docs/how-accurate-in-a-minute.md: 750 pictures of 50,000 for 2 points, on average."""
    sizes = [Goal(points).first(KEYS).n for points in (2, 1)]
    assert 500 < sizes[0] < 1000 < sizes[1]


def test_a_sample_is_drawn_with_the_seed_of_the_goal():
    assert Goal(5, seed=7).first(FEW).seed == 7


def test_a_few_pictures_are_not_sampled():
    assert Goal(5).first(FEW[: 2 * LEAST - 1]) is None


def grown(goal, right):
    """The designs of all samples, and half of the last interval."""
    sample, designs = goal.first(FEW), []
    while sample is not None and sample.n < len(FEW):
        rows, design = designed(FEW, sample.n, "few", seed=sample.seed)
        designs.append(design)
        half = estimated_share(right[rows], design).half
        sample = goal.next([half], design)
    return designs, half


@pytest.mark.parametrize("seed", range(5))
def test_samples_grow_until_the_interval_is_small_enough(seed):
    right = np.random.default_rng(seed).random(len(FEW)) < 0.7
    designs, half = grown(Goal(8, seed), right)
    assert half <= 0.08
    assert [one.n for one in designs] == sorted({one.n for one in designs})


def test_the_widest_interval_decides():
    design = Design("few", 0, "test", (120,), (0,) * 30)
    assert Goal(10).next([0.05, 0.09], design) is None
    assert Goal(10).next([0.05, 0.12], design).n > 30


@pytest.mark.parametrize("points", [0, -1, 50, "1", True, float("nan")])
def test_points_that_are_no_half_of_an_interval_are_refused(points):
    with pytest.raises(BenchmarkError, match=r"until is .*; expected percentage points above 0"):
        Goal(points)
