"""Any two methods side by side, by hand."""

import numpy as np
import pytest

from coldbench.metrics import statistics
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.pairwise import SCHEMA, pairs, rows
from tests.scored import setting, valued

SEEDS = np.array([0, 0, 1])
A = valued([9, 0.75], [9, 0.5], [9, 1.0], seeds=SEEDS)  # of the second metric
B = valued([9, 0.5], [9, 0.5], [9, 0.5], seeds=SEEDS)
C = valued([9, 0.25], [9, 0.5], [9, 0.875], seeds=SEEDS)
LATE = valued([9, 0.5], users=np.array([9]))


def test_every_pair_is_compared_once_at_the_largest_k() -> None:
    methods = {
        "a": {0: B, 2: A},
        "b": {0: B, 2: B},
        "c": {2: C},
        "early": {0: B},
        "late": {2: LATE},
    }
    drawn = Bootstrap(40)
    given = setting(scores=methods, headline="ndcg@5", column=1, bootstrap=drawn)
    found = rows(given)
    assert [(row["method"], row["other"], row["shots"], row["mean"]) for row in found] == [
        ("a", "b", 2, 0.25), ("a", "c", 2, 0.208333), ("b", "c", 2, -0.041667),
    ]  # fmt: skip
    assert [(row["helped"], row["harmed"]) for row in found] == [
        (0.666667, 0), (0.666667, 0), (0.333333, 0.333333),
    ]  # fmt: skip
    assert {row["metric"] for row in found} == {"ndcg@5"} and set(found[0]) == set(SCHEMA)
    alone = statistics.paired(A.values[:, 1], B.values[:, 1], drawn.weights(A), SEEDS)
    for name in ("low", "high", "p", "detectable"):
        assert found[0][name] == pytest.approx(getattr(alone, name), abs=1e-6), name
    every = statistics.holm(np.array([row["p"] for row in found]))
    assert [row["p_holm"] for row in found] == pytest.approx(every, abs=1e-6)


def test_all_pairs_are_of_the_largest_k_that_all_methods_have() -> None:
    methods = {"a": {0: B, 2: A, 4: C}, "b": {0: B, 2: B}, "c": {0: B, 2: C, 8: A}}
    found = pairs(methods, "ndcg@5", 1, Bootstrap(9))
    assert [(row["method"], row["other"], row["shots"], row["mean"]) for row in found] == [
        ("a", "b", 2, 0.25), ("a", "c", 2, 0.208333), ("b", "c", 2, -0.041667),
    ]  # fmt: skip
    assert pairs({}, "ndcg@5", 1, Bootstrap(9)) == []


def test_where_no_k_is_every_ones_the_largest_is_taken_and_who_lacks_it_left_out() -> None:
    found = pairs({"a": {0: B}, "b": {2: A}, "c": {2: C}}, "ndcg@5", 1, Bootstrap(9))
    assert [(row["method"], row["other"], row["shots"]) for row in found] == [("b", "c", 2)]


def test_less_of_an_error_is_a_help() -> None:
    [found] = pairs({"a": {2: A}, "b": {2: B}}, "mae", 1, Bootstrap(9))
    assert (found["mean"], found["helped"], found["harmed"]) == (0.25, 0, 0.666667)


def test_a_pair_without_a_test_is_none_of_holms_family() -> None:
    one, other = (scores.take(np.array([0])) for scores in (A, C))
    [row] = pairs({"a": {2: one}, "b": {2: other}}, "ndcg@5", 1, Bootstrap(9))
    assert (row["users"], row["p"], row["p_holm"]) == (1, None, None)
    undefined = valued([9, float("nan")])
    assert pairs({"a": {2: one}, "b": {2: undefined}}, "ndcg@5", 1, Bootstrap(9)) == []
