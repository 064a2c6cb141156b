"""Protocols and episodes: who is cold, what is seen, what is asked, and that nothing leaks."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from coldbench import registry
from coldbench.episode import Episodes, Users
from coldbench.errors import UserError
from coldbench.interactions import SECOND, Interactions
from coldbench.protocol import PRESETS, Protocol
from coldbench.seeds import Seeds
from coldbench.split import Split, split

SHOTS = [0, 1, 2, 4, 8]
TIMED = [name for name in PRESETS if not Protocol.of(name).asks]  # others are shuffled


def made(n_users: int = 80, seed: int = 0) -> tuple[Interactions, np.ndarray]:
    """A log with users of 5 to 60 interactions who come one after another."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(n_users), rng.integers(5, 60, n_users))
    items = np.concatenate([rng.permutation(100)[:n] for n in np.bincount(users)])
    times = 1_000 * users + rng.integers(0, 5_000, len(users))
    log = Interactions.from_rows(
        users, items, rng.integers(1, 6, len(users)).astype(float), times, 100
    )
    return log, ((log.ratings - 1) / 4).astype(np.float32)


def cut(name: str, seed: int = 0, **changes: object) -> tuple[Interactions, Split]:
    log, labels = made()
    return log, split(log, labels, Protocol.of(name, {"shots": SHOTS} | changes), Seeds.of(seed))


def pairs(users: np.ndarray, items: np.ndarray) -> set[tuple[int, int]]:
    return set(zip(users.tolist(), items.tolist(), strict=True))


def asked_of(part: Split) -> set[tuple[int, int]]:
    return {
        (int(user), int(item))
        for batch in part.cold.batches(0)
        for user, row in zip(batch.users, batch.query.items, strict=True)
        for item in row
    }


def test_the_strips_are_those_a_loop_over_users_finds() -> None:
    log, part = cut("user-cold")
    for batch in part.cold.batches(8):
        for user, support, query in zip(
            batch.users, batch.support.items, batch.query.items, strict=True
        ):
            own = log.items[log.offsets[user] : log.offsets[user + 1]]
            assert support.tolist() == own[:8].tolist()
            assert query.tolist() == own[8:18].tolist()
    judged = {int(u) for batch in part.cold.batches(0) for u in batch.users}
    assert part.too_short + len(judged) == int(0.2 * log.n_users)


@pytest.mark.parametrize(
    ("order", "name"), [*product(["time"], TIMED), *product(["random"], PRESETS)]
)
def test_shots_are_nested_and_the_query_stays(name: str, order: str) -> None:
    _, part = cut(name, order=order)
    batches = {k: next(part.cold.batches(k, 1000)) for k in SHOTS}
    for k, batch in batches.items():
        assert batch.support.items.shape[1] == k
        assert bool(batch.support.mask.all())
        assert torch.equal(batch.query.items, batches[0].query.items)
        assert torch.equal(batch.support.items, batches[8].support.items[:, 8 - k :])


@pytest.mark.parametrize("name", PRESETS)
def test_support_and_query_share_no_item(name: str) -> None:
    _, part = cut(name)
    batch = next(part.cold.batches(8, 1000))
    same = batch.support.items[:, :, None] == batch.query.items[:, None, :]
    assert not bool(same.any())


@pytest.mark.parametrize("name", TIMED)
def test_the_support_lies_before_the_query_in_time(name: str) -> None:
    _, part = cut(name)
    batch = next(part.cold.batches(8, 1000))
    assert bool((batch.support.ages >= 0).all())
    assert bool((batch.query.ages <= 0).all())


def test_an_age_is_days_before_the_query_began() -> None:
    days = np.array([0.0, 1.5, 3.0, 3.25])
    times = (days * 86_400 * SECOND).astype(np.int64)
    log = Interactions.from_rows(np.zeros(4, int), np.arange(4), np.ones(4), times, 4)
    users = Users(log, log.ratings, np.zeros(1, int))
    episodes = Episodes(users, np.zeros(1, int), np.array([[0, 1]]), np.array([[2, 3]]))
    (batch,) = episodes.batches(2)
    assert batch.support.ages.tolist() == [[3.0, 1.5]]
    assert batch.query.ages.tolist() == [[0.0, -0.25]]


@pytest.mark.parametrize(
    ("name", "how"),
    [*((name, "random") for name in PRESETS), ("user-cold", "time")],
)
def test_no_judged_interaction_is_in_the_warm_log(name: str, how: str) -> None:
    shots = [0, 1] if how == "time" else SHOTS
    _, part = cut(name, split=how, shots=shots, query=4)
    warm = pairs(part.warm.ids[part.warm.log.users], part.warm.log.items)
    assert not warm & asked_of(part)


@pytest.mark.parametrize("name", ["user-cold", "both-cold"])
def test_warm_valid_and_cold_users_are_disjoint(name: str) -> None:
    _, part = cut(name)
    groups = [
        set(part.warm.ids),
        set(part.valid.users.ids[part.valid.user_index]),
        set(part.cold.users.ids[part.cold.user_index]),
    ]
    assert sum(map(len, groups)) == len(set.union(*groups))
    assert all(groups)


@pytest.mark.parametrize("name", ["item-cold", "both-cold"])
def test_nobody_warm_has_rated_a_cold_item(name: str) -> None:
    _, part = cut(name)
    assert not set(part.warm.log.items) & set(part.candidates)
    assert {item for _, item in asked_of(part)} <= set(part.candidates.tolist())


def test_under_a_time_split_nothing_warm_lies_after_the_cut() -> None:
    log, part = cut("user-cold", split="time")
    assert part.warm.log.times is not None and part.cold.users.log.times is not None
    assert part.warm.log.times.max() < part.cold.users.log.times.min()
    first = np.minimum.reduceat(log.times, log.offsets[:-1])  # type: ignore[arg-type]
    judged = part.cold.users.ids[part.cold.user_index]
    assert part.warm.log.times.max() < first[judged].min()


def test_another_split_seed_judges_others_and_the_same_seed_the_same() -> None:
    _, one = cut("user-cold", seed=0)
    _, again = cut("user-cold", seed=0)
    _, other = cut("user-cold", seed=1)
    assert one.cold.users.ids.tolist() == again.cold.users.ids.tolist()
    assert one.cold.users.ids.tolist() != other.cold.users.ids.tolist()


def test_each_seed_moves_its_own_axis_alone() -> None:
    log, labels = made()
    protocol = Protocol.of("user-cold", {"order": "random", "shots": SHOTS})
    base = split(log, labels, protocol, Seeds())
    drawn = split(log, labels, protocol, replace(Seeds(), draw=1))
    users = base.cold.users.ids.tolist()
    assert drawn.cold.users.ids.tolist() == users
    assert asked_of(drawn) != asked_of(base)
    order = split(log, labels, protocol, replace(Seeds(), init=1, order=1))
    assert asked_of(order) == asked_of(base)


def test_labels_follow_their_rows() -> None:
    log, labels = made()
    part = split(
        log, labels, Protocol.of("user-cold", {"order": "random"} | {"shots": SHOTS}), Seeds()
    )
    truth = {
        (u, i): y for u, i, y in zip(log.users.tolist(), log.items.tolist(), labels, strict=True)
    }
    for batch in part.cold.batches(8):
        for user, items, given in zip(
            batch.users.tolist(), batch.query.items.tolist(), batch.query.labels, strict=True
        ):
            assert [truth[user, item] for item in items] == given.tolist()


def test_users_with_too_few_interactions_are_dropped_and_counted() -> None:
    log, labels = made()
    part = split(log, labels, Protocol.of("user-cold", {"shots": [0, 30]}), Seeds.of(0))
    assert part.too_short > 0
    assert len(part.cold) + part.too_short == int(0.2 * log.n_users)


def test_a_protocol_nobody_can_serve_says_what_to_lower() -> None:
    log, labels = made()
    with pytest.raises(UserError, match=r"the largest K is 49 .*protocol\.shots=\[0,49\]"):
        split(log, labels, Protocol.of("user-cold", {"shots": [0, 200]}), Seeds.of(0))


def test_sampled_episodes_are_stretches_of_a_warm_user() -> None:
    log, part = cut("user-cold")
    for batch in part.warm.sample(20, 16, shots=SHOTS, query=10, seed=0):
        k = batch.support.items.shape[1]
        assert k in SHOTS
        for row in range(16):
            user = int(batch.users[row])
            own = log.items[log.offsets[user] : log.offsets[user + 1]].tolist()
            seen = batch.support.items[row][batch.support.mask[row]].tolist()
            asked = batch.query.items[row][batch.query.mask[row]].tolist()
            assert asked, "a query is never empty"
            at = own.index((seen + asked)[0])
            assert own[at : at + len(seen) + len(asked)] == seen + asked


def test_sampling_repeats_with_its_seed() -> None:
    _, part = cut("user-cold")
    first, again, other = (
        torch.cat([b.users for b in part.warm.sample(5, 8, shots=SHOTS, query=10, seed=seed)])
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shots": [4, 2]}, "must rise"),
        ({"query": 0}, "1 or more"),
        ({"cold_users": 0.95}, "no warm user"),
        ({"labels": "stars"}, "one of"),
        ({"shot": [0]}, "did you mean 'shots'"),
        ({"query": "20"}, "query must be a number, not '20'"),
        ({"shots": ["0", 4]}, "must be whole numbers"),
        ({"cold_users": True}, "cold_users must be a number"),
    ],
)
def test_a_wrong_protocol_field_is_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Protocol.of("user-cold", changes)


def test_a_time_split_of_a_log_without_times_is_refused() -> None:
    protocol = Protocol.of("user-cold", {"split": "time"})
    with pytest.raises(UserError, match="needs a log with times"):
        protocol.suited_to(timed=False, explicit=True)


def test_the_labels_of_likes_are_zero_and_one() -> None:
    dataset = registry.find("datasets", "synthetic")()
    ratings = np.array([1, 3, 4, 5], np.float32)
    assert dataset.labels(ratings, "like").tolist() == [0, 0, 1, 1]
    assert dataset.labels(ratings, "rating").tolist() == [0, 0.5, 0.75, 1]
