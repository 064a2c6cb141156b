"""Resamples of a setting: drawn once, and of a pooled metric by hand."""

from typing import Any

import numpy as np
import pytest
import torch

from coldbench.metrics.compute import pooled
from coldbench.results import bootstrap
from coldbench.results.bootstrap import EXACT, Bootstrap
from coldbench.results.user_scores import UserScores
from tests.scored import scored

NAN = float("nan")
# a like that is found, a like that is not, a dislike that is taken for a like
FOUND, LOST, WRONG = (0.75, 1), (0.25, 1), (0.75, 0)


def people(*cases: tuple[float, int], **more: Any) -> UserScores:
    return scored([[score] for score, _ in cases], [[label] for _, label in cases], **more)


def pooled_over(scores: UserScores, name: str, *drawn: list[int]) -> tuple[float, float, float]:
    """The metric with its interval where exactly these resamples are drawn."""
    weights = np.array(drawn, np.float32)
    return Bootstrap(len(drawn), {scores.key: weights}).pooled([name], scores)[name]


def test_weights_are_those_of_the_users_drawn_once_by_one_seed() -> None:
    both = people(FOUND, LOST, users=np.array([3, 8]))
    drawn = Bootstrap(500)
    weights = drawn.weights(both)
    assert weights is drawn.weights(people(WRONG, WRONG, users=np.array([3, 8])))
    assert np.array_equal(weights, Bootstrap(500).weights(both)) and weights.shape == (500, 2)
    assert {tuple(row) for row in weights} == {(0, 2), (1, 1), (2, 0)}
    first = np.random.default_rng(0).integers(2, size=2)
    assert weights[0].tolist() == np.bincount(first, minlength=2).tolist()


def test_each_seed_has_its_rows_and_their_weights() -> None:
    three = people(FOUND, LOST, WRONG, seeds=np.array([7, 4, 7]))
    drawn = Bootstrap(3, {three.key: np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)})
    found = [(rows.tolist(), weights.tolist()) for rows, weights in drawn.by_seed(three)]
    assert found == [([1], [[2], [5], [8]]), ([0, 2], [[1, 3], [4, 6], [7, 9]])]
    assert drawn.by_seed(three) is drawn.by_seed(three)


def test_of_two_users_an_interval_reaches_from_the_lowest_resample_to_the_highest() -> None:
    assert pooled_over(people(FOUND, LOST), "recall", [2, 0], [0, 2], [1, 1]) == pytest.approx(
        (0.5, 0, 1)
    )


def test_resamples_are_moved_to_have_the_value_as_their_mean_and_stay_within_0_and_1() -> None:
    both = people(FOUND, LOST)  # of 1, 1 and .5 the mean is 5/6, of 1, 1, 1 and 0 three quarters
    assert pooled_over(both, "recall", [2, 0], [2, 0], [1, 1]) == pytest.approx((0.5, 1 / 6, 2 / 3))
    assert pooled_over(both, "recall", [2, 0], [2, 0], [2, 0], [0, 2]) == (0.5, 0, 0.75)
    assert pooled_over(both, "recall", [0, 2], [0, 2], [0, 2], [2, 0]) == (0.5, 0.25, 1)


def test_a_resample_with_nothing_to_measure_is_left_out() -> None:
    """Nothing is predicted of the second user: precision has no value where he alone is drawn."""
    three = people(FOUND, LOST, WRONG, users=np.array([0, 1, 1]))
    found = pooled_over(three, "precision", [1, 0, 1], [0, 2, 0], [3, 0, 1])
    assert found == pytest.approx((0.5, 0.375, 0.625))  # 1/2 and 3/4, moved by an eighth
    assert pooled_over(three, "precision", [0, 2, 0], [3, 0, 1]) == pytest.approx((0.5,) * 3)
    assert pooled_over(people(LOST, LOST), "precision", [1, 1]) == pytest.approx(
        (NAN, NAN, NAN), nan_ok=True
    )


def test_a_seed_is_pooled_by_itself_and_seeds_that_differ_widen_the_interval() -> None:
    users = np.array([0, 0, 1, 1, 2, 2])
    apart = people(FOUND, LOST, FOUND, LOST, FOUND, LOST, users=users, seeds=np.array([0, 1] * 3))
    same = people(*[FOUND, LOST] * 3, users=np.array([0, 1, 2] * 2), seeds=np.repeat([0, 1], 3))
    still = [[1] * 6] * 500  # everyone is always drawn: seeds alone differ
    assert pooled_over(apart, "recall", *still) == (
        0.5,
        0,
        1,
    )  # 1 under one seed, 0 under the other
    value, low, high = pooled_over(
        same, "recall", *still
    )  # 2/3 under one seed, 1/3 under the other
    assert value == 0.5 and low < 1 / 3 and high > 2 / 3
    one = people(FOUND, LOST, FOUND)
    assert pooled_over(one, "recall", *[[1] * 3] * 9) == pytest.approx((2 / 3,) * 3)


@pytest.mark.parametrize(("rows", "exactly"), [(EXACT, True), (EXACT + 1, False)])
def test_the_auc_of_a_hundred_users_is_resampled_exactly_and_of_more_to_first_order(
    rows: int, exactly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert EXACT == 100
    asked: list[int] = []

    def shortcut(predictions: Any, weights: Any) -> Any:
        asked.append(len(predictions.scores))
        return np.full(len(weights), 0.5)

    monkeypatch.setattr(bootstrap, "_resampled_auc", shortcut)
    many = people(FOUND, *[WRONG] * (rows - 1))
    Bootstrap(2).pooled(["recall"], many)
    assert asked == []
    Bootstrap(2).pooled(["auc-pooled"], many)
    assert asked == [rows] * (not exactly)


def test_the_shortcut_is_the_derivative_of_the_pooled_auc_by_each_users_weight() -> None:
    some = scored(
        [[0.75, 0.5, 0.25], [0.5, 0.5, None], [0.125, 0.75, 0.5]],
        [[1, 0, 0], [1, 0, None], [1, 0, 1]],
    ).predictions
    step = 1e-5
    weights = np.concatenate([np.ones((1, 3)), np.ones((3, 3)) + step * np.eye(3)])
    exact = pooled("auc-pooled", some, torch.from_numpy(weights)).numpy()
    found = bootstrap._resampled_auc(some, weights)
    assert found == pytest.approx(exact, abs=1e-9)
    slope = (found[1:] - found[0]) / step
    assert slope == pytest.approx((exact[1:] - exact[0]) / step, abs=1e-4)
    assert np.abs(slope).min() > 0.01


@pytest.mark.parametrize("label", [0, 1])
def test_where_all_are_likes_or_none_there_is_no_auc(label: int) -> None:
    some = scored([[0.5, 0.25]], [[label, label]]).predictions
    assert np.isnan(bootstrap._resampled_auc(some, np.ones((2, 1)))).tolist() == [True, True]
