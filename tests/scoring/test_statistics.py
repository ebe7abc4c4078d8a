import gc
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarking.labels.label_set import every_image
from benchmarking.scoring import statistics
from benchmarking.scoring.metrics import correct
from benchmarking.scoring.statistics import (
    cluster_order,
    cohen_kappa,
    competition_ranks,
    holm,
    mcnemar_test,
    only_right,
    paired_interval,
    pairwise_tests,
    pareto_front,
    rank_ranges,
    rank_tiers,
    sign_test,
    sign_tests,
    wilson_interval,
)

IMAGES = "imagenet-val-2019"
NOTHING_TO_SCIPY = 1e-250  # scipy 1.17 rounds binomial tails below 1e-253 to 0 from n = 1,075

outcomes = st.integers(1, 60_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
counts = st.integers(0, 3_000)
p_values = st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.025, 0.05, 1.0])


@pytest.fixture(scope="module", autouse=True)
def _scipy():
    """SciPy, whose import takes longer than hypothesis allows for an example."""
    import scipy.stats  # noqa: F401


@pytest.fixture(scope="module")
def statsmodels():
    """statsmodels' API; its import takes longer than hypothesis allows for an example."""
    from statsmodels.stats import api

    gc.freeze()  # its Holm collects garbage, which is slow with frameworks loaded
    yield api
    gc.unfreeze()


@pytest.fixture(scope="module")
def hits_of_2019(imported_2019):
    """Which pictures each run of 2019 gets right, by source and model."""
    right = every_image(imported_2019.labels(IMAGES))
    return {
        (run.source, run.model): correct(imported_2019.classes(run), right, k=1)
        for run in imported_2019.runs(IMAGES)
    }


@given(outcomes, st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_interval_is_scipys(outcome, confidence):
    from scipy.stats import binomtest

    right, n = outcome
    expected = binomtest(right, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(right, n, confidence) == pytest.approx(tuple(expected), abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 97, 500, 10_000, 46_837, 50_000])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_wilson_interval_is_statsmodels_from_none_to_all_right(statsmodels, n, confidence):
    right = np.unique(np.linspace(0, n, 300).astype(int))
    expected = statsmodels.proportion_confint(right, n, 1 - confidence, method="wilson")
    found = [wilson_interval(int(k), n, confidence) for k in right]
    np.testing.assert_allclose(found, np.transpose(expected), rtol=1e-10, atol=1e-12)


@given(st.integers(1, 60_000))
def test_wilson_interval_stays_between_0_and_1(n):
    (lowest, _), (_, highest) = wilson_interval(0, n), wilson_interval(n, n)
    assert 0 <= lowest < 1e-15
    assert 1 >= highest > 1 - 1e-15


@pytest.mark.parametrize(
    ("percent", "n", "expected"),
    [
        (76.13, 50_000, (75.75, 76.50)),
        (63.19, 10_000, (62.24, 64.13)),
        (5.0, 7_500, (4.53, 5.52)),
    ],
)
def test_wilson_interval_of_known_accuracies(percent, n, expected):
    low, high = wilson_interval(round(percent * n / 100), n)
    assert (round(100 * low, 2), round(100 * high, 2)) == expected


@pytest.mark.parametrize("n", [10_000, 50_000])
def test_95_of_100_wilson_intervals_contain_the_true_accuracy(n):
    from scipy.stats import binom

    low, high = np.transpose([wilson_interval(right, n) for right in range(n + 1)])
    true = np.linspace(0.05, 0.95, 19)
    held = [binom.pmf(np.flatnonzero((low <= p) & (p <= high)), n, p).sum() for p in true]
    assert min(held) > 0.945
    assert max(held) < 0.955
    assert np.mean(held) == pytest.approx(0.95, abs=0.001)


def test_95_of_100_simulated_wilson_intervals_contain_the_true_accuracy():
    n, random = 10_000, np.random.default_rng(2019)
    low, high = np.transpose([wilson_interval(right, n) for right in range(n + 1)])
    true = np.linspace(0.05, 0.95, 19)
    right = random.binomial(n, true, (100_000, 19))
    held = ((low[right] <= true) & (true <= high[right])).mean(axis=0)
    assert min(held) > 0.945
    assert max(held) < 0.955
    assert held.mean() == pytest.approx(0.95, abs=0.001)


@given(st.lists(st.integers(0, 5) | st.floats(0, 100), min_size=1))
def test_ranks_are_scipys_competition_ranks(scores):
    from scipy.stats import rankdata

    assert competition_ranks(scores) == rankdata([-s for s in scores], method="min").tolist()


def sign_test_in_whole_numbers(successes, n):
    orders = tail = 1
    for k in range(min(successes, n - successes)):
        orders = orders * (n - k) // (k + 1)
        tail += orders
    return min(1.0, 2 * tail / 2**n)


@pytest.mark.parametrize("n", range(1, 61))
def test_sign_test_is_scipys_for_every_outcome_of_few_trials(n):
    from scipy.stats import binomtest

    expected = [binomtest(k, n, 0.5).pvalue for k in range(n + 1)]
    assert [sign_test(k, n) for k in range(n + 1)] == pytest.approx(expected, rel=1e-9)


@given(st.integers(1_000, 50_000), st.floats(0, 28), st.booleans())
def test_sign_test_is_scipys_for_many_trials_from_the_middle_to_1e_200(n, deviations, swapped):
    from scipy.stats import binomtest

    fewer = int(n / 2 - deviations * n**0.5 / 2)
    successes = n - fewer if swapped else fewer
    expected = binomtest(successes, n, 0.5).pvalue
    assert expected > NOTHING_TO_SCIPY
    assert sign_test(successes, n) == pytest.approx(expected, rel=1e-9, abs=0)


@given(st.integers(1, 5_000), st.floats(0, 38))
def test_sign_test_is_what_whole_numbers_give_down_to_1e_300(n, deviations):
    fewer = max(0, int(n / 2 - deviations * n**0.5 / 2))
    expected = sign_test_in_whole_numbers(fewer, n)
    assert sign_test(fewer, n) == pytest.approx(expected, rel=1e-9, abs=1e-309)


@pytest.mark.parametrize("n", [999, 1_000, 49_999, 50_000])
def test_sign_test_is_scipys_around_the_middle(n):
    from scipy.stats import binomtest

    middle = range(n // 2 - 8, n // 2 + 9)
    expected = [binomtest(k, n, 0.5).pvalue for k in middle]
    found = [sign_test(k, n) for k in middle]
    assert found == pytest.approx(expected, rel=1e-9)
    assert max(found) == pytest.approx(1.0, rel=1e-9)
    assert max(found) <= 1.0


@pytest.mark.parametrize(
    ("successes", "n"), [(0, 990), (0, 997), (3, 1_015), (40, 1_200), (700, 3_000)]
)
def test_sign_test_is_exact_far_out_in_the_tail(successes, n):
    expected = sign_test_in_whole_numbers(successes, n)
    assert 1e-300 < expected < 1e-150
    assert sign_test(successes, n) == pytest.approx(expected, rel=1e-9, abs=0)
    assert sign_test(n - successes, n) == sign_test(successes, n)


@pytest.mark.parametrize(("successes", "n"), [(0, 1_100), (1_100, 1_100), (0, 50_000), (9, 10**6)])
def test_a_p_value_too_small_for_a_float_is_0(successes, n):
    assert sign_test(successes, n) == 0.0


def test_without_trials_the_p_value_is_1():
    assert sign_test(0, 0) == 1.0


@given(counts, counts)
def test_mcnemars_test_is_statsmodels(statsmodels, first_only, second_only):
    table = [[7, first_only], [second_only + (first_only == second_only == 0), 5]]
    expected = statsmodels.mcnemar(table, exact=True).pvalue
    found = mcnemar_test(table[0][1], table[1][0])
    assert found == pytest.approx(expected, rel=1e-9, abs=NOTHING_TO_SCIPY)


@given(counts, counts)
def test_mcnemars_test_does_not_depend_on_the_order_of_models(first_only, second_only):
    assert mcnemar_test(first_only, second_only) == mcnemar_test(second_only, first_only)


def rejected_of_2000():
    """Whether the test rejects, by how many of 2,000 discordant pictures the first gets right."""
    return np.array([mcnemar_test(first, 2_000 - first) <= 0.05 for first in range(2_001)])


def test_equal_models_differ_significantly_in_at_most_5_of_100_cases():
    from scipy.stats import binom

    wrongly = binom.pmf(np.flatnonzero(rejected_of_2000()), 2_000, 0.5).sum()
    assert 0.04 <= wrongly <= 0.05


def test_equal_simulated_models_differ_significantly_in_at_most_5_of_100_cases():
    first_only = np.random.default_rng(1947).binomial(2_000, 0.5, 200_000)
    noise = 3 * (0.05 * 0.95 / 200_000) ** 0.5
    assert 0.04 <= rejected_of_2000()[first_only].mean() <= 0.05 + noise


@given(st.lists(p_values, min_size=1, max_size=40))
def test_holms_adjustment_is_statsmodels(statsmodels, found):
    expected = statsmodels.multipletests(found, method="holm")[1]
    np.testing.assert_allclose(holm(found), expected, rtol=1e-12, atol=0)


@given(st.lists(p_values, min_size=1, max_size=40))
def test_holms_adjustment_keeps_order_and_ties_and_never_lowers_a_p_value(found):
    adjusted = holm(found)
    assert (adjusted >= found).all()
    assert adjusted.max() <= 1
    for a, p in zip(adjusted, found, strict=True):
        for b, q in zip(adjusted, found, strict=True):
            assert (p < q and a <= b) or (p > q and a >= b) or (p == q and a == b)


def test_holms_adjustment_does_not_change_its_input():
    found = np.array([0.03, 0.01, 0.02])
    holm(found)
    assert found.tolist() == [0.03, 0.01, 0.02]


def test_one_test_needs_no_adjustment_and_none_at_all_gives_none():
    assert holm([0.03]).tolist() == [0.03]
    assert holm([]).tolist() == []


def differences(first_only, second_only, n):
    """First minus second per picture, after one more picture was added for each model."""
    same = n - first_only - second_only
    return np.repeat([1.0, -1.0, 0.0], [first_only + 1, second_only + 1, same])


@given(st.tuples(counts, counts, counts).filter(any), st.sampled_from([0.8, 0.95, 0.99]))
def test_paired_interval_is_statsmodels_of_differences_per_picture(statsmodels, table, confidence):
    first_only, second_only, same = table
    n = first_only + second_only + same
    pictures = differences(first_only, second_only, n)
    low, high = statsmodels.zconfint(pictures, alpha=1 - confidence, ddof=0)
    expected = max(-1, low), min(1, high)
    found = paired_interval(first_only, second_only, n, confidence)
    assert found == pytest.approx(expected, abs=1e-12)


@given(counts, counts, counts)
def test_swapping_the_models_mirrors_the_paired_interval(first_only, second_only, same):
    n = first_only + second_only + same + 1
    low, high = paired_interval(first_only, second_only, n)
    assert paired_interval(second_only, first_only, n) == pytest.approx((-high, -low), abs=1e-15)


@pytest.mark.parametrize("n", [1, 500, 50_000])
def test_identical_models_may_still_differ_a_little(n):
    low, high = paired_interval(0, 0, n)
    assert low < 0 < high
    assert high == pytest.approx(1.959964 * 2**0.5 / (n + 2), rel=1e-6)


def test_paired_interval_stays_between_minus_1_and_1():
    assert paired_interval(1, 0, 1)[1] == 1.0
    assert paired_interval(0, 1, 1)[0] == -1.0


# Shares of pictures that both, only the first, and only the second model get right.
PAIRS = [
    (0.7, 0.1, 0.1),
    (0.7, 0.06, 0.05),
    (0.55, 0.2, 0.05),
    (0.74, 0.02, 0.015),
    (0.3, 0.3, 0.3),
]


@pytest.mark.parametrize(("both", "first", "second"), PAIRS)
def test_95_of_100_paired_intervals_contain_the_true_difference(both, first, second):
    from scipy.stats import binom, multinomial

    n = 500
    likely = [np.flatnonzero(binom.pmf(np.arange(n + 1), n, p) > 1e-12) for p in (first, second)]
    tables = np.stack(np.meshgrid(*likely), axis=-1).reshape(-1, 2)
    tables = tables[tables.sum(axis=1) <= n]
    rest = n - tables.sum(axis=1, keepdims=True)
    chances = multinomial.pmf(np.hstack([tables, rest]), n, [first, second, 1 - first - second])
    low, high = np.transpose([paired_interval(b, c, n) for b, c in tables.tolist()])
    held = chances[(low <= first - second) & (first - second <= high)].sum()
    assert chances.sum() == pytest.approx(1, abs=1e-6)
    assert 0.94 <= held <= 0.97


@pytest.mark.parametrize("n", [500, 50_000])
@pytest.mark.parametrize(("both", "first", "second"), PAIRS)
def test_95_of_100_simulated_paired_intervals_contain_the_true_difference(n, both, first, second):
    random = np.random.default_rng(2012)
    tables = random.multinomial(n, [both, first, second, 1 - both - first - second], 20_000)
    low, high = np.transpose([paired_interval(b, c, n) for _, b, c, _ in tables.tolist()])
    held = ((low <= first - second) & (first - second <= high)).mean()
    assert 0.94 <= held <= 0.97


@pytest.mark.parametrize("seed", range(40))
def test_kappa_is_scikit_learns(seed):
    from sklearn.metrics import cohen_kappa_score, confusion_matrix

    random = np.random.default_rng(seed)
    n = int(random.integers(5, 300))
    first = random.random(n) < random.uniform(0.1, 0.9)
    second = np.where(random.random(n) < random.random(), first, random.random(n) < 0.6)
    first[:2], second[:2] = (True, False), (False, True)
    neither, second_only, first_only, both = confusion_matrix(first, second).ravel().tolist()
    found = cohen_kappa(both, first_only, second_only, neither)
    assert found == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


@pytest.mark.parametrize("table", [(9, 0, 0, 0), (0, 0, 0, 9)])
def test_kappa_of_models_that_are_always_right_or_always_wrong_is_not_a_number(table):
    assert np.isnan(cohen_kappa(*table))


@pytest.mark.parametrize(
    ("table", "expected"),
    [((7, 0, 0, 3), 1.0), ((0, 5, 5, 0), -1.0), ((4, 4, 4, 4), 0.0), ((0, 9, 0, 0), 0.0)],
)
def test_kappa_of_full_agreement_none_and_chance(table, expected):
    assert cohen_kappa(*table) == expected


def some_hits(seed, models, pictures):
    return np.random.default_rng(seed).random((models, pictures)) < 0.7


@pytest.mark.parametrize("pictures", [1, 7, 3_999, 4_000, 4_001, 20_003])
def test_only_right_is_what_counting_picture_by_picture_gives(pictures):
    hits = some_hits(pictures, models=4, pictures=pictures)
    expected = [
        [sum(a and not b for a, b in zip(first, second, strict=True)) for second in hits.tolist()]
        for first in hits.tolist()
    ]
    assert only_right(np.packbits(hits, axis=1)).tolist() == expected


@pytest.mark.parametrize("seed", range(10))
def test_tests_of_all_pairs_are_statsmodels(statsmodels, seed):
    hits = some_hits(seed, models=6, pictures=400) | (np.arange(400) % 7 < np.arange(6)[:, None])
    tests, pairs = [], [(i, j) for i in range(6) for j in range(i)]
    for i, j in pairs:
        table = statsmodels.SquareTable.from_data(np.transpose([hits[i], hits[j]])).table_orig
        tests.append(statsmodels.mcnemar(table, exact=True).pvalue)
    found = pairwise_tests(only_right(np.packbits(hits, axis=1)))
    expected = np.ones((6, 6))
    for (i, j), p in zip(pairs, statsmodels.multipletests(tests, method="holm")[1], strict=True):
        expected[i, j] = expected[j, i] = p
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_model_by_itself_differs_from_nothing():
    hits = np.packbits(some_hits(0, models=1, pictures=9), axis=1)
    assert pairwise_tests(only_right(hits)).tolist() == [[1.0]]


def test_many_models_are_counted_and_tested_as_each_pair_alone():
    hits = some_hits(3, models=300, pictures=500)
    only = only_right(np.packbits(hits, axis=1))
    found = pairwise_tests(only)
    pairs = list(combinations(range(300), 2))
    alone = holm([mcnemar_test(int(only[i, j]), int(only[j, i])) for i, j in pairs])
    first, second = np.transpose(pairs)
    np.testing.assert_allclose(found[first, second], alone, rtol=1e-9)
    assert [only[i, j] for i, j in pairs] == [int((hits[i] & ~hits[j]).sum()) for i, j in pairs]


def test_pairs_without_a_discordant_picture_need_no_terms(monkeypatch):
    """Else each table of one model, or of models that are alike, would take 10,000 terms."""
    terms = []
    plain = statistics._away_from_zero
    monkeypatch.setattr(
        statistics, "_away_from_zero", lambda *values: terms.append(values) or plain(*values)
    )
    for n in (0, 3):
        assert sign_tests(np.zeros(n, np.int64), np.zeros(n, np.int64)).tolist() == n * [1.0]
    assert len(terms) <= 2


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.integers(0, 60_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
        min_size=1,
    )
)
def test_many_sign_tests_are_those_of_each_pair(pairs):
    successes, trials = np.transpose(pairs)
    alone = [sign_test(*pair) for pair in pairs]
    np.testing.assert_allclose(sign_tests(successes, trials), alone, rtol=1e-9, atol=1e-300)


@st.composite
def differing(draw):
    """Which models differ: any symmetric matrix with a False diagonal."""
    models = draw(st.integers(1, 9))
    above = np.triu(draw(arrays(bool, (models, models))), 1)
    return above | above.T


def tiers_one_by_one(different):
    left, tiers = list(range(len(different))), []
    while left:
        ends = [place for place, model in enumerate(left) if different[left[0]][model]]
        size = ends[0] if ends else len(left)
        tiers.append(left[:size])
        left = left[size:]
    return [number for number, members in enumerate(tiers, 1) for _ in members]


def ranges_one_by_one(different):
    ranges = []
    for model, others in enumerate(different):
        better = sum(1 for other, differs in enumerate(others) if differs and other < model)
        worse = sum(1 for other, differs in enumerate(others) if differs and other > model)
        ranges.append((1 + better, len(different) - worse))
    return ranges


@given(differing())
def test_tiers_equal_those_from_going_down_the_table(different):
    tiers = rank_tiers(different)
    assert tiers == tiers_one_by_one(different.tolist())
    assert tiers[0] == 1
    assert set(np.diff(tiers)) <= {0, 1}


@given(differing())
def test_ranges_of_ranks_equal_counting_and_contain_the_models_own_rank(different):
    ranges = rank_ranges(different)
    assert ranges == ranges_one_by_one(different.tolist())
    assert all(best <= place <= worst for place, (best, worst) in enumerate(ranges, 1))


@pytest.mark.parametrize("models", [1, 2, 34])
def test_models_that_do_not_differ_share_one_tier_and_all_ranks(models):
    different = np.zeros((models, models), dtype=bool)
    assert rank_tiers(different) == [1] * models
    assert rank_ranges(different) == [(1, models)] * models


@pytest.mark.parametrize("models", [1, 2, 34])
def test_models_that_all_differ_have_a_tier_and_a_rank_each(models):
    different = ~np.eye(models, dtype=bool)
    assert rank_tiers(different) == list(range(1, models + 1))
    assert rank_ranges(different) == [(place, place) for place in range(1, models + 1)]


def table_of(first, second):
    pairs = [first & second, first & ~second, ~first & second, ~first & ~second]
    return [int(pictures.sum()) for pictures in pairs]


def test_15_of_33_neighbouring_ranks_of_2019_are_chance_and_22_after_holm(hits_of_2019):
    ranked = sorted(hits_of_2019.values(), key=np.mean, reverse=True)
    tables = [table_of(*pair) for pair in zip(ranked[:-1], ranked[1:], strict=True)]
    tests = [mcnemar_test(first_only, second_only) for _, first_only, second_only, _ in tables]
    assert len(tests) == 33
    assert sum(p > 0.05 for p in tests) == 15
    assert sum(holm(tests) > 0.05) == 22


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("2019-pytorch", "resnet50"), ("2019-keras", "resnet50"), 0.635),
        (("2019-pytorch", "vgg16"), ("2019-keras", "vgg16"), 0.621),
        (("2019-pytorch", "densenet121"), ("2019-keras", "densenet121"), 0.785),
        (("2019-pytorch", "resnet50"), ("2019-pytorch", "resnet101"), 0.700),
    ],
)
def test_kappa_of_models_of_2019_is_the_known_one(hits_of_2019, one, other, expected):
    table = table_of(hits_of_2019[one], hits_of_2019[other])
    assert round(cohen_kappa(*table), 3) == expected


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_the_front_has_each_model_that_no_other_one_dominates(models):
    costs, gains = [cost for cost, _ in models], [gain for _, gain in models]
    found = pareto_front(costs, gains)
    for (cost, gain), on_front in zip(models, found, strict=True):
        better = [g > gain and c <= cost or g >= gain and c < cost for c, g in models]
        assert on_front == (not any(better))


@pytest.fixture(scope="module")
def hierarchy():
    """SciPy's linkage; its import takes longer than hypothesis allows for an example."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    return linkage, squareform


@given(n=st.integers(2, 12), seed=st.integers(0, 50))
def test_the_order_keeps_the_clusters_of_scipys_average_linkage_together(hierarchy, n, seed):
    linkage, squareform = hierarchy
    similarity = np.random.default_rng(seed).random((n, n))
    similarity = (similarity + similarity.T) / 2
    np.fill_diagonal(similarity, 1)
    clusters = [{model} for model in range(n)]
    for first, second, *_ in linkage(squareform(1 - similarity, checks=False), "average"):
        clusters.append(clusters[int(first)] | clusters[int(second)])
    order = cluster_order(similarity)
    assert sorted(order) == list(range(n))
    for cluster in clusters:
        places = [order.index(model) for model in cluster]
        assert max(places) - min(places) == len(cluster) - 1


def test_a_kappa_that_is_not_defined_counts_as_no_similarity():
    similarity = np.array([[1, np.nan, 0.5], [np.nan, 1, 0.1], [0.5, 0.1, 1]])
    assert cluster_order(similarity) == [0, 2, 1]
