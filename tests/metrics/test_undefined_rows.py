"""Rows on which a metric is not defined are absent, not 0, in every statistic over users."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from coldbench.metrics import statistics
from coldbench.metrics.seed_variance import SeedVariance, variance_of_seeds
from coldbench.metrics.statistics import (
    bootstrap_weights,
    cluster_variance,
    differences,
    interval,
    percentiles,
)

Float = NDArray[np.float64]
NAN = np.nan
USERS = np.array([0, 0, 1, 2, 2, 3, 4])
ROWS = np.array([[1.0], [NAN], [3.0], [5.0], [4.0], [NAN], [2.5]])
SEEDS = np.array([0, 1, 0, 0, 1, 1, 1])
KEPT = ~np.isnan(ROWS[:, 0])


def test_the_variance_over_users_is_that_of_the_defined_rows_alone() -> None:
    variance, users = cluster_variance(ROWS, USERS)
    expected, left = cluster_variance(ROWS[KEPT], np.unique(USERS[KEPT], return_inverse=True)[1])
    assert variance == pytest.approx(expected, rel=1e-12) and users.tolist() == left.tolist() == [4]


def test_the_variance_between_seeds_is_that_of_the_defined_rows_alone() -> None:
    found, expected = (
        variance_of_seeds(table, seeds)
        for table, seeds in ((ROWS, SEEDS), (ROWS[KEPT], SEEDS[KEPT]))
    )
    assert found.seeds == expected.seeds == 2
    assert found.variance == pytest.approx(expected.variance, rel=1e-12)
    apart = np.where(SEEDS[:, None] == 1, ROWS + 100, ROWS)  # seeds that differ by 100
    found, expected = (
        variance_of_seeds(table, seeds)
        for table, seeds in ((apart, SEEDS), (apart[KEPT], SEEDS[KEPT]))
    )
    assert found.variance == pytest.approx(expected.variance, rel=1e-12) and found.variance > 1000


def test_seeds_that_differ_less_than_their_users_explain_add_no_variance() -> None:
    alike = np.array([[0.0, 1.0], [2.0, NAN], [0.0, NAN], [2.0, NAN]])
    assert variance_of_seeds(alike, np.array([0, 0, 1, 1])).variance.tolist() == [0, 0]


def test_one_seed_is_one_and_none_is_one() -> None:
    assert variance_of_seeds(ROWS, None).seeds == 1
    assert variance_of_seeds(ROWS[:0], None).seeds == 1


def test_no_user_and_one_user_say_nothing_about_others() -> None:
    for users in (0, 1):
        table, weights = np.ones((users, 2)), bootstrap_weights(np.arange(users), 9)
        _, low, high = interval(table, weights)
        assert np.isnan(low).all() and np.isnan(high).all()
        assert all(np.isnan(found.p) for found in differences(table, weights))
    two = differences(np.array([[1.0], [3.0]]), bootstrap_weights(np.arange(2), 9))
    assert 0 < two[0].p < 1


@pytest.mark.parametrize("block", [1, 3, 14, 1 << 22])
def test_the_mean_of_a_resample_is_that_of_its_defined_rows_in_blocks_of_any_size(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "BLOCK", block)
    weights = bootstrap_weights(USERS, 20)
    expected = [
        np.average(ROWS[KEPT, 0], weights=drawn[KEPT]) if drawn[KEPT].any() else NAN
        for drawn in weights
    ]
    assert statistics._means(ROWS, weights)[:, 0] == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert statistics._means(ROWS[:0], weights[:, :0]).shape == (20, 1)


def test_two_users_reach_as_far_as_students_t_of_one_degree_of_freedom() -> None:
    draws = np.sort(np.random.default_rng(0).normal(size=4001))
    low, high = percentiles(draws, 2, 0.5)
    reach = stats.t.ppf(0.75, 1) * np.sqrt(2)  # n / (n - 1) of two users is 2
    assert (low, high) == tuple(np.quantile(draws, stats.norm.cdf([-reach, reach])))


def test_one_resample_in_which_it_is_defined_is_both_ends() -> None:
    assert percentiles(np.array([NAN, 0.25, NAN]), 5) == (0.25, 0.25)
    assert all(np.isnan(percentiles(np.array([NAN, NAN]), 5)))


@pytest.mark.parametrize("change", [0.25, -0.25])
def test_the_same_change_of_every_user_is_sure_either_way(change: float) -> None:
    (found,) = differences(np.full((6, 1), change), bootstrap_weights(np.arange(6), 9))
    assert (found.p, found.mean) == (0, change)


@pytest.mark.parametrize("scale", [1e-3, 0.5, 40.0])
def test_the_degrees_of_freedom_are_satterthwaites_of_users_and_seeds(scale: float) -> None:
    between = SeedVariance(np.array([0.0, scale, 3 * scale]), 3)
    variance, users = np.array([scale, 2 * scale, scale]), np.array([9, 9, 21])
    error, df = between.error(variance, slice(None), users)
    both = variance + between.variance
    expected = both**2 / (variance**2 / (users - 1) + between.variance**2 / 2)
    assert error == pytest.approx(np.sqrt(both), rel=1e-12)
    assert df == pytest.approx([8, *expected[1:]], rel=1e-12)


def test_columns_that_seeds_widen_stand_beside_columns_that_they_do_not() -> None:
    draws = 0.1 * np.random.default_rng(0).normal(size=(500, 2))
    both, df = SeedVariance(np.array([0.0, 0.02]), 3).widen(draws, slice(None), np.array([9, 9]))
    assert np.array_equal(both[:, 0], draws[:, 0]) and df[0] == 8
    alone, its = SeedVariance(np.array([0.02]), 3).widen(draws[:, 1:], slice(None), np.array([9]))
    assert np.array_equal(both[:, 1:], alone) and df[1] == its[0]
    own = draws[:, 1].var() * 9 / 8
    assert its[0] == pytest.approx((own + 0.02) ** 2 / (own**2 / 8 + 0.02**2 / 2), rel=1e-12)
    assert alone.var() > draws[:, 1].var() + 0.01
