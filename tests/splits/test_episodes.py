"""Protocols and episodes: who is cold, what is seen, what is asked, and that nothing leaks."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from coldbench import registry
from coldbench.episode import Episodes, Users
from coldbench.errors import UserError
from coldbench.interactions import SECOND, Interactions
from coldbench.protocol import PRESETS, Protocol
from coldbench.seeds import Seeds
from coldbench.splits.leakage import leaks
from coldbench.splits.split import Split, split

SHOTS = [0, 1, 2, 4, 8]
TIMED = [name for name in PRESETS if not Protocol.of(name).asks]  # others are shuffled


def toy_log(n_users: int = 80, seed: int = 0) -> tuple[Interactions, np.ndarray]:
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
    log, labels = toy_log()
    return log, split(log, labels, Protocol.of(name, {"shots": SHOTS} | changes), Seeds.of(seed))


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
            history = log.items[log.offsets[user] : log.offsets[user + 1]]
            assert support.tolist() == history[:8].tolist()
            assert query.tolist() == history[8:18].tolist()
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


def test_an_age_is_days_before_the_query_began() -> None:
    days = np.array([0.0, 1.5, 3.0, 3.25])
    times = (days * 86_400 * SECOND).astype(np.int64)
    log = Interactions.from_rows(np.zeros(4, int), np.arange(4), np.ones(4), times, 4)
    users = Users(log, log.ratings, np.zeros(1, int))
    episodes = Episodes(users, np.zeros(1, int), np.array([[0, 1]]), np.array([[2, 3]]))
    (batch,) = episodes.batches(2)
    assert batch.support.days_before_query.tolist() == [[3.0, 1.5]]
    assert batch.query.days_before_query.tolist() == [[0.0, -0.25]]


@pytest.mark.parametrize(
    ("name", "changes"),
    [*((name, {"order": order}) for name in PRESETS for order in ("time", "random")
       if order == "random" or name in TIMED),
     ("user-cold", {"split": "time", "shots": [0, 1], "query": 4})],
)  # fmt: skip
def test_no_claim_of_the_leak_audit_is_violated(name: str, changes: dict[str, Any]) -> None:
    """tests/splits/test_leaks.py shows that the audit sees each claim broken."""
    protocol = Protocol.of(name, {"shots": SHOTS} | changes)
    checks = {check.claim: check for check in leaks(cut(name, **changes)[1], protocol)}
    known = protocol.cold in ("item", "nothing")
    wanted = {
        "no answer to a query was learnt from": True,
        "no item is both given and asked for": True,
        "valid users were not learnt from": True,
        "judged users were not learnt from": not known,
        "judged users are no valid users": not known,
        "no cold item was learnt from or chosen by": protocol.cold in ("item", "both"),
        "no label was given after what is asked": protocol.order == "time",
        "nothing learnt from is younger than a query": protocol.split == "time",
    }
    assert {claim for claim, asked in wanted.items() if asked} <= checks.keys()
    assert not [check for check in checks.values() if check.violations or not check.n]


@pytest.mark.parametrize("name", ["item-cold", "both-cold"])
def test_only_cold_items_are_asked_for(name: str) -> None:
    _, part = cut(name)
    assert {item for _, item in asked_of(part)} <= set(part.candidates.tolist())


def test_under_a_time_split_nothing_warm_lies_after_the_cut() -> None:
    log, part = cut("user-cold", split="time")
    assert part.warm.log.times is not None and part.cold.users.log.times is not None
    assert part.warm.log.times.max() < part.cold.users.log.times.min()
    first = np.minimum.reduceat(log.times, log.offsets[:-1])  # type: ignore[arg-type]
    judged = part.cold.users.ids[part.cold.user_index]
    assert part.warm.log.times.max() < first[judged].min()


def test_another_split_seed_judges_others_and_the_same_seed_the_same() -> None:
    _, first = cut("user-cold", seed=0)
    _, again = cut("user-cold", seed=0)
    _, other = cut("user-cold", seed=1)
    assert first.cold.users.ids.tolist() == again.cold.users.ids.tolist()
    assert first.cold.users.ids.tolist() != other.cold.users.ids.tolist()


def test_each_seed_moves_its_own_axis_alone() -> None:
    log, labels = toy_log()
    protocol = Protocol.of("user-cold", {"order": "random", "shots": SHOTS})
    base = split(log, labels, protocol, Seeds())
    drawn = split(log, labels, protocol, replace(Seeds(), draw=1))
    users = base.cold.users.ids.tolist()
    assert drawn.cold.users.ids.tolist() == users
    assert asked_of(drawn) != asked_of(base)
    order = split(log, labels, protocol, replace(Seeds(), init=1, order=1))
    assert asked_of(order) == asked_of(base)


def test_labels_follow_their_rows() -> None:
    log, labels = toy_log()
    _, part = cut("user-cold", order="random")
    truth = {
        (u, i): y for u, i, y in zip(log.users.tolist(), log.items.tolist(), labels, strict=True)
    }
    for batch in part.cold.batches(8):
        for user, items, given in zip(
            batch.users.tolist(), batch.query.items.tolist(), batch.query.labels, strict=True
        ):
            assert [truth[user, item] for item in items] == given.tolist()


def test_users_with_too_few_interactions_are_dropped_and_counted() -> None:
    log, labels = toy_log()
    part = split(log, labels, Protocol.of("user-cold", {"shots": [0, 30]}), Seeds.of(0))
    assert part.too_short > 0
    assert len(part.cold) + part.too_short == int(0.2 * log.n_users)


def test_a_protocol_nobody_can_serve_says_what_to_lower() -> None:
    log, labels = toy_log()
    with pytest.raises(UserError, match=r"the largest K is 49 .*protocol\.shots=\[0,49\]"):
        split(log, labels, Protocol.of("user-cold", {"shots": [0, 200]}), Seeds.of(0))


def test_sampled_episodes_are_stretches_of_a_warm_user() -> None:
    log, part = cut("user-cold")
    for batch in part.warm.sample(20, 16, shots=SHOTS, query=10, seed=0):
        k = batch.support.items.shape[1]
        assert k in SHOTS
        for row in range(16):
            user = int(batch.users[row])
            history = log.items[log.offsets[user] : log.offsets[user + 1]].tolist()
            seen = batch.support.items[row][batch.support.mask[row]].tolist()
            asked = batch.query.items[row][batch.query.mask[row]].tolist()
            assert asked, "a query is never empty"
            at = history.index((seen + asked)[0])
            assert history[at : at + len(seen) + len(asked)] == seen + asked


def test_sampling_repeats_with_its_seed() -> None:
    _, part = cut("user-cold")
    first, again, other = (
        torch.cat([b.users for b in part.warm.sample(5, 8, shots=SHOTS, query=10, seed=seed)])
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


WRONG: list[tuple[str, dict[str, object], str]] = [
    ("user-cold", {"shots": [4, 2]}, "must rise"),
    ("user-cold", {"query": 0}, "1 or more"),
    ("user-cold", {"cold_users": 0.95}, "no warm user"),
    ("user-cold", {"labels": "stars"}, "one of"),
    ("user-cold", {"shot": [0]}, "did you mean 'shots'"),
    ("user-cold", {"query": "20"}, "query must be a number, not '20'"),
    ("user-cold", {"shots": ["0", 4]}, "must be whole numbers"),
    ("user-cold", {"cold_users": True}, "cold_users must be a number"),
    ("elicit", {"order": "time"}, "the preset 'elicit' has them"),
    ("elicit", {"candidates": "all"}, "candidates = 'rated'"),
    ("elicit", {"cold": "item"}, "cold = 'user'"),
    ("elicit", {"asker": "variancy"}, "did you mean 'variance'"),
    ("elicit", {"pool": 8}, "a pool of as many items"),
    ("elicit", {"shots": [0]}, "an asker needs a question"),
    ("user-cold", {"split": "rolling", "cold": "item"}, "needs cold = 'user' or 'nothing'"),
    ("user-cold", {"split": "rolling", "order": "random"}, "order = 'time'"),
    ("user-cold", {"split": "rolling", "audience": "development"}, "audience = 'all'"),
    ("user-cold", {"split": "rolling", "before": 1.0}, "before must lie between 0 and 1"),
    ("user-cold", {"split": "rolling", "period": 0}, "period must be 1 or more"),
    ("user-cold", {"split": "rolling", "refit": "daily"}, "refit"),
    # users who are known cannot be kept out of training
    ("user-cold", {"cold": "item", "audience": "confirmation"}, "use cold = 'user' or 'both'"),
    ("user-cold", {"cold": "nothing", "audience": "confirmation"}, "use cold = 'user' or 'both'"),
    ("user-cold", {"audience": "confirm"}, "did you mean 'confirmation'"),
]


@pytest.mark.parametrize(("name", "changes", "message"), WRONG)
def test_a_wrong_protocol_field_is_named(
    name: str, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Protocol.of(name, changes)


@pytest.mark.parametrize(
    ("name", "changes", "log", "message"),
    [
        ("user-cold", {"split": "time"}, (False, True), "needs a log with times"),
        ("user-cold", {"split": "rolling"}, (False, True), "needs a log with times"),
        ("user-cold", {"candidates": "popular"}, (True, True), "is for positive-only logs"),
        ("elicit", {}, (True, False), "asker needs ratings"),
    ],
)
def test_a_log_that_does_not_suit_a_protocol_is_refused(
    name: str, changes: dict[str, object], log: tuple[bool, bool], message: str
) -> None:
    timed, explicit = log
    with pytest.raises(UserError, match=message):
        Protocol.of(name, changes).suited_to(timed=timed, explicit=explicit)


def test_the_labels_of_likes_are_zero_and_one() -> None:
    dataset = registry.find("datasets", "synthetic")()
    ratings = np.array([1, 3, 4, 5], np.float32)
    assert dataset.labels(ratings, "like").tolist() == [0, 0, 1, 1]
    assert dataset.labels(ratings, "rating").tolist() == [0, 0.5, 0.75, 1]
