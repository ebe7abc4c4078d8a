"""Samples of pictures: strata, allocation, the draw and its design."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarking.errors import BenchmarkError
from benchmarking.labels.imagenet import validation_key
from benchmarking.pictures.design import Design, design_from
from benchmarking.pictures.difficulty import Difficulty, difficulty_of_2019
from benchmarking.pictures.sampling import allocation, chances, designed, planned_half, strata_of

KEYS = [validation_key(1 + row) for row in range(50_000)]


def test_the_shipped_counts_are_those_of_the_34_runs_of_2019(imported_2019):
    """An independent count: from the arrays of the stored runs, one run at a time."""
    (images,) = imported_2019.image_sets()
    rows, labels = imported_2019.rows(images), imported_2019.labels(images)
    runs = imported_2019.runs(images)
    shipped = difficulty_of_2019()
    first, five = shipped.of(rows.keys)
    assert shipped.runs == len(runs) == 34
    tops = [imported_2019.classes(run) for run in runs]
    assert (first == sum((top[:, 0] == labels).astype(int) for top in tops)).all()
    assert (five == sum((top == labels[:, None]).sum(axis=1) for top in tops)).all()


@given(
    st.lists(st.tuples(st.integers(1, 300), st.floats(0, 0.5)), min_size=1, max_size=8),
    st.floats(0, 1),
)
def test_an_allocation_adds_up_and_leaves_no_stratum_empty(parts, share):
    sizes = np.array([size for size, _ in parts])
    n = int(len(sizes) + share * (sizes.sum() - len(sizes)))
    drawn = allocation(sizes, np.array([spread for _, spread in parts]), n)
    assert drawn.sum() == n
    assert (drawn >= 1).all()
    assert (drawn <= sizes).all()


def test_an_allocation_is_in_proportion_to_size_times_spread():
    drawn = allocation(np.array([1000, 1000, 4000]), np.array([0.1, 0.5, 0.1]), 500)
    assert drawn.tolist() == [50, 250, 200]


def test_no_other_allocation_of_as_many_pictures_has_less_variance():
    sizes, spreads = np.array([900, 500, 300]), np.array([0.2, 0.5, 0.4])

    def variance(drawn):
        return (sizes**2 * spreads**2 * (1 / drawn - 1 / sizes)).sum()

    found = allocation(sizes, spreads, 120)
    others = [(a, b, 120 - a - b) for a in range(5, 100) for b in range(5, 115 - a)]
    best = min(others, key=lambda each: variance(np.array(each)))
    assert np.abs(found - best).max() <= 1


def test_strata_separate_easy_pictures_from_difficult_ones():
    shipped = difficulty_of_2019()
    first, five = shipped.of(KEYS)
    strata = strata_of(first, five, shipped.runs, 2000)
    means = np.bincount(strata, first) / np.bincount(strata)
    assert 10 <= strata.max() + 1 <= 20
    assert (means.min(), means.max()) == (pytest.approx(0, abs=3), pytest.approx(34, abs=1))
    assert len(np.unique(strata[first == shipped.runs])) == 1


def test_a_picture_that_all_runs_get_right_is_not_taken_for_certain():
    assert chances(np.array([0, 34]), 34).tolist() == [0.5 / 35, 34.5 / 35]


def test_the_same_seed_draws_the_same_pictures_in_any_order():
    rows, design = designed(KEYS, 500, "val", seed=3, difficulty=difficulty_of_2019())
    backwards, _ = designed(KEYS[::-1], 500, "val", seed=3, difficulty=difficulty_of_2019())
    other, _ = designed(KEYS, 500, "val", seed=4, difficulty=difficulty_of_2019())
    assert {KEYS[row] for row in rows} == {KEYS[::-1][row] for row in backwards}
    assert len(set(rows) & set(other)) < 50
    assert (design.n, design.of, design.seed) == (500, 50_000, 3)
    assert rows == sorted(rows)


def test_pictures_of_a_stratum_have_the_same_chance_to_be_drawn():
    """Over seeds, each of 40 pictures is drawn as often as its inclusion probability tells."""
    keys = [f"{row}.png" for row in range(40)]
    easy = {key: 5 * (row < 20) for row, key in enumerate(keys)}
    difficulty = Difficulty("five runs", 5, easy, easy)
    times = np.zeros(40)
    for seed in range(800):
        rows, design = designed(keys, 12, "few", seed=seed, difficulty=difficulty)
        times[rows] += 1
    expected = np.full(40, design.n / design.of)
    error = np.sqrt(expected * (1 - expected) / 800)
    assert np.abs((times / 800 - expected) / error).max() < 4.5


def test_without_known_runs_the_sample_is_a_simple_one():
    rows, design = designed([f"{row}.png" for row in range(100)], 20, "mine")
    assert (design.sizes, design.drawn, len(rows)) == ((100,), (20,), 20)
    assert design.source == "a simple random sample"


def test_a_design_survives_a_document():
    _, design = designed(KEYS, 500, "val", difficulty=difficulty_of_2019())
    assert design_from(design.as_document()) == design


@pytest.mark.parametrize(
    "change", [{"strata": "0!"}, {"strata": "02"}, {"sizes": [1, 0]}, {"more": 1}, {"seed": "x"}]
)
def test_a_damaged_design_is_refused(change):
    document = Design("val", 0, "test", (5, 5), (0, 1)).as_document() | change
    with pytest.raises(ValueError, match=r"design|stratum|strata|Expected"):
        design_from(document)


def test_too_many_pictures_are_refused():
    with pytest.raises(BenchmarkError, match="an estimate from 101 of 100 pictures is not"):
        designed([f"{row}.png" for row in range(100)], 101, "mine")


def test_a_picture_that_no_run_knows_is_named():
    with pytest.raises(BenchmarkError, match="does not know 1 of 10 pictures, such as 'x.png'"):
        designed([*KEYS[:9], "x.png"], 5, "mine", difficulty=difficulty_of_2019())


def test_a_larger_sample_promises_a_smaller_interval():
    small, large = (planned_half(KEYS, n, difficulty_of_2019()) for n in (500, 2000))
    assert 0.018 < small < 0.026
    assert 0.008 < large < 0.013
