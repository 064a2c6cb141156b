"""A log cut by a protocol: warm users to learn from, valid ones to choose by, cold ones to meet."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldbench.episode import Episodes, Users
from coldbench.errors import UserError
from coldbench.interactions import Int, Interactions
from coldbench.locked_users import for_audience
from coldbench.negatives import Unseen, ask_unseen, with_unseen
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.short_histories import too_short

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """What a method learns from (`warm`), chooses by (`valid`) and is judged on (`cold`)."""

    warm: Users
    valid: Episodes
    cold: Episodes
    candidates: Int  # (C,) the items that may be asked for
    too_short: int  # judged users dropped because they have fewer than K + Q interactions

    def facts(self) -> dict[str, int]:
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
) -> Split:
    """Cut a log by a protocol. Index arithmetic on whole columns; linear in the interactions.

    labels: (N,) float32 in 0..1, one a row of the log. explicit: False where the log has likes
    alone; then warm and valid users get unseen items of label 0 to learn from. Where a log has lent
    users (benchmarks/cross_domain.py) they alone are learnt from and the others alone are judged.
    """
    if log.lent[0] and (protocol.cold, protocol.split) != ("user", "random"):
        raise UserError("across data sets new users are met: use protocol.cold = 'user' by lot")
    if protocol.order == "random":
        drawn = np.random.default_rng(seeds.draw).random(len(log))
        own = np.roll(drawn, log.offsets[log.lent[0]])  # the same for a set alone or behind another
        shuffled = np.lexsort((own, log.users))
        log, labels = log.rows(shuffled), labels[shuffled]
    users = log.users
    lots = for_audience(_lots(log, users, protocol, seeds), users, log, protocol)
    cold_user, valid_user, cold_item, before = lots
    new_users, new_items = protocol.cold in ("user", "both"), protocol.cold in ("item", "both")

    item_is_cold = cold_item[log.items] if new_items else np.zeros(len(log), bool)
    judged = cold_user[users] & (item_is_cold if new_items else True)
    if not new_users and protocol.split == "time":
        judged &= ~before
    strips, short = _strips(judged, users, log.n_users, protocol, from_end=not new_users)
    learn = before & ~valid_user[users] & ~item_is_cold
    if new_users:
        learn &= ~cold_user[users]
    else:
        learn[strips[1].ravel()] = False
    choose, _ = _strips(
        valid_user[users] & before & ~item_is_cold, users, log.n_users, protocol, from_end=False
    )
    everyone = Users(log, labels, np.arange(log.n_users))
    if not len(strips[0]):
        raise too_short(np.bincount(users[judged], minlength=1), protocol)
    cut = Split(
        warm=everyone.only(learn),
        valid=_episodes(everyone, *choose, protocol),
        cold=_episodes(everyone, *strips, protocol),
        candidates=np.flatnonzero(
            cold_item if new_items else np.arange(log.n_items) >= log.lent[1]
        ),
        too_short=short,
    )
    if explicit:
        return cut
    known = np.ones(len(log), bool)  # what a user is judged on may be drawn: who learns can't know
    known[strips[1].ravel()] = False
    return _with_unseen(cut, everyone.only(known), everyone, protocol, seeds)


def _with_unseen(
    cut: Split, known: Users, everyone: Users, protocol: Protocol, seeds: Seeds
) -> Split:
    """Likes alone, completed: half of what is learnt from are items the user has not seen."""
    counts = cut.warm.seen()
    learnt = Unseen.of(known, np.flatnonzero(counts))
    cold = cut.cold
    if protocol.candidates == "popular":
        drawn = Unseen.of(everyone, cut.candidates, 1 + counts[cut.candidates])
        cold = ask_unseen(cold, drawn, protocol.unseen, seeds.draw)
    return replace(
        cut,
        warm=with_unseen(cut.warm, learnt, 1, seeds.draw),
        valid=ask_unseen(cut.valid, learnt, 1, seeds.draw),
        cold=cold,
    )


def _lots(
    log: Interactions, users: Int, p: Protocol, seeds: Seeds
) -> tuple[Mask, Mask, Mask, Mask]:
    """Who is judged (U,), who valid (U,), which items are cold (I,), what may be learnt (N,)."""
    if p.split == "random":
        rng = np.random.default_rng(seeds.split)
        lent, n_users = log.lent[0], log.n_users - log.lent[0]
        place = rng.permutation(n_users)
        judged, valid = int(p.cold_users * n_users), int(p.valid_users * n_users)
        cold_item = rng.permutation(log.n_items) < int(p.cold_items * log.n_items)
        is_judged, is_valid = place < judged, (place >= judged) & (place < judged + valid)
        if lent:
            is_judged = np.append(np.zeros(lent, bool), is_judged)
            is_valid = np.arange(log.n_users) < 0
            is_valid[:lent] = rng.permutation(lent) < int(p.valid_users * lent)
        may_be_learnt = users < lent if lent else np.ones(len(log), bool)
        return is_judged, is_valid, cold_item, may_be_learnt
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


def _strips(
    chosen: Mask, users: Int, n_users: int, p: Protocol, *, from_end: bool
) -> tuple[tuple[Int, Int], int]:
    """((E,) users, (E, K + Q) rows) of the users with enough chosen rows, and how many had too few.

    A new user is met at the first of the chosen rows, a known one at the last.
    """
    rows = np.flatnonzero(chosen)
    counts = np.bincount(users[rows], minlength=n_users)
    length = p.shots[-1] + p.query
    who = np.flatnonzero(counts >= length)
    ends = np.cumsum(counts)
    start = (ends - length if from_end else ends - counts)[who]
    return (who, rows[start[:, None] + np.arange(length)]), int((counts > 0).sum()) - len(who)


def _episodes(users: Users, who: Int, strips: Int, p: Protocol) -> Episodes:
    """Only the rows of the strips are kept, so that episodes carry nothing else of the log."""
    own = np.arange(strips.size).reshape(strips.shape)
    log = users.log
    flat = strips.ravel()
    times = None if log.times is None else log.times[flat]
    offsets = np.arange(len(who) + 1) * strips.shape[1]
    kept = Interactions(offsets, log.items[flat], log.ratings[flat], times, log.n_items)
    k = p.shots[-1]
    return Episodes(
        Users(kept, users.labels[flat], users.ids[who]), np.arange(len(who)), own[:, :k], own[:, k:]
    )
