"""The leak audit: what must hold of a split, counted on its rows, for the report.

It looks at the data that methods are given, not at the code that made it.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from coldbench.episode import Episodes, Users
from coldbench.interactions import Int
from coldbench.protocol import Protocol
from coldbench.spilled import in_bounds
from coldbench.splits.split import Split


@dataclass(frozen=True)
class Check:
    """A claim about a split, how many things it was counted on, and how many violate it."""

    claim: str
    n: int
    violations: int
    tied: int | None = None  # on how many it holds by a tie; None where there can be none

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """One of leaks.json. Raises KeyError or TypeError where it is none."""
        return cls(row["says"], row["checked"], row["broken"], row.get("tied"))

    def as_json(self) -> dict[str, Any]:
        counts = {"checked": self.n, "broken": self.violations, "tied": self.tied}
        return {"says": self.claim, **counts}


def leaks(split: Split, protocol: Protocol) -> list[Check]:
    """Every check that the protocol asks for."""
    warm, valid, cold = split.warm, split.valid, split.cold
    cut = [*_users(warm, valid, cold, protocol), *_items(split, protocol), *_sizes(cold, protocol)]
    return cut + _times(warm, valid, cold, protocol)


def _users(warm: Users, valid: Episodes, cold: Episodes, protocol: Protocol) -> list[Check]:
    chosen, judged = valid.users.ids[valid.user_index], cold.users.ids[cold.user_index]
    checks = [_none("valid users were not learnt from", np.isin(chosen, warm.ids))]
    if protocol.cold in ("user", "both"):
        checks += [
            _none("judged users were not learnt from", np.isin(judged, warm.ids)),
            _none("judged users are no valid users", np.isin(judged, chosen)),
        ]
    return checks


def _items(split: Split, protocol: Protocol) -> list[Check]:
    warm, cold = split.warm, split.cold
    n_items = warm.log.n_items
    who = cold.users.ids[cold.user_index][:, None]
    asked, given = _of(cold, cold.query), _of(cold, cold.support)  # (E, Q) and (E, S)
    both = (given[:, :, None] == asked[:, None]) & (given >= 0)[:, :, None]
    checks = [
        _none("no answer to a query was learnt from", _learnt(who, asked, warm)[asked >= 0]),
        _none("no item is both given and asked for", both.any(2)[given >= 0]),
    ]
    if protocol.cold in ("item", "both"):
        seen = np.bincount(_flat(split.valid), minlength=n_items) + warm.item_counts(drawn=True)
        claim = "no cold item was learnt from or chosen by"
        checks.append(_none(claim, seen[split.candidates] > 0))
    return checks


def _sizes(cold: Episodes, protocol: Protocol) -> list[Check]:
    most = protocol.max_shots
    each = protocol.query * (1 + protocol.unseen if protocol.candidates == "popular" else 1)
    given, asked = (cold.support >= 0).sum(1), (cold.query >= 0).sum(1)
    wrong = given < most if protocol.asks else given != most  # of a pool there may be more
    return [
        _none(f"every judged user has {most} labels to give", wrong),
        _none(f"every judged user is asked for {each} items", asked != each),
    ]


def _times(warm: Users, valid: Episodes, cold: Episodes, protocol: Protocol) -> list[Check]:
    times = cold.users.log.times
    if times is None or warm.log.times is None:
        return []
    checks, asked = [], times[cold.query]  # (E, Q)
    if protocol.order == "time" and cold.max_shots:
        last, first = times[cold.support].max(1), asked.min(1)  # (E,) of the labels, of the query
        late = _none("no label was given after what is asked", last > first)
        checks.append(replace(late, tied=int((last == first).sum())))
    if protocol.split != "random":
        claim, young = "nothing learnt from is younger than a query", 0
        for _, rows in in_bounds(warm.log.offsets):
            young += int((warm.log.times[rows] > asked.min()).sum())
        checks.append(Check(claim, len(warm.log), young))
    return checks


def _learnt(who: Int, asked: Int, warm: Users) -> NDArray[np.bool_]:
    """(E, Q) which items asked of users (E, 1) stand among these users' warm rows that are not
    drawn."""
    log, each = warm.log, 1 + warm.negatives_per_positive
    pairs, found = who * log.n_items + asked, np.zeros(asked.shape, bool)
    for users, _ in in_bounds(log.offsets):
        is_asked = np.isin(warm.ids[users], who)
        if is_asked.any():
            part = log.of_users(users)
            rows = each * np.flatnonzero(is_asked[part.users[::each]])
            own = warm.ids[users][part.users[rows]]
            found |= np.isin(pairs, own * log.n_items + part.items[rows])
    return found


def _of(episodes: Episodes, rows: Int) -> Int:
    return np.where(rows >= 0, episodes.users.log.items[rows], -1)


def _flat(episodes: Episodes) -> Int:
    rows = np.concatenate([episodes.support, episodes.query], None)
    return _of(episodes, rows[rows >= 0])


def _none(claim: str, violates: np.ndarray) -> Check:
    return Check(claim, violates.size, int(violates.sum()))
