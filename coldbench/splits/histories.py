"""Users' histories cut by a protocol: what is learnt from, and the windows that episodes are."""

from dataclasses import dataclass

import numpy as np

from coldbench.episode import Episodes, Users
from coldbench.interactions import Int, Interactions
from coldbench.protocol import Protocol
from coldbench.splits.groups import NEVER, Groups, Mask


@dataclass(frozen=True)
class Cut:
    """Some users' episodes, and what was counted on the way."""

    valid: Episodes
    cold: Episodes
    judged: Int  # (U,) rows of each that could be asked for or given
    asked: Int  # rows (E (K + Q),) that the cold windows take


def cut_histories(users: Users, groups: Groups, protocol: Protocol) -> tuple[Users, Cut]:
    """What is learnt from some users, and the rest. users: with all of each one's rows."""
    log, owner = users.log, users.log.users
    new_users, new_items = protocol.cold in ("user", "both"), protocol.cold in ("item", "both")
    cold, valid, before = (
        mask[users.ids][owner] for mask in (groups.cold, groups.valid, groups.learnt)
    )
    if groups.until < NEVER:
        assert log.times is not None  # else there was no such cut
        before &= log.times < groups.until
    item_is_cold = groups.cold_item[log.items] if new_items else np.zeros(len(log), bool)
    judged = cold & (item_is_cold if new_items else True)
    if not new_users and protocol.split == "time":
        judged &= ~before
    of_judged = _of_each(judged, owner, log.n_users)
    who, windows = _windows(*of_judged, protocol, from_end=not new_users)
    chosen_by = _of_each(valid & before & ~item_is_cold, owner, log.n_users)
    learn = before & ~valid & ~item_is_cold
    if new_users:
        learn &= ~cold
    else:
        learn[windows.ravel()] = False
    asked = _with_pool(*of_judged, who, windows, protocol) if protocol.asks else windows
    cut = Cut(
        _episodes(users, *_windows(*chosen_by, protocol, from_end=False), protocol),
        _episodes(users, who, asked, protocol),
        of_judged[1],
        windows.ravel(),
    )
    return users.only(learn), cut


def _of_each(chosen: Mask, owner: Int, n_users: int) -> tuple[Int, Int]:
    """The chosen rows, and (U,) how many of them each user has."""
    rows = np.flatnonzero(chosen)
    return rows, np.bincount(owner[rows], minlength=n_users)


def _windows(rows: Int, counts: Int, p: Protocol, *, from_end: bool) -> tuple[Int, Int]:
    """(E,) users and (E, K + Q) rows of those with enough of the chosen rows.

    A new user's window starts at the first of them, a known one's ends at the last.
    """
    length = p.max_shots + p.query
    who = np.flatnonzero(counts >= length)
    ends = np.cumsum(counts)
    start = (ends - length if from_end else ends - counts)[who]
    return who, rows[start[:, None] + np.arange(length)]


def _with_pool(rows: Int, counts: Int, who: Int, windows: Int, p: Protocol) -> Int:
    """(E, P + Q) rows: before each window up to P - K of its user's rows after it, which may be
    asked too; -1 where a user has fewer."""
    ends = np.cumsum(counts)[who]
    first = (ends - counts[who])[:, None] + windows.shape[1]
    most = counts[who].max(initial=windows.shape[1]) - windows.shape[1]
    more = first + np.arange(min(p.pool - p.max_shots, most))
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
