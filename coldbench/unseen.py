"""Logs of likes alone: what a user left unseen stands in for what they dislike.

A method needs both labels to learn from, so every like of the users it learns from is paired with
an item that user has not seen, drawn by lot (Rendle et al., BPR, 2009; He et al., NCF, 2017). A
new user's support still holds likes and nothing else.
"""

from dataclasses import dataclass, replace

import numpy as np

from coldbench.episode import Episodes, Users
from coldbench.errors import UserError
from coldbench.interactions import Int, Interactions

ROUNDS = 50  # of drawing again what the user has seen, before all that is left is listed


@dataclass(frozen=True)
class Unseen:
    """Draws items that a user has not seen."""

    seen: Int  # sorted user * n_items + item, over everything that may be known of users
    n_items: int
    pool: Int  # (P,) the items that may be drawn
    weights: Int | None  # (P,) how often each is drawn; None: all alike

    @classmethod
    def of(cls, known: Users, pool: Int, weights: Int | None = None) -> "Unseen":
        """known: the rows that count as seen, by the users' numbers in the dataset."""
        log = known.log
        seen = np.sort(known.ids[log.users] * log.n_items + log.items)
        return cls(seen, log.n_items, pool, weights)

    def draw(self, users: Int, rng: np.random.Generator) -> Int:
        """(N,) one item for each of the users' numbers."""
        items = self._any(len(users), rng)
        for _ in range(ROUNDS):
            again = np.flatnonzero(self._is_seen(users, items))
            if not len(again):
                return items
            items[again] = self._any(len(again), rng)
        for row in again:
            left = self.pool[~self._is_seen(users[row], self.pool)]
            if not len(left):
                raise UserError(
                    f"user {users[row]} has seen all {len(self.pool):,} items: in a log of likes "
                    "alone nothing is left that they may dislike; leave the user out"
                )
            items[row] = rng.choice(left)
        return items

    def _any(self, count: int, rng: np.random.Generator) -> Int:
        if self.weights is None:
            return self.pool[rng.integers(0, len(self.pool), count)]
        up_to = np.cumsum(self.weights)
        return self.pool[np.searchsorted(up_to, rng.integers(0, up_to[-1], count), "right")]

    def _is_seen(self, users: Int, items: Int) -> np.ndarray:
        key = users * self.n_items + items
        place = np.searchsorted(self.seen, key)
        return np.append(self.seen, -1)[place] == key


def with_unseen(users: Users, unseen: Unseen, count: int, seed: int) -> Users:
    """Every like followed by `count` unseen items of label 0, at the like's own time."""
    log, each = users.log, 1 + count
    rows = np.repeat(np.arange(len(log)), each)
    items, labels = log.items[rows], users.labels[rows]
    drawn = np.arange(len(rows)) % each > 0
    who = users.ids[log.users[rows[drawn]]]
    items[drawn] = unseen.draw(who, np.random.default_rng(seed))
    labels[drawn] = 0
    ratings = np.where(drawn, 0, log.ratings[rows]).astype(np.float32)
    times = None if log.times is None else log.times[rows]
    paired = Interactions(log.offsets * each, items, ratings, times, log.n_items, log.duplicates)
    return replace(users, log=paired, labels=labels, unseen=count)


def ask_unseen(episodes: Episodes, unseen: Unseen, count: int, seed: int) -> Episodes:
    """The same supports, all likes; each query with `count` unseen items after every like."""
    each = 1 + count
    query = (episodes.query[:, :, None] * each + np.arange(each)).reshape(len(episodes), -1)
    users = with_unseen(episodes.users, unseen, count, seed)
    return replace(episodes, users=users, support=episodes.support * each, query=query)
