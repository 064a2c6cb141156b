"""Who is cold, who is valid, and what may be learnt from: drawn, or cut in time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldbench.interactions import Int, Interactions
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.spilled import in_bounds

Mask = NDArray[np.bool_]
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Roles:
    """Who is cold and what may be learnt from, where this is known before the split."""

    cold: Mask  # (U,) users who are evaluated
    learnt: Mask  # (U,) users whose rows may be learnt from
    until: int = NEVER  # of these the rows before this time


@dataclass(frozen=True)
class Groups:
    """The same, with who is valid and which items are cold."""

    cold: Mask  # (U,)
    valid: Mask  # (U,)
    cold_item: Mask  # (I,)
    learnt: Mask  # (U,)
    until: int = NEVER


def first_times(log: Interactions) -> Int:
    """(U,) when each user came, NEVER for one without a row. Raises for a log without times."""
    assert log.times is not None  # Protocol.suited_to has seen to it
    first, there = np.full(log.n_users, NEVER), log.counts > 0
    first[there] = log.times[log.offsets[:-1][there]]
    return first


def drawn(log: Interactions, p: Protocol, seeds: Seeds) -> Groups:
    """As the protocol says."""
    n_source, n_users = log.n_source[0], log.n_users
    if p.split == "random":
        rng = np.random.default_rng(seeds.split)
        place = rng.permutation(n_users - n_source)
        n_cold, n_valid = int(p.cold_users * len(place)), int(p.valid_users * len(place))
        cold_item = rng.permutation(log.n_items) < int(p.cold_items * log.n_items)
        is_cold, is_valid = place < n_cold, (place >= n_cold) & (place < n_cold + n_valid)
        if not n_source:
            return Groups(is_cold, is_valid, cold_item, np.ones(n_users, bool))
        is_cold = np.append(np.zeros(n_source, bool), is_cold)
        is_valid = np.zeros(n_users, bool)
        is_valid[:n_source] = rng.permutation(n_source) < int(p.valid_users * n_source)
        return Groups(is_cold, is_valid, cold_item, np.arange(n_users) < n_source)
    assert log.times is not None
    early, cut = np.quantile(log.times, [1 - p.cold_users - p.valid_users, 1 - p.cold_users])
    first, first_rated = first_times(log), np.full(log.n_items, NEVER)
    for _, rows in in_bounds(log.offsets):
        np.minimum.at(first_rated, log.items[rows], log.times[rows])
    fresh = first >= cut
    is_valid = (first >= early) & ~fresh
    is_cold = fresh if p.cold in ("user", "both") else first < early
    everyone = np.ones(n_users, bool)
    return Groups(is_cold, is_valid, first_rated >= cut, everyone, int(np.ceil(cut)))


def of_roles(roles: Roles, log: Interactions, p: Protocol, seeds: Seeds) -> Groups:
    """Where it is said who is cold; valid users are drawn from the others."""
    learnt = roles.learnt & (log.counts > 0)
    if roles.until < NEVER:
        learnt &= first_times(log) < roles.until
    others = np.flatnonzero(learnt & ~roles.cold)
    order = np.random.default_rng(seeds.split).permutation(others)
    is_valid = np.zeros(log.n_users, bool)
    is_valid[order[: int(p.valid_users * len(others))]] = True
    return Groups(roles.cold, is_valid, np.zeros(log.n_items, bool), roles.learnt, roles.until)
