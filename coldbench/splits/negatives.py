"""Implicit feedback: sampled negatives take the place of dislikes in training.

Training needs both labels, so every like of a warm or valid user is paired with a negative: an item
that the user has not seen, drawn at random (Rendle et al., BPR, 2009; He et al., NCF, 2017). A new
user's support still holds likes only.
"""

from dataclasses import dataclass, replace

import numpy as np

from coldbench.episode import Episodes, Users
from coldbench.errors import UserError
from coldbench.interactions import Int, Interactions

ROUNDS = 50  # of drawing again what the user has seen, before all that is left is listed


@dataclass(frozen=True)
class NegativeSampler:
    """Draws items that a user has not seen."""

    seen: Int  # sorted user * n_items + item, over everything that may be known of users
    n_items: int
    pool: Int  # (P,) the items that may be drawn
    weights: Int | None  # (P,) how often each is drawn; None: all alike

    @classmethod
    def of(cls, known: Users, pool: Int, weights: Int | None = None) -> "NegativeSampler":
        """known: the rows that count as seen, by the users' numbers in the dataset."""
        log = known.log
        seen = np.sort(known.ids[log.users] * log.n_items + log.items)
        return cls(seen, log.n_items, pool, weights)

    def draw(self, users: Int, rng: np.random.Generator) -> Int:
        """(N,) one item for each of the users' numbers, different ones for the same user."""
        items = self._any(len(users), rng)
        for _ in range(ROUNDS):
            again = self._to_draw_again(users, items)
            if not len(again):
                return items
            items[again] = self._any(len(again), rng)
        for user in np.unique(users[again]):
            rows = np.flatnonzero(users == user)
            left = self.pool[~self._is_seen(user, self.pool)]
            if len(left) < len(rows):
                raise UserError(
                    f"user {user} leaves {len(left):,} of {len(self.pool):,} items unseen, and "
                    f"{len(rows):,} are to be drawn: in a positive-only log nothing else stands "
                    "for dislikes; leave the user out, or lower protocol.unseen"
                )
            items[rows] = rng.permutation(left)[: len(rows)]
        return items

    def _to_draw_again(self, users: Int, items: Int) -> Int:
        """Rows whose item the user has seen, or that an earlier row of the user has drawn."""
        key = users * self.n_items + items
        again = np.ones(len(key), bool)
        again[np.unique(key, return_index=True)[1]] = False
        return np.flatnonzero(again | self._is_seen(users, items))

    def _any(self, count: int, rng: np.random.Generator) -> Int:
        if self.weights is None:
            return self.pool[rng.integers(0, len(self.pool), count)]
        up_to = np.cumsum(self.weights)
        return self.pool[np.searchsorted(up_to, rng.integers(0, up_to[-1], count), "right")]

    def _is_seen(self, users: Int, items: Int) -> np.ndarray:
        key = users * self.n_items + items
        place = np.searchsorted(self.seen, key)
        return np.append(self.seen, -1)[place] == key


def with_negatives(users: Users, sampler: NegativeSampler, count: int, seed: int) -> Users:
    """Every like followed by `count` unseen items of label 0, at the like's own time."""
    log, each = users.log, 1 + count
    rows = np.repeat(np.arange(len(log)), each)
    items, labels = log.items[rows], users.labels[rows]
    drawn = np.arange(len(rows)) % each > 0
    who = users.ids[log.users[rows[drawn]]]
    items[drawn] = sampler.draw(who, np.random.default_rng(seed))
    labels[drawn] = 0
    ratings = np.where(drawn, 0, log.ratings[rows]).astype(np.float32)
    times = None if log.times is None else log.times[rows]
    paired = Interactions(log.offsets * each, items, ratings, times, log.n_items, log.duplicates)
    return replace(users, log=paired, labels=labels, negatives_per_positive=count)


def add_negatives_to_query(
    episodes: Episodes, sampler: NegativeSampler, count: int, seed: int
) -> Episodes:
    """The same supports, all likes; in a query `count` unseen items follow every like."""
    users, (n, s), q = episodes.users, episodes.support.shape, episodes.query_size
    drawn = sampler.draw(
        np.repeat(users.ids[episodes.user_index], q * count), np.random.default_rng(seed)
    ).reshape(n, q, count)
    place = np.concatenate([episodes.query[:, :, None], np.full(drawn.shape, -1)], 2)
    rows = np.concatenate([episodes.support, place.reshape(n, -1)], 1)  # (E, S + Q (1 + count))
    like = np.concatenate([episodes.support, np.repeat(episodes.query, 1 + count, 1)], 1)
    items, real = users.log.items[like], rows >= 0
    items[~real] = drawn.ravel()
    log = Interactions(
        np.arange(n + 1) * rows.shape[1],
        items.ravel(),
        np.where(real, users.log.ratings[like], 0).astype(np.float32).ravel(),
        None if users.log.times is None else users.log.times[like].ravel(),
        users.log.n_items,
    )
    labels = np.where(real, users.labels[like], 0).astype(np.float32).ravel()
    places = np.arange(rows.size).reshape(rows.shape)
    asked = Users(log, labels, users.ids[episodes.user_index])
    return Episodes(asked, np.arange(n), places[:, :s], places[:, s:])
