"""Warm users drawn anew: balanced or evened out, in order, and nobody else is touched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldbench import registry
from coldbench.augment.resampling import balanced
from coldbench.episode import Episodes, Users
from coldbench.errors import UserError
from coldbench.interactions import Interactions
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import split

N_ITEMS = 50


def users_of(labels: list[list[float]], *, timed: bool = True) -> Users:
    """A user a list; items and times rise within each."""
    counts = np.array([len(history) for history in labels], np.int64)
    flat = np.array([label for history in labels for label in history], np.float32)
    items = np.array([n for history in labels for n in range(len(history))], np.int32)
    times = 100 + items.astype(np.int64) if timed else None
    offsets = np.concatenate([[0], np.cumsum(counts)])
    log = Interactions(offsets, items, 1 + 4 * flat, times, N_ITEMS)
    return Users(log, flat, 7 + np.arange(len(labels)))


def rows_of(users: Users) -> list[tuple[int, list[tuple[float, ...]]]]:
    """Each user's number and rows: item, label, rating, time."""
    log = users.log
    times = np.zeros(len(log)) if log.times is None else log.times
    table = np.stack([log.items, users.labels, log.ratings, times], 1)
    assert log.offsets[0] == 0 and log.offsets[-1] == len(log) == len(users.labels)
    stretches = np.split(table, log.offsets[1:-1]) if log.n_users else []
    history = [[tuple(row) for row in stretch.tolist()] for stretch in stretches]
    return list(zip(users.ids.tolist(), history, strict=True))


histories = st.lists(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), max_size=12), max_size=6
)
MIXED = users_of([[1, 0, 1, 1, 0, 1, 1, 0.75], [0, 0.5, 1, 0.25], [1, 1], [], [0, 1]])


@settings(max_examples=200, deadline=None)
@given(histories, st.integers(0, 9), st.booleans())
def test_every_balanced_user_has_likes_and_dislikes_alike_and_all_of_the_rarer_in_order(
    labels: list[list[float]], seed: int, timed: bool
) -> None:
    likes = [sum(label > 0.5 for label in history) for history in labels]
    both = {7 + n for n, history in enumerate(labels) if 0 < likes[n] < len(history)}
    before = users_of(labels, timed=timed)
    if not both:
        with pytest.raises(UserError, match="nothing to balance") as caught:
            balanced(before, seed)
        assert "\n" not in str(caught.value)
        return
    after = balanced(before, seed)
    assert set(after.ids.tolist()) == both
    was = dict(rows_of(before))
    for number, rows in rows_of(after):
        liked = [row for row in rows if row[1] > 0.5]
        others = [row for row in was[number] if row[1] > 0.5]
        rarer = min(len(others), len(was[number]) - len(others))
        assert len(liked) == len(rows) - len(liked) == rarer
        assert set(rows) <= set(was[number])
        assert rows == sorted(rows)  # by item, which rises with time


def test_every_row_of_the_more_frequent_kind_stays_equally_often() -> None:
    before = users_of([[1, 1, 0, 1, 1]])
    kept = np.zeros(5)
    for seed in range(400):
        kept[balanced(before, seed).log.items] += 1
    assert kept[2] == 400
    assert np.abs(kept[[0, 1, 3, 4]] - 100).max() < 35  # four standard deviations


def test_what_counts_as_a_like_can_be_said() -> None:
    labels = [0.25, 0.75, 1.0, 0.9]
    before = users_of([labels])
    assert balanced(before, 0, like_above=0.8).labels.tolist() == pytest.approx(labels)
    assert len(balanced(before, 0).labels) == 2


def test_the_same_seed_draws_the_same_and_another_seed_otherwise() -> None:
    assert rows_of(balanced(MIXED, 1)) == rows_of(balanced(MIXED, 1))
    assert len({str(rows_of(balanced(MIXED, seed))) for seed in range(8)}) > 1


def test_cold_and_valid_users_and_the_warm_ones_given_are_left_as_they_were() -> None:
    dataset = registry.find("datasets", "synthetic")(n_users=60, n_items=60, per_user=30)
    log, _ = dataset.load()
    cut = split(log, dataset.labels(log.ratings, "rating"), Protocol.of("user-cold"), Seeds.of(0))

    def content(users: Users) -> tuple[object, ...]:
        return users.log.hash(), users.labels.tobytes(), users.ids.tobytes()

    def all_of(cold: Episodes) -> tuple[object, ...]:
        return *content(cold.users), cold.support.tobytes(), cold.query.tobytes()

    before = content(cut.warm), all_of(cut.valid), all_of(cut.cold)
    evaluated = {*cut.cold.users.ids.tolist(), *cut.valid.users.ids.tolist()}
    after = balanced(cut.warm, 0)
    assert not evaluated & set(after.ids.tolist())
    for column in (after.log.items, after.log.ratings, after.labels, after.ids):
        column[:] = 0
    assert (content(cut.warm), all_of(cut.valid), all_of(cut.cold)) == before


def test_no_episode_of_resampled_users_asks_for_an_item_of_its_support() -> None:
    for batch in balanced(MIXED, 0).sample(20, 8, shots=(1, 2, 4), query=3, seed=0):
        seen = batch.support.items[:, :, None] == batch.query.items[:, None]
        assert not (seen & batch.support.mask[:, :, None] & batch.query.mask[:, None]).any()


def test_a_log_of_likes_alone_is_balanced_already() -> None:
    log = Interactions.from_rows(np.array([0, 0]), np.array([1, 2]), np.ones(2), None, 3)
    paired = Users(log, np.array([1, 0], np.float32), np.array([0]), negatives_per_positive=1)
    assert balanced(paired, 0) is paired
