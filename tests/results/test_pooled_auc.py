"""The parts of a pooled AUC, pair by pair."""

import numpy as np
import pytest

from coldbench.results.pooled_auc import rows
from tests.scored import scored, setting

LABELS = [[1, 1, 0], [1, 0, 0], [1, 0, None]]
SCORES = scored(
    [[0.9, 0.4, 0.6], [0.5, 0.1, 0.7], [0.25, 0.75, None]], LABELS, seeds=np.array([0, 0, 1])
)
OTHERS = scored([[0.5, 0.5, 0.5]] * 2, LABELS[:2])


def test_the_pairs_of_a_seed_are_counted_within_users_between_them_and_by_level() -> None:
    """Seed 0: .9 beats three dislikes, .4 and .5 one each: 5 of 9; within the two users 2 of 4,
    between them 3 of 5. By level, .633 and .433: 4 of the first user's likes over the second's
    dislikes, 0 the other way, and half of the 4 within: 6 of 9. Seed 1: one pair, wrong, of one
    user, half by level."""
    [found] = rows(setting(scores={"m": {2: SCORES, 0: OTHERS}}))
    share = (4 / 9 + 1) / 2
    assert found == {
        "method": "m",
        "pooled": pytest.approx(5 / 18, abs=1e-6),
        "within": 0.25,
        "between": pytest.approx((5 / 18 - share / 4) / (1 - share), abs=1e-6),
        "share": pytest.approx(share, abs=1e-6),
        "level": pytest.approx((6 / 9 + 0.5) / 2, abs=1e-6),
    }


def test_where_all_pairs_are_within_users_there_is_nothing_between() -> None:
    [found] = rows(setting(scores={"m": {0: SCORES.take(np.array([2]))}}))
    assert list(found.values()) == ["m", 0, 0, None, 1, 0.5]


def test_a_user_of_one_kind_of_label_has_no_pairs_of_his_own() -> None:
    both = scored([[0.75, 0.25], [0.25, 0.25]], [[1, 0], [0, 0]])
    [found] = rows(setting(scores={"m": {0: both}}))  # one pair within, two between, all right
    assert list(found.values()) == ["m", 1, 1, 1, pytest.approx(1 / 3, abs=1e-6), 0.833333]
