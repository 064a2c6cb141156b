"""Methods ranked over blocks, by hand and against scipy."""

import numpy as np
import pytest
from scipy import stats

from coldbench.results import critical_difference
from coldbench.results.critical_difference import (
    _cliques,
    _friedman,
    _of_signed_ranks,
    _wilcoxon,
    critical,
)

VALUES = np.array([[0.1, 0.5, 0.3], [0.2, 0.6, 0.6], [0.3, 0.4, 0.1]])


def test_methods_stand_best_first_with_their_mean_ranks_and_their_tests() -> None:
    found = critical(VALUES, ["a", "b", "c"])
    assert found.ranks.rows() == [("b", pytest.approx(3.5 / 3)), ("c", pytest.approx(6.5 / 3)),
                                  ("a", pytest.approx(8 / 3))]  # fmt: skip
    assert found.blocks == 3
    # c less a is .2, .4, -.2: ranks 1.5, 3, -1.5, and of the 8 choices of signs 2 fall lower
    assert found.tests.rows() == [("b", "c", 0.5, 1), ("b", "a", 0.25, 0.75), ("c", "a", 0.75, 1)]
    assert found.alike == (("b", "c", "a"),)
    assert found.p == pytest.approx(stats.friedmanchisquare(*VALUES.T).pvalue)


def test_lower_is_better_turns_the_order() -> None:
    values = np.array([[0.1, 0.5], [0.2, 0.6]])
    assert critical(values, ["a", "b"], higher_is_better=False).ranks.rows() == [("a", 1), ("b", 2)]
    assert critical(values, ["a", "b"]).ranks.rows() == [("b", 1), ("a", 2)]


@pytest.mark.parametrize(
    ("alpha", "alike"), [(0.75, (("b", "c", "a"),)), (0.7501, (("b", "c"), ("c", "a")))]
)
def test_two_methods_differ_below_alpha_and_not_at_it(
    alpha: float, alike: tuple[tuple[str, ...], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least p is .75, of the best and the last."""
    monkeypatch.setattr(critical_difference, "ALPHA", alpha)
    assert critical(VALUES, ["a", "b", "c"]).alike == alike


def test_of_two_methods_friedmans_p_is_wilcoxons() -> None:
    two = np.array([[0.9, 0.1], [0.8, 0.3], [0.4, 0.5]])
    assert _friedman(two) == _wilcoxon(two[:, 0] - two[:, 1]) == 0.5


@pytest.mark.parametrize(
    "values",
    [[[0.1, 0.2, 0.3]], [[0.5, 0.5, 0.5], [0.2, 0.2, 0.2]]],
    ids=["one block", "all alike"],
)
def test_one_block_or_none_that_differs_says_nothing(values: list[list[float]]) -> None:
    assert _friedman(np.array(values)) == 1


def test_two_blocks_of_which_one_differs_are_tested() -> None:
    values = np.array([[0.1, 0.2, 0.3], [0.5, 0.5, 0.5]])
    assert _friedman(values) == pytest.approx(stats.friedmanchisquare(*values.T).pvalue)
    assert _friedman(values) < 1


@pytest.mark.parametrize(
    ("change", "p"),
    [
        ([0.0, 0.0], 1.0), ([0.5], 1.0), ([1.0, 2.0], 0.5), ([-1.0, -2.0], 0.5),
        ([1.0, -1.0], 1.0),  # the sum in the middle has more than half on both sides
        ([0.0, 2.0, 3.0, 4.0, 1.0], 0.125),  # what did not move takes the lowest rank and no sign
        ([1.0, 2.0, 3.0, -4.0], 0.875), ([1.0, 1.0, -1.0], 1.0), ([2.0, 2.0, -1.0], 0.5),
        # shared ranks are halves, 1.5, 1.5, 3, 4: the first two weigh as much as the third
        ([-1.0, -1.0, 2.0, 4.0], 0.625), ([-1.0, -1.0, -2.0, 4.0], 0.75),
    ],
)  # fmt: skip
def test_wilcoxons_p_is_the_share_of_signs_that_are_as_far_out(
    change: list[float], p: float
) -> None:
    assert _wilcoxon(np.array(change)) == p


def test_the_same_signed_ranks_are_not_worked_out_twice() -> None:
    before = _of_signed_ranks.cache_info().hits
    assert _wilcoxon(np.array([0.3, 0.1, 0.2])) == _wilcoxon(np.array([5.0, 7.0, 9.0]))
    assert _of_signed_ranks.cache_info().hits > before


@pytest.mark.parametrize(
    ("differ", "alike"),
    [
        (set(), (("a", "b", "c"),)),
        ({("a", "b"), ("a", "c")}, (("b", "c"),)),  # who is like nobody is in no group
        ({("a", "b"), ("a", "c"), ("b", "c")}, ()),
    ],
)
def test_a_group_of_methods_that_do_not_differ_has_two_at_least(
    differ: set[tuple[str, str]], alike: tuple[tuple[str, ...], ...]
) -> None:
    assert _cliques(["a", "b", "c"], differ) == alike
