"""Locked users: no seed of development ever meets them, and they alone confirm."""

from typing import Any

import numpy as np
import pytest

from coldbench import registry
from coldbench.interactions import Interactions
from coldbench.protocol import Protocol, as_dict
from coldbench.seeds import Seeds
from coldbench.splits.locked_users import SHARE, _mixed, locked
from coldbench.splits.split import Split, split

N = 300


def toy_log() -> tuple[Interactions, np.ndarray]:
    """A log of 300 users of 30 interactions, who come one after another."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(N), 30)
    items = np.concatenate([rng.permutation(100)[:30] for _ in range(N)])
    times = 1_000 * users + rng.integers(0, 5_000, len(users))
    log = Interactions.from_rows(
        users, items, rng.integers(1, 6, len(users)).astype(float), times, 100
    )
    return log, ((log.ratings - 1) / 4).astype(np.float32)


LOG, LABELS = toy_log()


def cut(audience: str, seed: int = 0, **changes: Any) -> Split:
    fields = {"shots": [0, 2, 4], "query": 5, "audience": audience} | changes
    return split(LOG, LABELS, Protocol.of("user-cold", fields), Seeds.of(seed))


def people(part: Split) -> dict[str, set[int]]:
    """Who is learnt from, chosen by and judged, by their number in the log."""
    warm = part.warm
    return {
        "warm": set(warm.ids[np.unique(warm.log.users)].tolist()),
        "valid": set(part.valid.users.ids[part.valid.user_index].tolist()),
        "cold": set(part.cold.users.ids[part.cold.user_index].tolist()),
    }


LOCKED = set(np.flatnonzero(locked(N)).tolist())


def test_the_list_is_these_people_for_ever() -> None:
    assert np.flatnonzero(locked(40)).tolist() == [2, 4, 6, 32, 33]
    assert locked(0).tolist() == []


def test_numbers_are_mixed_as_others_do() -> None:
    """The first outputs of java.util.SplittableRandom(0)'s generator."""
    assert [hex(z) for z in _mixed(np.arange(2, dtype=np.uint64))] == [
        "0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4",
    ]  # fmt: skip


def test_who_is_locked_hangs_on_no_other_user() -> None:
    assert (locked(1_000)[:40] == locked(40)).all()


def test_a_fifth_is_locked() -> None:
    n = 200_000
    error = (SHARE * (1 - SHARE) / n) ** 0.5
    assert abs(locked(n).mean() - 0.2) < 4 * error


@pytest.mark.parametrize("changes", [{}, {"cold": "both", "query": 2, "shots": [0, 1]},
                                     {"split": "time"}, {"order": "random"}])  # fmt: skip
def test_no_seed_of_development_meets_anybody_who_confirms(changes: dict[str, Any]) -> None:
    confirmed: set[int] = set()
    developed: set[int] = set()
    for seed in range(20):
        for people_of in people(cut("development", seed, **changes)).values():
            developed |= people_of
        confirming = people(cut("confirmation", seed, **changes))
        assert confirming["cold"] and confirming["cold"] <= LOCKED
        assert not (confirming["warm"] | confirming["valid"]) & LOCKED
        confirmed |= confirming["cold"]
    assert developed and not developed & confirmed and not developed & LOCKED


def test_by_lot_every_locked_user_confirms_under_every_seed() -> None:
    assert all(people(cut("confirmation", seed))["cold"] == LOCKED for seed in range(3))


@pytest.mark.parametrize("changes", [{}, {"split": "time"}])
@pytest.mark.parametrize("seed", [0, 1])
def test_confirmation_learns_and_chooses_as_development_did(
    seed: int, changes: dict[str, Any]
) -> None:
    developing, confirming = (
        cut("development", seed, **changes),
        cut("confirmation", seed, **changes),
    )
    assert developing.warm.log.hash() == confirming.warm.log.hash()
    assert (developing.warm.labels == confirming.warm.labels).all()
    assert people(developing)["valid"] == people(confirming)["valid"]
    assert not people(developing)["cold"] & people(confirming)["cold"]


@pytest.mark.parametrize("cold", ["user", "item", "both", "nothing"])
def test_development_leaves_locked_users_out_of_every_protocol(cold: str) -> None:
    part = people(cut("development", cold=cold, query=2, shots=[0, 1]))
    assert part["cold"] and not (part["warm"] | part["valid"] | part["cold"]) & LOCKED


def test_all_is_the_default_and_meets_everybody_as_ever() -> None:
    assert as_dict(Protocol.of("user-cold"))["audience"] == "all"
    plain = split(LOG, LABELS, Protocol.of("user-cold"), Seeds.of(0))
    who = people(plain)
    assert len(who["cold"]) == int(0.2 * N) and who["cold"] & LOCKED and who["warm"] & LOCKED
    place = np.random.default_rng(Seeds.of(0).split).permutation(N)
    assert who["cold"] == set(np.flatnonzero(place < 60).tolist())


def test_across_sets_each_has_its_own_locked_users() -> None:
    n_source, n_items = 50, 100
    both = Interactions(
        np.concatenate([LOG.offsets[: n_source + 1], LOG.offsets[n_source] + LOG.offsets[1:]]),
        np.concatenate([LOG.items[: LOG.offsets[n_source]], n_items + LOG.items]),
        np.concatenate([LOG.ratings[: LOG.offsets[n_source]], LOG.ratings]),
        None,
        2 * n_items,
        n_source=(n_source, n_items),
    )
    labels = ((both.ratings - 1) / 4).astype(np.float32)
    targets = set((n_source + np.flatnonzero(locked(N))).tolist())
    sources = set(np.flatnonzero(locked(n_source)).tolist())
    for audience in ("development", "confirmation"):
        asked = Protocol.of("user-cold", {"order": "random", "audience": audience})
        who = people(split(both, labels, asked, Seeds.of(0)))
        assert not (who["warm"] | who["valid"]) & (sources | targets)
        assert who["cold"] <= targets if audience == "confirmation" else not who["cold"] & targets


def test_likes_alone_are_completed_without_a_word_of_locked_users() -> None:
    seen = {}
    for audience in ("development", "confirmation"):
        asked = Protocol.of("user-cold", {"audience": audience, "shots": [0, 2], "query": 5})
        ones = np.ones(len(LOG), np.float32)
        part = split(LOG, ones, asked, Seeds.of(0), explicit=False)
        assert not people(part)["warm"] & LOCKED
        seen[audience] = part.warm.log.items
    assert (seen["development"] == seen["confirmation"]).all()


@pytest.mark.slow
def test_a_real_log_is_big_enough_for_both() -> None:
    dataset = registry.find("datasets", "synthetic")()
    log, _ = dataset.load()
    labels = dataset.labels(log.ratings, "rating")
    for audience in ("development", "confirmation"):
        asked = Protocol.of("user-cold", {"audience": audience})
        assert len(split(log, labels, asked, Seeds.of(0)).cold) > 20
