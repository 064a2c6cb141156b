"""Rolling in time: who is met in a period, and what a method may know by then."""

import numpy as np
import pytest

from coldbench.errors import UserError
from coldbench.interactions import Interactions
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.rolling import DAY, roles
from coldbench.splits.split import Split, split

LENGTH = 6  # ratings of a user, one a day; user u begins on day 2 u


def daily_log(n_users: int = 40) -> Interactions:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(n_users), LENGTH)
    items = np.concatenate([rng.permutation(30)[:LENGTH] for _ in range(n_users)])
    days = 2 * users + np.tile(np.arange(LENGTH), n_users)
    return Interactions.from_rows(
        users, items, np.tile([1.0, 5.0], len(users) // 2), days * DAY, 30
    )


def rolled(number: int, **changes: object) -> tuple[Interactions, Split]:
    stated = {"split": "rolling", "shots": [0, 2], "query": 3, "before": 0.5, "period": 7}
    protocol = Protocol.of("user-cold", stated | changes)
    log = daily_log()
    kept, who = roles(log, protocol, number)
    part = log.rows(kept)
    labels = ((part.ratings - 1) / 4).astype(np.float32)
    return log, split(part, labels, protocol, Seeds.of(number), roles=who)


def start(log: Interactions) -> int:
    assert log.times is not None
    return int(np.quantile(log.times, 0.5))


@pytest.mark.parametrize("number", [0, 2])
def test_a_period_meets_the_users_who_first_come_in_it(number: int) -> None:
    log, cut = rolled(number)
    begin = start(log) + number * 7 * DAY
    first = 2 * np.arange(log.n_users) * DAY
    expected = np.flatnonzero((first >= begin) & (first < begin + 7 * DAY))
    assert cut.cold.users.ids.tolist() == expected.tolist() and len(expected) >= 3


@pytest.mark.parametrize(("refit", "weeks"), [("period", 2), ("never", 0)])
def test_what_is_learnt_ends_at_the_period_or_at_the_start(refit: str, weeks: int) -> None:
    log, cut = rolled(2, refit=refit)
    until = start(log) + weeks * 7 * DAY
    assert cut.warm.log.times is not None
    assert until - 2 * DAY <= cut.warm.log.times.max() < until


def test_both_ways_meet_the_same_users_with_the_same_items() -> None:
    (_, again), (_, left_alone) = rolled(2), rolled(2, refit="never")
    for a, b in zip(again.cold.batches(2), left_alone.cold.batches(2), strict=True):
        assert a.users.equal(b.users) and a.support.items.equal(b.support.items)
        assert a.query.items.equal(b.query.items) and a.query.labels.equal(b.query.labels)


def test_known_users_are_met_in_a_period_with_a_querys_worth_of_ratings_of_it() -> None:
    log, cut = rolled(2, cold="nothing")
    assert cut.cold.users.log.times is not None and cut.warm.log.times is not None
    asked = cut.cold.users.log.times[cut.cold.query]
    begin = start(log) + 2 * 7 * DAY
    assert len(cut.cold) and ((asked >= begin) & (asked < begin + 7 * DAY)).all()
    assert cut.warm.log.times.max() < begin
    assert np.isin(cut.cold.users.ids, cut.warm.ids).any()


def test_valid_users_are_others_who_were_there() -> None:
    _, cut = rolled(2)
    valid = set(cut.valid.users.ids.tolist())
    assert valid and not valid & set(cut.warm.ids.tolist())
    assert not valid & set(cut.cold.users.ids.tolist())


def test_a_period_beyond_the_log_says_how_many_there_are() -> None:
    with pytest.raises(UserError, match=r"there are 6 of 7 days, seeds 0 to 5"):
        rolled(7)


def test_only_a_run_can_roll() -> None:
    log = daily_log()
    protocol = Protocol.of("user-cold", {"split": "rolling"})
    with pytest.raises(UserError, match="its seeds are periods"):
        split(log, log.ratings, protocol, Seeds.of(0))
