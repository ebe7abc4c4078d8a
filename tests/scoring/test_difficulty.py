import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarking.errors import BenchmarkError
from benchmarking.scoring.difficulty import LEVELS, by_difficulty


def level_of(right: int, others: int) -> str:
    """The level in words, told another way than in the code."""
    share = right / others
    if share in (0, 1):
        return "all" if share else "none"
    return next(
        name for most, name in zip((0.25, 0.5, 0.75, 1), LEVELS[1:5], strict=True) if share <= most
    )


@given(st.integers(2, 9), st.integers(1, 30), st.integers(0, 9))
def test_each_picture_counts_once_for_each_model_at_its_own_level(models, pictures, seed):
    hits = np.random.default_rng(seed).random((models, pictures)) < 0.6
    expected: dict[tuple[int, str], list[bool]] = {}
    for model in range(models):
        for picture in range(pictures):
            right = sum(bool(hits[other, picture]) for other in range(models) if other != model)
            level = level_of(right, models - 1)
            expected.setdefault((model, level), []).append(bool(hits[model, picture]))
    found = {
        (one.model, LEVELS[one.level]): (one.right, one.n) for one in by_difficulty(hits) if one.n
    }
    assert found == {key: (sum(own), len(own)) for key, own in expected.items()}


def test_one_model_has_no_difficult_pictures():
    with pytest.raises(BenchmarkError, match="needs at least two runs"):
        by_difficulty(np.ones((1, 3), dtype=bool))
