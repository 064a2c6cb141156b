"""The leak audit: what must hold of a split, counted on the rows themselves, for the report.

Each fact is checked on what methods are given, not on how it was made.
"""

from dataclasses import dataclass, replace

import numpy as np

from coldbench.episode import Episodes, Users
from coldbench.interactions import Int
from coldbench.protocol import Protocol
from coldbench.split import Split


@dataclass(frozen=True)
class Fact:
    """A promise, and on how many things it was looked for and found broken."""

    says: str
    checked: int
    broken: int
    tied: int | None = None  # on how many it holds, but just: None where that cannot be


def leaks(split: Split, protocol: Protocol) -> list[Fact]:
    """Every fact that the protocol promises; those it does not promise are left out."""
    warm, valid, cold = split.warm, split.valid, split.cold
    cut = [*_users(warm, valid, cold, protocol), *_items(split, protocol), *_sizes(cold, protocol)]
    return cut + _times(warm, valid, cold, protocol)


def _users(warm: Users, valid: Episodes, cold: Episodes, protocol: Protocol) -> list[Fact]:
    chosen, judged = valid.users.ids[valid.user_index], cold.users.ids[cold.user_index]
    facts = [_none("valid users were not learnt from", np.isin(chosen, warm.ids))]
    if protocol.cold in ("user", "both"):
        facts += [
            _none("judged users were not learnt from", np.isin(judged, warm.ids)),
            _none("judged users are no valid users", np.isin(judged, chosen)),
        ]
    return facts


def _items(split: Split, protocol: Protocol) -> list[Fact]:
    warm, cold = split.warm, split.cold
    n_items, rows = warm.log.n_items, slice(None, None, 1 + warm.unseen)  # real rows, none drawn
    learnt = warm.ids[warm.log.users[rows]] * n_items + warm.log.items[rows]
    who = cold.users.ids[cold.user_index][:, None]
    asked, given = _of(cold, cold.query), _of(cold, cold.support)  # (E, Q) and (E, S)
    pairs = (who * n_items + asked)[asked >= 0]
    both = (given[:, :, None] == asked[:, None]) & (given >= 0)[:, :, None]
    facts = [
        _none("no answer to a query was learnt from", np.isin(pairs, learnt)),
        _none("no item is both given and asked for", both.any(2)[given >= 0]),
    ]
    if protocol.cold in ("item", "both"):
        seen = np.concatenate([warm.log.items, _flat(split.valid)])
        facts.append(
            _none("no cold item was learnt from or chosen by", np.isin(split.candidates, seen))
        )
    return facts


def _sizes(cold: Episodes, protocol: Protocol) -> list[Fact]:
    most = protocol.shots[-1]
    each = protocol.query * (1 + protocol.unseen if protocol.candidates == "popular" else 1)
    given, asked = (cold.support >= 0).sum(1), (cold.query >= 0).sum(1)
    return [
        _none(f"every judged user has {most} labels to give", given != most),
        _none(f"every judged user is asked for {each} items", asked != each),
    ]


def _times(warm: Users, valid: Episodes, cold: Episodes, protocol: Protocol) -> list[Fact]:
    times = cold.users.log.times
    if times is None or warm.log.times is None:
        return []
    facts, asked = [], times[cold.query]  # (E, Q)
    if protocol.order == "time" and cold.max_shots:
        last, first = times[cold.support].max(1), asked.min(1)  # (E,) of the labels, of the query
        late = _none("no label was given after what is asked", last > first)
        facts.append(replace(late, tied=int((last == first).sum())))
    if protocol.split == "time":
        young = warm.log.times > asked.min()
        facts.append(_none("nothing learnt from is younger than a query", young))
    return facts


def _of(episodes: Episodes, rows: Int) -> Int:
    return np.where(rows >= 0, episodes.users.log.items[rows], -1)


def _flat(episodes: Episodes) -> Int:
    rows = np.concatenate([episodes.support, episodes.query], 1)
    return _of(episodes, rows[rows >= 0])


def _none(says: str, broken: np.ndarray) -> Fact:
    return Fact(says, broken.size, int(broken.sum()))
