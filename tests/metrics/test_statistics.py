"""Intervals and tests: right as often as they say, by simulation, and blind to repeated rows."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from coldbench.metrics.seed_variance import SeedVariance, seed_variance
from coldbench.metrics.statistics import (
    bootstrap_weights,
    cluster_variance,
    differences,
    holm,
    interval,
    paired,
    percentiles,
)

Float = NDArray[np.float64]


def users(n: int) -> NDArray[np.int64]:
    return np.arange(n)


def normal(*shape: int, seed: int = 0) -> Float:
    return np.random.default_rng(seed).normal(size=shape)


# --- right as often as they say


@pytest.mark.parametrize("n", [20, 60, 200])
def test_the_interval_covers_the_truth_95_times_in_a_hundred(n: int) -> None:
    worlds = np.random.default_rng(1).beta(5, 1.5, (n, 1500))  # skewed as an NDCG is
    _, low, high = interval(worlds, bootstrap_weights(users(n), 1000))
    truth = 5 / 6.5
    assert 0.93 <= np.mean((low <= truth) & (truth <= high)) <= 0.97


@pytest.mark.slow  # a thousand experiments
@pytest.mark.parametrize(("n", "seeds"), [(16, 1), (58, 1), (40, 3)])
def test_the_paired_test_finds_nothing_95_times_in_a_hundred_where_nothing_is(
    n: int, seeds: int
) -> None:
    who = np.tile(users(n), seeds)
    weights = bootstrap_weights(who, 500)
    taste, noise = normal(n, 1000, seed=1), normal(n * seeds, 1000, seed=2)
    changes = taste[who] + noise  # rows of one user resemble one another
    none = np.zeros(n * seeds)
    alarms = np.mean([paired(change, none, weights).p <= 0.05 for change in changes.T])
    assert alarms <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 1000)  # 99 % of the simulation's own error


@pytest.mark.slow  # a thousand experiments
@pytest.mark.parametrize("effect", [0.0, 0.3])
def test_nor_does_it_where_seeds_have_an_effect_of_their_own(effect: float) -> None:
    rng, alarms = np.random.default_rng(7), 0.0
    seeds = np.repeat(np.arange(5), 40)
    for _ in range(1000):
        who: NDArray[np.int64] = np.concatenate([rng.permutation(200)[:40] for _ in range(5)])
        change = (
            rng.normal(size=200)[who] + rng.normal(size=200) + effect * rng.normal(size=5)[seeds]
        )
        alarms += paired(change, np.zeros(200), bootstrap_weights(who, 70), seeds).p <= 0.05
    # an effect as large as a seed's own error is the hardest: docs/decisions/12-levels.md
    assert alarms / 1000 <= (0.05 if not effect else 0.08) + 2.6 * np.sqrt(0.05 * 0.95 / 1000)


@pytest.mark.parametrize("n", [2, 3, 10, 300])
def test_p_is_the_paired_t_test_where_every_row_is_a_user(n: int) -> None:
    a, b = normal(2, n)
    a += 0.15
    difference = paired(a, b, bootstrap_weights(users(n), 100))
    assert difference.p == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)
    assert difference.detectable == pytest.approx(2.80158522 * stats.sem(a - b), rel=1e-8)


def test_p_is_the_same_whatever_the_bootstrap_drew() -> None:
    who = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 6])
    seeds = np.array([0, 1, 0, 0, 1, 2, 1, 2, 0, 2])
    change = normal(10, 2)
    change[3, 1] = np.nan
    drawn = [
        differences(change, bootstrap_weights(who, resamples, seed), seeds)
        for seed, resamples in enumerate([100, 100, 100, 5000])
    ]
    assert len({tuple((d.p, d.detectable, d.n) for d in both) for both in drawn}) == 1
    assert len({tuple((d.low, d.high) for d in both) for both in drawn}) == 4


def test_two_users_by_hand() -> None:
    # mean 3; the users' sums less their share are 4 - 6 and 5 - 3: variance (4 + 4) / 9 * 2
    change = np.array([[1.0], [3.0], [5.0]])
    variance, count = cluster_variance(change, np.array([0, 0, 1]))
    assert (variance.tolist(), count.tolist()) == ([pytest.approx(16 / 9)], [2])
    difference = differences(change, bootstrap_weights(np.array([7, 7, 9]), 100))[0]
    cauchy = 1 - 2 / math.pi * math.atan(3 / (4 / 3))  # one degree
    assert difference.p == pytest.approx(cauchy)
    assert difference.detectable == pytest.approx(2.80158522 * 4 / 3)


def test_two_seeds_by_hand() -> None:
    """Means 1 and 11: a variance of 50, of which the users explain 1; halved, for there are two."""
    change = np.array([0.0, 2, 10, 12])
    seeds = np.array([0, 0, 1, 1])
    difference = paired(change, np.zeros(4), bootstrap_weights(users(4), 100), seeds)
    by_users, more = 104 / 16 * 4 / 3, (50 - 1) / 2
    df = (by_users + more) ** 2 / (by_users**2 / 3 + more**2 / 1)
    assert df == pytest.approx(1.759, abs=1e-3)
    assert difference.p == pytest.approx(2 * stats.t.sf(6 / math.sqrt(by_users + more), df))
    assert difference.detectable == pytest.approx(2.80158522 * math.sqrt(by_users + more))


@pytest.mark.parametrize(
    "change",
    [[0.0, 2, 1, 3], [1.0, 3, np.nan, np.nan]],  # means 1 and 2: a variance of .5, of users 1
    ids=["no more than users explain", "one nowhere defined"],
)
def test_seeds_without_a_variance_of_their_own_add_nothing(change: list[float]) -> None:
    columns, weights = (np.array(change), np.zeros(4)), bootstrap_weights(users(4), 100)
    assert paired(*columns, weights, np.array([0, 0, 1, 1])) == paired(*columns, weights)


def test_each_column_has_its_own_seeds_variance() -> None:
    seeds, weights = np.repeat(np.arange(3), 20), bootstrap_weights(users(60), 200)
    calm, wild = normal(60), normal(60, seed=1) + 3 * seeds
    both = differences(np.stack([calm, wild], 1), weights, seeds)
    for difference, change in zip(both, (calm, wild), strict=True):
        single = paired(change, np.zeros(60), weights, seeds)
        assert astuple(difference) == pytest.approx(astuple(single), rel=1e-12)
    levels = interval(np.stack([calm, wild], 1), weights, seeds=seeds)
    for column, values in enumerate((calm, wild)):
        alone = interval(values, weights, seeds=seeds)
        assert [x[column] for x in levels] == pytest.approx([float(x) for x in alone])


def test_the_percentiles_of_few_users_are_moved_out_by_students_t() -> None:
    # of 5 users: 2.7764 (four degrees) times sqrt(5 / 4) standard errors, a tail of .00095
    draws = np.linspace(0, 1, 100_001)
    assert percentiles(draws, 5) == pytest.approx((0.000954, 0.999046), abs=2e-6)
    assert percentiles(draws, 2) == pytest.approx((0, 1), abs=1e-5)  # one degree: 18 of them
    assert percentiles(draws, 5, df=2) == pytest.approx((7.5e-7, 1), abs=1e-6)
    assert percentiles(draws, 5, level=0.5) == pytest.approx((0.2038, 0.7962), abs=1e-5)


def test_the_interval_is_scipys_bootstrap_up_to_the_correction_for_few_users() -> None:
    values = normal(400)
    _, low, high = interval(values, bootstrap_weights(users(400), 20_000))
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    np.testing.assert_allclose([low, high], theirs, atol=0.003)


def test_the_detectable_difference_is_found_four_times_in_five() -> None:
    weights = bootstrap_weights(users(100), 500)
    noise = normal(100, 400)
    effect = paired(noise[:, 0], np.zeros(100), weights).detectable
    assert effect == pytest.approx(2.8 / np.sqrt(100), rel=0.2)
    detected = [paired(x + 0.28, np.zeros(100), weights).p <= 0.05 for x in noise.T]
    assert 0.74 <= np.mean(detected) <= 0.86


def test_the_interval_of_few_users_is_as_wide_as_students() -> None:
    worlds = normal(10, 300)
    _, low, high = interval(worlds, bootstrap_weights(users(10), 4000))
    students = 2 * stats.t.ppf(0.975, 9) * stats.sem(worlds)
    assert np.mean(high - low) == pytest.approx(np.mean(students), rel=0.03)


def test_a_training_run_that_all_users_of_a_seed_share_widens_the_interval() -> None:
    rng = np.random.default_rng(4)
    seeds = np.repeat(np.arange(5), 40)
    missed, blind = 0.0, 0.0
    for _ in range(400):
        who: NDArray[np.int64] = np.concatenate([rng.permutation(200)[:40] for _ in range(5)])
        values = rng.normal(size=200)[who] + 0.15 * rng.normal(size=5)[seeds]
        weights = bootstrap_weights(who, 400)
        _, low, high = interval(values, weights, seeds=seeds)
        missed += float(not low <= 0 <= high)
        _, left, right = interval(values, weights)
        blind += float(not left <= 0 <= right)
    assert missed / 400 <= 0.07
    assert blind > missed  # users alone cannot see it


def test_seeds_that_differ_by_their_users_alone_change_little() -> None:
    rng = np.random.default_rng(5)
    seeds, covered = np.repeat(np.arange(3), 60), 0.0
    for _ in range(600):
        who = np.concatenate([rng.permutation(300)[:60] for _ in range(3)])
        values = rng.normal(size=300)[who] + rng.normal(size=180)
        _, low, high = interval(values, bootstrap_weights(who, 300), seeds=seeds)
        covered += float(low <= 0 <= high)
    assert 0.93 <= covered / 600 <= 0.975


# --- users, not rows


def test_meeting_the_same_users_again_does_not_narrow_the_interval() -> None:
    values = normal(80)
    _, low, high = interval(values, bootstrap_weights(users(80)))
    again = np.tile(values, 5)
    _, low5, high5 = interval(again, bootstrap_weights(np.tile(users(80), 5)))
    np.testing.assert_allclose([low5, high5], [low, high])
    _, low_rows, high_rows = interval(again, bootstrap_weights(users(400)))
    assert high_rows - low_rows < 0.6 * (high5 - low5)  # what taking rows for users would claim


def test_all_rows_of_a_user_are_drawn_together_and_as_many_users_as_there_are() -> None:
    weights = bootstrap_weights(np.array([7, 3, 7, 9]), 500)
    assert weights.shape == (500, 4)
    assert np.array_equal(weights[:, 0], weights[:, 2])
    assert np.all(weights[:, [0, 1, 3]].sum(1) == 3)
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.15)


def test_the_same_seed_draws_the_same_users_and_another_does_not() -> None:
    first = bootstrap_weights(users(50), 10, seed=3)
    assert np.array_equal(first, bootstrap_weights(users(50), 10, seed=3))
    assert not np.array_equal(first, bootstrap_weights(users(50), 10, seed=4))


# --- what is not defined


def test_undefined_rows_are_left_out() -> None:
    values = normal(60)
    weights = bootstrap_weights(users(90))
    padded = np.concatenate([values, np.full(30, np.nan)])
    mean, low, high = interval(padded, weights)
    assert mean == pytest.approx(values.mean())
    assert low < mean < high
    difference = paired(padded, np.zeros(90), weights)
    assert difference.n == 60
    assert difference.mean == pytest.approx(values.mean())


def test_columns_are_computed_side_by_side_as_one_by_one() -> None:
    values = normal(50, 3)
    values[:9, 1] = np.nan
    weights = bootstrap_weights(users(50))
    together = interval(values, weights)
    for column in range(3):
        alone = interval(values[:, column], weights)
        assert [x[column] for x in together] == pytest.approx([float(x) for x in alone])


def test_one_user_or_none_says_nothing_about_others() -> None:
    values = np.array([0.3, 0.5, np.nan])
    weights = bootstrap_weights(np.array([1, 1, 2]))
    mean, low, high = interval(values, weights)
    assert mean == pytest.approx(0.4)
    assert np.isnan([low, high]).all()
    alone = paired(values, np.zeros(3), weights)
    assert np.isnan([alone.low, alone.high, alone.p, alone.detectable]).all()
    nothing = paired(np.full(3, np.nan), np.zeros(3), weights)
    assert nothing.n == 0
    assert np.isnan([nothing.mean, nothing.p, nothing.helped]).all()


def test_a_resample_in_which_a_statistic_is_undefined_is_left_out() -> None:
    draws = np.concatenate([np.linspace(0, 1, 101), [np.nan]])
    assert percentiles(draws, 10_000) == pytest.approx((0.025, 0.975), abs=1e-4)


def test_equal_methods_do_not_differ_whatever_their_rounding() -> None:
    a = normal(30)
    weights = bootstrap_weights(users(30))
    for b in (a, a + 1e-15):
        same = paired(a, b, weights)
        assert (same.mean, same.p, same.helped, same.harmed) == (0, 1, 0, 0)


def test_a_change_that_is_the_same_for_everyone_is_certain() -> None:
    a = normal(30)
    gain = paired(a + 0.1, a, bootstrap_weights(users(30)))
    assert gain.p < 1e-12
    assert (gain.low, gain.high) == pytest.approx((0.1, 0.1))


def test_helped_and_harmed_are_shares_of_the_defined_rows() -> None:
    a, b = np.array([2.0, 3, 1, 4, np.nan]), np.array([1.0, 1, 2, 4, 0])
    moved = paired(a, b, bootstrap_weights(users(5)))
    assert (moved.helped, moved.harmed, moved.n) == (0.5, 0.25, 4)


def test_turning_a_difference_round_turns_its_numbers() -> None:
    a, b = normal(2, 40)
    weights = bootstrap_weights(users(40))
    forth, back = paired(a, b, weights), paired(b, a, weights)
    assert (back.mean, back.low, back.high) == pytest.approx((-forth.mean, -forth.high, -forth.low))
    assert (back.p, back.helped) == pytest.approx((forth.p, forth.harmed))


def test_holm_is_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(0).beta(0.3, 2, 30)
    p[3] = p[8]
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12)


def test_a_test_that_was_not_made_does_not_count_in_holm() -> None:
    adjusted = holm(np.array([0.01, np.nan, 0.04]))
    np.testing.assert_allclose(adjusted, [0.02, np.nan, 0.04])
    assert holm(np.array([])).shape == (0,)


# --- the second level by hand


def test_draws_are_spread_by_what_the_seeds_add() -> None:
    draws, widen = np.array([1.0, 2, 3, 4]), SeedVariance(np.array([0.0, 4.0]), 3)
    spread, df = widen.widen(draws, 1, 5)
    by_users = 1.25 * 5 / 4
    assert df == pytest.approx((by_users + 4) ** 2 / (by_users**2 / 4 + 16 / 2))
    noise = np.random.default_rng(1).standard_normal(4)
    np.testing.assert_allclose(spread - draws, noise * math.sqrt(4 * 4 / 5))
    assert widen.widen(draws, 1, 2)[1] == pytest.approx(6.5**2 / (2.5**2 + 8))
    for column, users_there in ((0, 5), (1, 1)):
        same, df = widen.widen(draws, column, users_there)
        assert (same.tolist(), df) == (draws.tolist(), users_there - 1)
    assert widen.error(9.0, 1, 1) == (3.0, 0)
    assert widen.error(9.0, 0, 2) == (3.0, 1)
    assert widen.error(9.0, 1, 2) == pytest.approx((math.sqrt(13), 169 / (81 + 8)))


def test_what_the_seeds_of_a_pooled_statistic_add_is_less_their_own_chance() -> None:
    half = np.array([0.0, 1.0])  # a variance of 1 / 4, and one draw undefined changes nothing
    of_two = seed_variance(np.array([1.0, 3.0]), [half, np.array([0.0, 1.0, np.nan])])
    assert (of_two.variance.tolist(), of_two.seeds) == ([(2 - 1 / 4) / 2], 2)
    three = seed_variance(np.array([1.0, 1.1, 1.2]), [half] * 3)
    assert (three.variance.tolist(), three.seeds) == ([0.0], 3)  # .01 is less than 1 / 4
    assert seed_variance(np.array([1.0]), [half]).variance.tolist() == [0.0]
    undefined = seed_variance(np.array([1.0, 3.0]), [half, np.full(2, np.nan)])
    assert undefined.variance.tolist() == [0.0]


# --- at the edges


def test_a_billionth_is_no_change_and_more_is() -> None:
    weights = bootstrap_weights(users(2), 100)
    still = paired(np.array([1e-9, -1e-9]), np.zeros(2), weights)
    assert astuple(still) == (0, 0, 0, 1, 0, 0, 0, 2)
    assert paired(np.array([1.01e-9, 0]), np.zeros(2), weights).helped == 0.5
    assert math.isnan(paired(np.zeros(2), np.zeros(2), weights[:, [0, 0]]).p)  # one user: nothing


def test_equal_up_to_a_billionth_of_the_mean_is_certain() -> None:
    change, weights = np.array([1000, 1000 + 2e-7, 1000 - 2e-7]), bootstrap_weights(users(3), 100)
    assert paired(change, np.zeros(3), weights).p == 0
    assert paired(change + np.array([0, 1e-4, 0]), np.zeros(3), weights).p > 0


def test_no_rows_and_one_row() -> None:
    none = differences(np.zeros((0, 2)), np.zeros((100, 0), np.float32))
    assert [(d.n, math.isnan(d.mean), math.isnan(d.p)) for d in none] == [(0, True, True)] * 2
    mean, low, _ = interval(np.array([0.3, np.nan]), bootstrap_weights(users(2), 100))
    assert (float(mean), math.isnan(low)) == (0.3, True)


def test_means_are_the_same_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    values, weights = normal(9, 2), bootstrap_weights(users(9), 50)
    whole = interval(values, weights)
    monkeypatch.setattr("coldbench.metrics.statistics.BLOCK", 20)
    for small, large in zip(interval(values, weights), whole, strict=True):
        np.testing.assert_allclose(small, large)


def test_two_thousand_resamples_of_seed_0_are_the_default() -> None:
    weights = bootstrap_weights(users(3))
    assert weights.shape == (2000, 3)
    assert np.array_equal(weights, bootstrap_weights(users(3), 2000, 0))
