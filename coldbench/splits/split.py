"""A log cut by a protocol: warm users to train on, valid to select by, cold to evaluate on."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldbench.episode import Episodes, Users
from coldbench.errors import UserError
from coldbench.interactions import Int, Interactions
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.locked_users import for_audience
from coldbench.splits.negatives import NegativeSampler, add_negatives_to_query, with_negatives
from coldbench.splits.rolling import Roles
from coldbench.splits.short_histories import too_short

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """What a method trains on (`warm`), selects by (`valid`) and is evaluated on (`cold`)."""

    warm: Users
    valid: Episodes
    cold: Episodes
    candidates: Int  # (C,) the items that may be scored
    too_short: int  # cold users dropped because they have fewer than K + Q interactions

    def summary(self) -> dict[str, int]:
        return {
            "warm users": self.warm.log.n_users,
            "warm interactions": len(self.warm.log),
            "valid users": len(self.valid),
            "cold users": len(self.cold),
            "cold users too short": self.too_short,
            "candidate items": len(self.candidates),
        }


def split(
    log: Interactions,
    labels: NDArray[np.float32],
    protocol: Protocol,
    seeds: Seeds,
    *,
    explicit: bool = True,
    roles: Roles | None = None,
) -> Split:
    """Cut a log by a protocol. Index arithmetic on whole columns; linear in the interactions.

    labels: (N,) float32 in 0..1, one a row of the log. explicit: False where the log has likes
    alone; then warm and valid users get unseen items of label 0 to train on. roles: who is cold and
    what may be learnt from, where the protocol does not draw it. Where the first users are another
    data set's (benchmarks/cross_domain.py), warm and valid users are of these, cold users of the
    others.
    """
    if roles is None and protocol.split == "rolling":
        raise UserError("protocol.split = 'rolling' is for `coldbench run`: its seeds are periods")
    if log.n_source[0] and (protocol.cold, protocol.split) != ("user", "random"):
        raise UserError(
            "across data sets the cold are new users: use protocol.cold = 'user' and "
            "protocol.split = 'random'"
        )
    if protocol.order == "random":
        drawn = np.random.default_rng(seeds.draw).random(len(log))
        start = log.offsets[log.n_source[0]]
        shuffled = np.lexsort(
            (np.roll(drawn, start), log.users)
        )  # a set alone is shuffled the same
        log, labels = log.rows(shuffled), labels[shuffled]
    users = log.users
    if roles is None:
        drawn_roles = _assign_users(log, users, protocol, seeds)
        assigned = for_audience(drawn_roles, users, log, protocol)
    else:
        assigned = _assigned(roles, log, users, protocol, seeds)
    cold_user, valid_user, cold_item, before = assigned
    new_users, new_items = protocol.cold in ("user", "both"), protocol.cold in ("item", "both")

    item_is_cold = cold_item[log.items] if new_items else np.zeros(len(log), bool)
    judged = cold_user[users] & (item_is_cold if new_items else True)
    if not new_users and protocol.split == "time":
        judged &= ~before
    windows, short = _windows(judged, users, log.n_users, protocol, from_end=not new_users)
    learn = before & ~valid_user[users] & ~item_is_cold
    if new_users:
        learn &= ~cold_user[users]
    else:
        learn[windows[1].ravel()] = False
    choose, _ = _windows(
        valid_user[users] & before & ~item_is_cold, users, log.n_users, protocol, from_end=False
    )
    everyone = Users(log, labels, np.arange(log.n_users))
    if not len(windows[0]):
        raise too_short(np.bincount(users[judged], minlength=1), protocol)
    asked = _with_pool(judged, users, *windows, protocol) if protocol.asks else windows[1]
    cut = Split(
        warm=everyone.only(learn),
        valid=_episodes(everyone, *choose, protocol),
        cold=_episodes(everyone, windows[0], asked, protocol),
        candidates=np.flatnonzero(
            cold_item if new_items else np.arange(log.n_items) >= log.n_source[1]
        ),
        too_short=short,
    )
    if explicit:
        return cut
    known = np.ones(len(log), bool)  # a query's likes may be drawn: training cannot know them
    known[windows[1].ravel()] = False
    return _with_unseen(cut, everyone.only(known), everyone, protocol, seeds)


def _with_unseen(
    cut: Split, known: Users, everyone: Users, protocol: Protocol, seeds: Seeds
) -> Split:
    """Implicit feedback, completed: half of the training rows are items the user has not seen."""
    counts = cut.warm.item_counts()
    sampler = NegativeSampler.of(known, np.flatnonzero(counts))
    cold = cut.cold
    if protocol.candidates == "popular":
        drawn = NegativeSampler.of(everyone, cut.candidates, 1 + counts[cut.candidates])
        cold = add_negatives_to_query(cold, drawn, protocol.unseen, seeds.draw)
    return replace(
        cut,
        warm=with_negatives(cut.warm, sampler, 1, seeds.draw),
        valid=add_negatives_to_query(cut.valid, sampler, 1, seeds.draw),
        cold=cold,
    )


def _assign_users(
    log: Interactions, users: Int, p: Protocol, seeds: Seeds
) -> tuple[Mask, Mask, Mask, Mask]:
    """Which users are cold (U,), which valid (U,), which items cold (I,), which rows warm (N,)."""
    if p.split == "random":
        rng = np.random.default_rng(seeds.split)
        n_source, n_users = log.n_source[0], log.n_users - log.n_source[0]
        place = rng.permutation(n_users)
        n_cold, n_valid = int(p.cold_users * n_users), int(p.valid_users * n_users)
        cold_item = rng.permutation(log.n_items) < int(p.cold_items * log.n_items)
        is_cold, is_valid = place < n_cold, (place >= n_cold) & (place < n_cold + n_valid)
        if n_source:
            is_cold = np.append(np.zeros(n_source, bool), is_cold)
            is_valid = np.arange(log.n_users) < 0
            is_valid[:n_source] = rng.permutation(n_source) < int(p.valid_users * n_source)
        trainable = users < n_source if n_source else np.ones(len(log), bool)
        return is_cold, is_valid, cold_item, trainable
    assert log.times is not None  # Protocol.suited_to has seen to it
    first = np.full(log.n_users, np.iinfo(np.int64).max)
    np.minimum.at(first, users, log.times)
    first_rated = np.full(log.n_items, np.iinfo(np.int64).max)
    np.minimum.at(first_rated, log.items, log.times)
    early, cut = np.quantile(log.times, [1 - p.cold_users - p.valid_users, 1 - p.cold_users])
    fresh = first >= cut
    is_valid = (first >= early) & ~fresh
    return (
        fresh if p.cold in ("user", "both") else first < early,
        is_valid,
        first_rated >= cut,
        log.times < cut,
    )


def _assigned(
    roles: Roles, log: Interactions, users: Int, p: Protocol, seeds: Seeds
) -> tuple[Mask, Mask, Mask, Mask]:
    """The same where it is said who is cold; valid users are drawn from the others."""
    present = np.bincount(users[roles.trainable], minlength=log.n_users) > 0
    others = np.flatnonzero(present & ~roles.cold)
    drawn = np.random.default_rng(seeds.split).permutation(others)
    is_valid = np.zeros(log.n_users, bool)
    is_valid[drawn[: int(p.valid_users * len(others))]] = True
    return roles.cold, is_valid, np.zeros(log.n_items, bool), roles.trainable


def _windows(
    chosen: Mask, users: Int, n_users: int, p: Protocol, *, from_end: bool
) -> tuple[tuple[Int, Int], int]:
    """((E,) users, (E, K + Q) rows) of the users with enough chosen rows, and how many had too few.

    A new user's window starts at the first of the chosen rows, a known one's ends at the last.
    """
    rows = np.flatnonzero(chosen)
    counts = np.bincount(users[rows], minlength=n_users)
    length = p.max_shots + p.query
    who = np.flatnonzero(counts >= length)
    ends = np.cumsum(counts)
    start = (ends - length if from_end else ends - counts)[who]
    return (who, rows[start[:, None] + np.arange(length)]), int((counts > 0).sum()) - len(who)


def _with_pool(chosen: Mask, users: Int, who: Int, windows: Int, p: Protocol) -> Int:
    """(E, P + Q) rows: before each window up to P - K of its user's rows after it, which may be
    asked too; -1 where a user has fewer."""
    rows = np.flatnonzero(chosen)
    counts = np.bincount(users[rows], minlength=who.max() + 1)
    ends = np.cumsum(counts)[who]
    first = (ends - counts[who])[:, None] + windows.shape[1]
    more = first + np.arange(min(p.pool - p.max_shots, counts[who].max() - windows.shape[1]))
    inside = more < ends[:, None]
    return np.hstack([np.where(inside, rows[np.where(inside, more, 0)], -1), windows])


def _episodes(users: Users, who: Int, windows: Int, p: Protocol) -> Episodes:
    """Only the rows of the windows are kept, so that episodes carry nothing else of the log."""
    real = windows >= 0
    places = np.where(real, (np.cumsum(real) - 1).reshape(windows.shape), -1)
    log = users.log
    flat = windows[real]
    times = None if log.times is None else log.times[flat]
    offsets = np.concatenate([[0], np.cumsum(real.sum(1))])
    kept = Interactions(offsets, log.items[flat], log.ratings[flat], times, log.n_items)
    k = windows.shape[1] - p.query
    return Episodes(
        Users(kept, users.labels[flat], users.ids[who]),
        np.arange(len(who)),
        places[:, :k],
        places[:, k:],
    )
