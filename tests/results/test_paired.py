"""Which pairs are compared, and what their rows say, by hand."""

import numpy as np
import pytest

from coldbench.metrics import statistics
from coldbench.results import paired
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.paired import SCHEMA, adjust, compare, rows
from coldbench.results.schema import Row
from tests.scored import setting, valued

NAN = float("nan")
SEEDS = np.array([0, 0, 1])
LEVEL = valued([0.5, 1.0], [0.5, 1.0], [0.5, 1.0], seeds=SEEDS)
BETTER = valued([0.75, 0.5], [0.5, 1.5], [1.0, 0.75], seeds=SEEDS)
ELSE = valued([0.5, 1.0], users=np.array([9]))


def compared(**methods: object) -> dict[tuple[str, int, str, str], Row]:
    found = compare(methods, ["ndcg@5", "mae"], Bootstrap(40))  # type: ignore[arg-type]
    return {(row["method"], row["shots"], row["against"], row["metric"]): row for row in found}


def test_a_method_stands_beside_its_own_start_and_beside_item_bias_at_the_same_k() -> None:
    given = {
        "ridge": {0: LEVEL, 2: BETTER, 4: BETTER},
        "item-bias": {0: LEVEL, 2: LEVEL},
        "alone": {2: ELSE},
    }
    every = rows(setting(scores=given, per_user=["ndcg@5", "mae"], bootstrap=Bootstrap(9)))
    found = [row for row in every if row["metric"] == "mae"]
    assert [(row["method"], row["shots"], row["against"]) for row in found] == [
        ("ridge", 0, "item-bias"), ("ridge", 2, "K = 0"), ("ridge", 2, "item-bias"),
        ("ridge", 4, "K = 0"), ("item-bias", 2, "K = 0"),
    ]  # fmt: skip


def test_a_row_is_the_mean_change_and_less_of_an_error_is_a_help() -> None:
    found = compared(ridge={0: LEVEL, 2: BETTER})
    ndcg, mae = (found["ridge", 2, "K = 0", metric] for metric in ("ndcg@5", "mae"))
    assert (ndcg["mean"], ndcg["users"], ndcg["seeds"]) == (0.25, 3, 2)
    assert (ndcg["helped"], ndcg["harmed"]) == (0.666667, 0)
    assert (mae["mean"], mae["helped"], mae["harmed"]) == (-0.083333, 0.666667, 0.333333)
    weights, change = Bootstrap(40).weights(LEVEL), np.array([0.25, 0, 0.5])
    alone = statistics.paired(change, np.zeros(3), weights, SEEDS)
    for name in ("low", "high", "p", "detectable"):
        assert ndcg[name] == pytest.approx(getattr(alone, name), abs=1e-6), name
    assert set(ndcg) == set(SCHEMA)


def test_every_pair_has_its_own_numbers_where_several_share_their_users() -> None:
    found = compared(**{"item-bias": {2: LEVEL}, "a": {0: BETTER, 2: BETTER}, "b": {2: BETTER}})
    means = {key[:3]: row["mean"] for key, row in found.items() if key[3] == "ndcg@5"}
    assert means == {("a", 2, "K = 0"): 0, ("a", 2, "item-bias"): 0.25, ("b", 2, "item-bias"): 0.25}


def test_a_metric_that_no_common_user_has_gives_no_row() -> None:
    undefined = valued([NAN, 1.0], [NAN, 1.0], [0.5, 1.0], seeds=SEEDS)
    found = compared(ridge={0: LEVEL.take(np.array([0, 1])), 2: undefined})
    assert list(found) == [("ridge", 2, "K = 0", "mae")]


def test_one_user_has_a_difference_and_no_p() -> None:
    row = compared(m={0: ELSE, 2: ELSE})["m", 2, "K = 0", "mae"]
    assert (row["mean"], row["users"], row["p"], row["p_holm"], row["low"]) == (
        0,
        1,
        None,
        None,
        None,
    )


def result(
    metric: str, shots: int, p: float | None, helped: float = 0.5, harmed: float = 0.0
) -> Row:
    return {"metric": metric, "shots": shots, "p": p, "helped": helped, "harmed": harmed}


@pytest.mark.parametrize(
    ("row", "real"),
    [
        (result("auc", 2, 0.5), True), (result("auc", 2, 0.5, 0.0, 0.25), True),
        (result("auc", 2, 1.0, 0.0, 0.0), False), (result("auc", 2, None), False),
    ],
)  # fmt: skip
def test_something_is_tested_where_there_is_a_p_and_a_user_who_changed(
    row: Row, real: bool
) -> None:
    assert paired.tested(row) is real


def test_holm_is_over_what_is_tested_of_one_metric_at_one_k() -> None:
    family = [result("auc", 2, 0.01234567891), result("auc", 2, 0.04), result("auc", 2, 0.02)]
    still, none = result("auc", 2, 1.0, 0.0, 0.0), result("auc", 2, None)
    others = [result("auc", 4, 0.04), result("mae", 2, 0.04)]
    adjust([*family, still, none, *others])
    assert [row["p_holm"] for row in family] == [0.037037, 0.04, 0.04]  # times 3, 1 and 2
    assert [row["p_holm"] for row in others] == [0.04, 0.04]
    assert (still["p_holm"], none["p_holm"]) == (1.0, None)
    assert (family[0]["p"], none["p"]) == (0.0123457, None)
