"""The leak audit on a split small enough to check by eye: each fact, whole and broken once."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from coldbench.episode import Episodes, Users
from coldbench.interactions import Interactions
from coldbench.protocol import Protocol
from coldbench.splits.leakage import leaks
from coldbench.splits.split import Split


def users(
    ids: list[int], items: list[list[int]], times: list[int] | None = None, unseen: int = 0
) -> Users:
    """The users' items, of ten that there are."""
    flat = np.concatenate([np.array(row, np.int32) for row in items])
    offsets = np.cumsum([0, *map(len, items)]).astype(np.int64)
    when = None if times is None else np.array(times, np.int64)
    ones = np.ones(len(flat), np.float32)
    return Users(Interactions(offsets, flat, ones, when, 10), ones, np.array(ids), unseen)


def met(who: Users, support: list[list[int]], query: list[list[int]]) -> Episodes:
    shape = len(support), -1
    rows = (np.array(x, np.int64).reshape(shape) if x[0] else np.zeros((len(x), 0), np.int64)
            for x in (support, query))  # fmt: skip
    return Episodes(who, np.arange(len(support)), *rows)


COLD = met(
    users([1, 2], [[3, 4, 0, 5, 6], [7, 8, 9, 1, 2]]),
    [[0, 1], [-1, 6]],  # items 3 and 4; 8
    [[2, 3, 4], [7, 8, -1]],  # items 0, 5 and 6; 9 and 1
)
SPLIT = Split(
    warm=users([3, 4], [[0, 1, 9], [5]]),
    valid=met(users([5], [[9, 8]]), [[0]], [[1]]),
    cold=COLD,
    candidates=np.arange(10),
    too_short=0,
)


def audited(cut: Split, /, **changes: Any) -> dict[str, tuple[int, int]]:
    protocol = Protocol.of("user-cold", {"shots": [0, 2], "query": 3} | changes)
    return {check.claim: (check.n, check.violations) for check in leaks(cut, protocol)}


def test_every_fact_says_on_how_many_it_was_looked_for() -> None:
    assert audited(SPLIT) == {
        "valid users were not learnt from": (1, 0),
        "judged users were not learnt from": (2, 0),
        "judged users are no valid users": (2, 0),
        "no answer to a query was learnt from": (5, 0),
        "no item is both given and asked for": (3, 0),  # both lists of the second are padded
        "every judged user has 2 labels to give": (2, 1),
        "every judged user is asked for 3 items": (2, 1),
    }


@pytest.mark.parametrize(
    ("items", "unseen", "broken"),
    [([0], 0, 1), ([5], 0, 1), ([3], 0, 0), ([9], 0, 0), ([0, 3], 1, 1), ([3, 0], 1, 0)],
)
def test_one_answer_that_was_learnt_is_found_and_drawn_unseen_items_are_none(
    items: list[int], unseen: int, broken: int
) -> None:
    facts = audited(replace(SPLIT, warm=users([0, 1], [[7] * (1 + unseen), items], unseen=unseen)))
    assert facts["no answer to a query was learnt from"] == (5, broken)
    assert facts["judged users were not learnt from"] == (2, 1)


def test_a_valid_user_who_was_learnt_from_or_is_judged_is_found() -> None:
    valid = met(users([3], [[9, 8]]), [[0]], [[1]])
    assert audited(replace(SPLIT, valid=valid))["valid users were not learnt from"] == (1, 1)
    valid = met(users([2], [[9, 8]]), [[0]], [[1]])
    assert audited(replace(SPLIT, valid=valid))["judged users are no valid users"] == (2, 1)
    known = audited(replace(SPLIT, valid=valid), cold="nothing")
    assert "judged users are no valid users" not in known
    assert "judged users were not learnt from" not in known


@pytest.mark.parametrize(("row", "item"), [(0, 0), (1, 6)])
def test_an_item_that_is_given_and_asked_for_is_found(row: int, item: int) -> None:
    items = [3, 4, 0, 5, 6]
    items[row] = item
    cold = replace(COLD, users=users([1, 2], [items, [7, 8, 9, 1, 2]]))
    assert audited(replace(SPLIT, cold=cold))["no item is both given and asked for"] == (3, 1)


def test_a_cold_item_may_be_neither_learnt_from_nor_chosen_by() -> None:
    says = "no cold item was learnt from or chosen by"
    warm, last = users([3], [[1, 2]]), met(users([5], [[7, 8]]), [[-1]], [[1]])
    split = replace(SPLIT, warm=warm, valid=last, candidates=np.array([0, 7, 9]))
    assert audited(split, cold="item")[says] == (3, 0)  # the 7 is in no row that is met
    assert audited(replace(split, warm=users([3], [[1, 0]])), cold="both")[says] == (3, 1)
    drawn = users([3], [[1, 0]], unseen=1)  # a like, and what was drawn beside it
    assert audited(replace(split, warm=drawn), cold="item")[says] == (3, 1)
    first = met(users([5], [[7, 8]]), [[0]], [[1]])
    assert audited(replace(split, valid=first), cold="item")[says] == (3, 1)
    assert says not in audited(split, cold="user")


def test_popular_unseen_items_are_asked_for_beside_each_like() -> None:
    facts = audited(SPLIT, query=1, unseen=2, candidates="popular")
    assert facts["every judged user is asked for 3 items"] == (2, 1)
    facts = audited(SPLIT, query=1, unseen=2)
    assert facts["every judged user is asked for 1 items"] == (2, 2)


def timed(warm: int, *, support: bool = True, **changes: Any) -> dict[str, tuple[int, int]]:
    """Labels at 10 and 20, the query at 30, 40 and 50; one warm row at `warm`."""
    cold = met(
        users([1], [[3, 4, 0, 5, 6]], [10, 20, 30, 40, 50]),
        [[0, 1] if support else []],
        [[2, 3, 4]],
    )
    return audited(replace(SPLIT, warm=users([3], [[9]], [warm]), cold=cold), **changes)


def test_a_row_at_the_first_querys_time_may_be_learnt_from_and_a_later_one_not() -> None:
    says = "nothing learnt from is younger than a query"
    assert timed(30, split="time")[says] == (1, 0)
    assert timed(31, split="time")[says] == (1, 1)
    assert says not in timed(31)


def test_time_is_looked_at_only_where_there_is_an_order_in_it() -> None:
    says = "no label was given after what is asked"
    assert timed(0)[says] == (1, 0)
    assert says not in timed(0, order="random")
    assert says not in timed(0, support=False, shots=[0])
    log = replace(SPLIT.warm.log, times=np.arange(4))
    assert says not in audited(replace(SPLIT, warm=replace(SPLIT.warm, log=log)))


def test_a_query_that_begins_with_the_logs_first_row_is_whole() -> None:
    cold = met(users([1], [[0, 5, 6]]), [[]], [[0, 1, 2]])
    facts = audited(replace(SPLIT, cold=cold), shots=[0])
    assert facts["every judged user is asked for 3 items"] == (1, 0)
    assert facts["every judged user has 0 labels to give"] == (1, 0)


@pytest.mark.parametrize(("given", "exact", "pool"), [(1, 1, 1), (2, 0, 0), (3, 1, 0)])
def test_a_pool_may_hold_more_labels_than_are_asked_for_and_no_fewer(
    given: int, exact: int, pool: int
) -> None:
    cold = met(users([1], [[3, 4, 9, 0, 5, 6]]), [[*range(given)]], [[3, 4, 5]])
    cut, says = replace(SPLIT, cold=cold), "every judged user has 2 labels to give"
    assert audited(cut)[says] == (1, exact)
    assert audited(cut, order="random", asker="random")[says] == (1, pool)


def test_a_cold_item_in_a_longer_query_of_a_valid_user_is_found() -> None:
    says = "no cold item was learnt from or chosen by"
    valid = met(users([5], [[7, 8, 6]]), [[0]], [[1, 2]])
    split = replace(SPLIT, warm=users([3], [[1, 2]]), valid=valid, candidates=np.array([0, 6]))
    assert audited(split, cold="item")[says] == (2, 1)
