"""Groups of users and items, counted by hand."""

from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from coldbench.metrics.predictions import rank_predictions
from coldbench.results import subgroups
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.setting import SplitFacts
from tests.scored import scored, setting

NAN = float("nan")


def items(seen: list[int], seed: int = 0, first: int = 0) -> pl.DataFrame:
    numbers = pl.Series(range(first, first + len(seen)), dtype=pl.Int32)
    return pl.DataFrame({"seed": [seed] * len(seen), "item": numbers, "seen": seen})


def users(**columns: Any) -> pl.DataFrame:
    many = len(columns["activity"])
    known = {"seed": [0] * many, "user": list(range(many)), "entropy": [NAN] * many}
    frame = pl.DataFrame(known | columns)
    return frame.select("seed", "user", "activity", "entropy", pl.exclude(*known, "activity"))


@pytest.mark.parametrize(
    ("seen", "tenths"),
    [
        ([0, *range(1, 21)], [0, *np.repeat(range(1, 11), 2)]),
        ([7, 7, 7, 7, 0], [6, 6, 6, 6, 0]),  # ties share their ranks: 2.5 of 4
        ([1], [6]),
        ([2, 1], [8, 3]),
    ],
)
def test_a_tenth_is_of_the_items_that_anybody_rated(seen: list[int], tenths: list[int]) -> None:
    assert items(seen).select(subgroups._tenth(pl.col("seen")))["seen"].to_list() == tenths


def test_an_items_tenth_is_that_of_its_seed_and_padding_and_strangers_have_none() -> None:
    known = pl.concat([items([0, 1, 2]), items([2, 1, 0], seed=1)])
    asked = np.array([[2, 0, 9], [2, 1, 0]])
    met = scored([[0.5] * 3, [0.5, 0.5, None]], [[1, 0, 0], [1, 0, None]], items=asked,
                 seeds=np.array([0, 1]))  # fmt: skip
    found = subgroups._of_items(met, SplitFacts(pl.DataFrame(), known))
    assert found.tolist() == [[8, 0, -1], [0, 3, -1]]


def kinds(of: pl.DataFrame, everyone: list[int]) -> dict[str, tuple[list[str], list[int]]]:
    found = subgroups._of_users(of, np.array(everyone))
    return {kind: (names, place.tolist()) for kind, names, place in found}


def test_users_are_cut_by_the_thirds_of_everyones_activity() -> None:
    of = users(activity=[1, 3, 4, 6, 7, 1200, None])
    name = "interactions of the user"
    names = ["1 to 3", "4 to 6", "7 to 1,200"]
    assert kinds(of, [*range(1, 9), 1200]) == {name: (names, [0, 0, 1, 1, 2, 2, 0])}
    few = users(activity=[5, 6, 8])
    assert kinds(few, [5, 5, 6, 6, 8]) == {name: (["5", "6", "7 to 8"], [0, 1, 2])}
    dozen = kinds(users(activity=[4, 5, 8, 9]), [*range(1, 13)])
    assert dozen == {name: (["1 to 4", "5 to 8", "9 to 12"], [0, 1, 1, 2])}


def test_users_are_cut_by_the_balance_of_their_labels_where_one_is_known() -> None:
    of = users(activity=[5] * 5, entropy=[0.0, 0.001, 0.9, 0.901, NAN])
    found = kinds(of, [5])["likes and dislikes among the labels"]
    names = ["only likes or only dislikes", "up to .9 bits", "balanced, above .9 bits"]
    assert found == (names, [0, 1, 1, 2, -1])
    assert list(kinds(of.with_columns(entropy=pl.lit(None, pl.Float64)), [5])) == [
        "interactions of the user"
    ]


def test_groups_of_people_stand_in_the_order_of_their_numbers() -> None:
    ages = ["30", "25 to 34", "under 30", "unknown", "1", "0", None, "30"]
    found = kinds(users(activity=[5] * 8, age=ages), [5])["age"]
    names = ["0", "unknown", "1", "under 30", "30", "25 to 34"]
    assert found == (names, [names.index(age) if age else -1 for age in ages])


def test_in_a_ranked_catalogue_an_item_beats_who_stands_below_it_and_half_of_who_is_tied() -> None:
    counts = torch.tensor([[1, 0]]), torch.tensor([[2, 1]])
    known = rank_predictions(
        torch.tensor([[0.5, 0.5]]), torch.ones(1, 2), torch.tensor([[True, False]]), like_at=0.5,
        ranks=counts, candidates=torch.tensor([5]),
    )  # fmt: skip
    found = subgroups.rightly_ordered(known)[0]
    assert found[0] == 0.625 and found[1].isnan()  # 2 below and 1 tied with it, of 4 others


def test_nobody_has_no_item_in_order() -> None:
    assert (
        subgroups.rightly_ordered(
            scored([[0.5]], [[1]]).take(np.array([], int)).predictions
        ).numel()
        == 0
    )


AFTER = scored([[0.9, 0.1], [0.2, 0.7], [0.5, None]], [[1, 0], [1, 0], [1, None]],
               values=np.array([[9, 1.0], [9, 0.5], [9, NAN]]))  # fmt: skip
BEFORE = scored([[0.5, 0.5], [0.9, 0.7], [0.5, None]], [[1, 0], [1, 0], [1, None]],
                values=np.array([[9, 0.25], [9, 0.5], [9, 0.0]]))  # fmt: skip
FACTS = SplitFacts(users(activity=[1, 2, 2], entropy=[0.5, 1.0, 1.0]), items([0, 7]))


def table(methods: Any, facts: SplitFacts | None = FACTS) -> list[dict[str, Any]]:
    return subgroups.rows(
        setting(scores=methods, column=1, bootstrap=Bootstrap(50), split_facts=facts)
    )


def test_a_group_has_its_level_and_what_it_gained_on_k_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subgroups, "FEWEST", 1)
    found = table({"m": {0: BEFORE, 1: AFTER, 2: AFTER}})
    assert [(row["kind"], row["bucket"], row["value"], row["gain"], row["n"]) for row in found] == [
        ("item popularity", "never rated", 0.5, -0.25, 2),  # right, wrong; from half and right
        ("item popularity", "tenth 6", 0.5, -0.25, 2),
        ("interactions of the user", "1", 1, 0.75, 1),
        ("interactions of the user", "2", 0.5, 0, 1),
        ("likes and dislikes among the labels", "up to .9 bits", 1, 0.75, 1),
        ("likes and dislikes among the labels", "balanced, above .9 bits", 0.5, 0, 1),
    ]
    assert {(row["method"], row["shots"]) for row in found} == {("m", 2)}
    assert set(found[0]) == set(subgroups.SCHEMA)
    first = found[0]
    assert (first["low"], first["high"]) == (0, 1)
    assert (first["gain_low"], first["gain_high"]) == (-1, 0.5)


def test_the_most_popular_tenth_has_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty items: the two that are asked for are in the ninth and the tenth tenth."""
    monkeypatch.setattr(subgroups, "FEWEST", 1)
    twenty = SplitFacts(users(activity=[1]), items([*range(20, 0, -1)]))
    met = scored([[0.9, 0.1]], [[1, 0]], items=np.array([[0, 2]]), values=np.array([[9, 1.0]]))
    buckets = [row["bucket"] for row in table({"m": {0: met, 2: met}}, twenty)]
    assert buckets[:2] == ["tenth 9", "tenth 10"]


def test_a_method_without_k_0_has_gained_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subgroups, "FEWEST", 2)
    found = table({"m": {2: AFTER}})
    assert [(row["bucket"], row["value"], row["gain"]) for row in found] == [
        ("never rated", 0.5, 0), ("tenth 6", 0.5, 0)
    ]  # fmt: skip


def test_without_groups_or_facts_there_are_no_rows() -> None:
    assert table({"m": {2: AFTER}}) == []
    assert table({"m": {2: AFTER}}, None) == []


def test_a_users_mean_is_over_the_chosen_items_that_have_a_value() -> None:
    values = np.array([[0.5, NAN, 1.0], [0.25, 0.5, 0.75], [NAN, 1.0, 1.0]])
    chosen = np.array([[True, True, False], [True, True, True], [True, False, False]])
    assert subgroups._row_means(values, chosen) == pytest.approx([0.5, 0.5, NAN], nan_ok=True)
