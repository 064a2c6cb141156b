"""A rating log as compressed rows: order, duplicates, hashes."""

from importlib import import_module
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldbench.interactions import Catalogue, Interactions

interactions: Any = import_module("coldbench.interactions")


def log_of(rows: list[tuple[int, int, float, int]], n_items: int = 10) -> Interactions:
    users, items, ratings, times = (np.array(column) for column in zip(*rows, strict=True))
    return Interactions.from_rows(users, items, ratings, times, n_items)


def test_rows_are_sorted_by_user_then_time_and_ties_keep_their_order() -> None:
    log = log_of([(1, 3, 5.0, 7), (0, 2, 1.0, 9), (1, 4, 2.0, 3), (0, 5, 3.0, 9), (0, 1, 4.0, 9)])
    assert log.offsets.tolist() == [0, 3, 5]
    assert log.items.tolist() == [2, 5, 1, 4, 3]
    assert log.ratings.tolist() == [1.0, 3.0, 4.0, 2.0, 5.0]


def test_of_duplicates_the_last_in_time_stays_and_the_others_are_counted() -> None:
    log = log_of([(0, 1, 5.0, 20), (0, 1, 2.0, 10), (0, 3, 4.0, 15), (0, 1, 3.0, 20)])
    assert log.items.tolist() == [3, 1]
    assert log.ratings.tolist() == [4.0, 3.0]  # of two at the same time, the later in the file
    assert log.duplicates == 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), st.integers(0, 6), st.sampled_from([1.0, 2.0]), st.integers(0, 5)
        ),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from([1, 7, 1000, 10**6, 3 * 10**18]),  # the last: no key can hold them
    st.sampled_from([1, 5, 20, 1000]),
    st.sampled_from([10, 2**60]),  # the last: no key holds a user, an item and a place
    st.booleans(),
)
def test_any_log_comes_out_as_a_plain_loop_makes_it(
    rows: list[tuple[int, int, float, int]],
    apart: int,
    at_a_time: int,
    n_items: int,
    grouped: bool,
) -> None:
    rows = sorted(rows, key=lambda row: row[0]) if grouped else rows
    rows = [(user, item, rating, time // 3 * apart + time % 3) for user, item, rating, time in rows]
    expected = []
    for user in range(max(row[0] for row in rows) + 1):
        history = sorted((row for row in rows if row[0] == user), key=lambda row: row[3])
        last = {row[1]: number for number, row in enumerate(history)}
        expected += [history[number] for number in sorted(last.values())]
    with patch.object(interactions, "LEAST", at_a_time):
        log = log_of(rows, n_items)
    assert log.duplicates == len(rows) - len(expected)
    assert log.times is not None
    columns = zip(log.users, log.items, log.ratings, log.times, strict=True)
    assert [tuple(map(float, row)) for row in columns] == [tuple(map(float, r)) for r in expected]


@pytest.mark.parametrize(
    ("counts", "least", "stretches"),
    [
        ([2, 2, 2], 4, [(0, 2), (2, 3)]),
        ([2, 2, 2], 3, [(0, 1), (1, 2), (2, 3)]),
        ([9, 0, 1], 4, [(0, 1), (1, 3)]),  # one user has more
        ([0, 0], 1, [(0, 2)]),
        ([], 1, []),
        ([1] * 64, 1, [(user, user + 2) for user in range(0, 64, 2)]),  # a thirty-second
        ([1] * 63, 1, [(user, user + 1) for user in range(63)]),
    ],
)
def test_users_are_sorted_in_stretches_of_few_rows(
    counts: list[int], least: int, stretches: list[tuple[int, int]]
) -> None:
    with patch.object(interactions, "LEAST", least):
        most = interactions._most_sorted(sum(counts))
    assert [*interactions.stretches(np.cumsum([0, *counts]), most)] == stretches


def test_times_too_far_apart_for_one_key_are_in_order_to_the_last_microsecond() -> None:
    far = 3 * 10**18
    rows = [(user, item, 1.0, time) for user in (1, 0) for item, time in enumerate((2, 1, far, 0))]
    log = log_of(rows)
    assert log.times is not None and log.times.tolist() == [0, 1, 2, far] * 2
    assert log.items.tolist() == [3, 1, 0, 2] * 2


@pytest.mark.parametrize("most", [1, 2**61 - 1, 2**61])  # beside a place of two bits: to 63, 64
def test_equal_numbers_keep_their_order_however_large(most: int) -> None:
    order, numbers = interactions._stably(np.array([most, 0, most]))
    assert order.tolist() == [1, 0, 2]
    assert numbers.tolist() == [0, most, most]


def test_a_user_without_rows_has_an_empty_stretch() -> None:
    log = log_of([(0, 1, 1.0, 1), (2, 1, 1.0, 1)])
    assert log.counts.tolist() == [1, 0, 1]
    assert log.users.tolist() == [0, 2]


def test_a_log_without_times_keeps_the_order_of_the_file() -> None:
    users, items = np.array([1, 0, 1]), np.array([4, 3, 2])
    log = Interactions.from_rows(users, items, np.ones(3), None, 5)
    assert log.times is None
    assert log.items.tolist() == [3, 4, 2]


@pytest.mark.parametrize("change", ["items", "ratings", "times"])
def test_the_hash_tells_any_change(change: str) -> None:
    rows = {"users": np.array([0, 1]), "items": np.array([1, 2]), "ratings": np.array([1.0, 2.0])}
    rows["times"] = np.array([5, 6])
    other = rows | {change: rows[change] + 1}
    first, again, changed = (
        Interactions.from_rows(**columns, n_items=9).hash() for columns in (rows, rows, other)
    )
    assert first == again != changed


def test_a_catalogue_of_unequal_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="one id, one text"):
        Catalogue(("1", "2"), ("a",), ((), ()))
