"""Positive-only logs: unseen items to learn from, and likes only in a support."""

import numpy as np
import pytest
import torch

from coldbench.episode import Users
from coldbench.errors import UserError
from coldbench.interactions import Interactions
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.negatives import NegativeSampler, with_negatives
from coldbench.splits.split import Split, split

N_USERS, N_ITEMS, EACH = 60, 50, 16


def likes(seed: int = 0, *, timed: bool = True) -> Interactions:
    """60 users who like 16 of 50 items each; the first ten items are liked twice as often."""
    rng = np.random.default_rng(seed)
    odds = np.where(np.arange(N_ITEMS) < 10, 2.0, 1.0)
    rows = [rng.choice(N_ITEMS, EACH, replace=False, p=odds / odds.sum()) for _ in range(N_USERS)]
    users = np.repeat(np.arange(N_USERS), EACH)
    times = rng.integers(0, 10**6, len(users)) if timed else None
    return Interactions.from_rows(users, np.concatenate(rows), np.ones(len(users)), times, N_ITEMS)


def cut(cold: str = "user-cold", **changes: object) -> tuple[Interactions, Split]:
    log = likes()
    asked = {"shots": [0, 2, 4], "query": 4, "candidates": "all"} | changes
    protocol = Protocol.of(cold, asked).suited_to(timed=True, explicit=False)
    ones = np.ones(len(log), np.float32)
    return log, split(log, ones, protocol, Seeds.of(3), explicit=False)


def liked_by(log: Interactions, user: int) -> set[int]:
    return set(log.items[log.offsets[user] : log.offsets[user + 1]].tolist())


@pytest.mark.parametrize("preset", ["user-cold", "item-cold", "both-cold", "warm"])
def test_half_of_what_is_learnt_from_is_unseen(preset: str) -> None:
    _, part = cut(preset, shots=[0, 1, 2], query=2)
    labels = part.warm.labels.reshape(-1, 2)
    assert (labels == [1, 0]).all()
    assert len(part.warm.log) == 2 * part.warm.item_counts().sum()


def test_an_unseen_item_of_a_new_user_protocol_is_one_the_user_never_liked() -> None:
    log, part = cut()
    for at, user in enumerate(part.warm.ids):
        rows = slice(part.warm.log.offsets[at], part.warm.log.offsets[at + 1])
        items, labels = part.warm.log.items[rows], part.warm.labels[rows]
        assert set(items[labels == 1].tolist()) == liked_by(log, user)
        assert not set(items[labels == 0].tolist()) & liked_by(log, user)


def test_what_a_known_user_is_judged_on_may_be_drawn_as_unseen() -> None:
    """If it never were, its absence would tell a method what it is asked for."""
    _, part = cut("warm", shots=[0, 1, 2], query=4)
    asked = {
        (int(user), int(item))
        for batch in part.cold.batches(2)
        for user, items in zip(batch.users, batch.query.items, strict=True)
        for item in items
    }
    warm, rows = part.warm, part.warm.labels == 0
    drawn = set(
        zip(warm.ids[warm.log.users[rows]].tolist(), warm.log.items[rows].tolist(), strict=True)
    )
    assert asked & drawn


@pytest.mark.parametrize("preset", ["item-cold", "both-cold"])
def test_no_cold_item_is_drawn_for_training(preset: str) -> None:
    _, part = cut(preset, shots=[0, 1, 2], query=2)
    for users in (part.warm, part.valid.users):
        assert not np.isin(users.log.items, part.candidates).any()


def test_a_support_holds_likes_alone_in_training_choosing_and_judging() -> None:
    _, part = cut()
    batches = [
        *part.warm.sample(5, 8, shots=[3], query=8, seed=0),
        *part.valid.batches(4),
        *part.cold.batches(4),
    ]
    for batch in batches:
        assert (batch.support.labels[batch.support.mask] == 1).all()
        assert batch.support.mask.any()


def test_a_training_query_asks_for_likes_and_unseen_items_alike() -> None:
    _, part = cut()
    for batch in [*part.warm.sample(5, 8, shots=[2], query=8, seed=0), *part.valid.batches(2)]:
        assert batch.query.items.shape[1] == 8
        assert batch.query.labels[batch.query.mask].mean() == 0.5
        for given, asked, mask in zip(
            batch.support.items, batch.query.items, batch.query.mask, strict=True
        ):
            assert not set(given[: int(mask.sum())].tolist()) & set(asked[mask].tolist())


def test_the_judged_query_of_a_full_ranking_is_likes_and_nothing_else() -> None:
    _, part = cut()
    for batch in part.cold.batches(4):
        assert batch.query.labels.shape[1] == 4 and (batch.query.labels == 1).all()


def test_each_like_among_popular_candidates_stands_beside_unseen_items() -> None:
    log, part = cut(candidates="popular", unseen=2)
    for batch in part.cold.batches(4):
        assert batch.query.items.shape[1] == 4 * 3
        for user, items, labels in zip(
            batch.users.tolist(), batch.query.items, batch.query.labels, strict=True
        ):
            assert labels.view(4, 3).tolist() == [[1.0, 0.0, 0.0]] * 4
            unseen = items[labels == 0].tolist()
            assert not set(unseen) & liked_by(log, user)


def test_popular_candidates_are_the_same_for_every_k_and_seed_of_a_method() -> None:
    _, part = cut(candidates="popular", unseen=5)
    asked = [torch.cat([b.query.items for b in part.cold.batches(k)]) for k in (0, 4)]
    assert torch.equal(*asked)


def test_a_user_who_has_seen_nearly_everything_gets_what_is_left_and_else_a_clear_error() -> None:
    log = Interactions.from_rows(
        np.zeros(999, int), np.arange(999), np.ones(999), None, n_items=2000
    )
    users = Users(log, np.ones(999, np.float32), np.array([7]))
    pool = np.arange(1998)
    drawn = with_negatives(users, NegativeSampler.of(users, pool), 1, seed=0)
    assert sorted(drawn.log.items[drawn.labels == 0]) == list(range(999, 1998))
    with pytest.raises(UserError, match="user 7 leaves 0 of 999 items unseen, and 999 are to be"):
        with_negatives(users, NegativeSampler.of(users, pool[:999]), 1, seed=0)


def test_the_order_of_a_log_without_times_is_kept_where_its_rows_are_in_order() -> None:
    protocol = Protocol.of("user-cold")
    assert protocol.suited_to(timed=False, explicit=False, ordered=True).order == "time"
    assert protocol.suited_to(timed=False, explicit=False).order == "random"


@pytest.mark.parametrize("candidates", ["all", "popular"])
def test_no_item_is_drawn_twice_for_one_user(candidates: str) -> None:
    _, part = cut(candidates=candidates, unseen=6)
    for users in (part.warm, part.valid.users, part.cold.users):
        pairs = users.ids[users.log.users] * N_ITEMS + users.log.items
        assert len(np.unique(pairs)) == len(pairs)


def test_items_are_drawn_by_their_weights() -> None:
    empty = likes().rows(np.zeros(N_USERS * EACH, bool))
    nobody = Users(empty, np.zeros(0, np.float32), np.arange(N_USERS))
    weights = np.where(np.arange(N_ITEMS) < 10, 8, 1)
    unseen = NegativeSampler.of(nobody, np.arange(N_ITEMS), weights)
    drawn = unseen.draw(np.arange(20_000), np.random.default_rng(0))
    assert abs((drawn < 10).mean() - 80 / 120) < 0.02
