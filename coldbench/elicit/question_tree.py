"""The next question of a decision tree, grown along one user's answers.

Golbandi, Koren & Lempel, "Adaptive Bootstrapping of Recommender Systems Using Decision Trees"
(2011): a node is the warm users who gave the answers given so far; the item is asked that splits
them into those who like and those who dislike it such that the squared error of all items' means
falls most. Here a user is asked only what they can answer, so the third branch, "unknown", is never
taken, and each user has a pool of their own: the tree is grown where it is walked. Where few warm
users are left, what most of them rated is asked.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldbench.episode import Users

Int = NDArray[np.int64]
Float = NDArray[np.floating[Any]]
LIKE = 0.5  # a label above it is a like
LEAST, NODE = 10, 200  # warm users of a node that is still split, and of one that are counted
MOST = 2_000  # warm users who are remembered: the first
COUNTED = 400  # items whose error is counted: the most rated
DAMPING = 4.0  # ratings of the mean added to an item's mean in a node
BLOCK = 256  # items that are tried at once


class QuestionTree:
    """Warm users' ratings, and what a question would be worth in any node."""

    def __init__(self, warm: Users) -> None:
        ratings = warm.matrix()[:MOST]
        who = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
        sums, counts = (
            np.bincount(ratings.indices, x, ratings.shape[1]) for x in (ratings.data, None)
        )
        self.rated, self.likes, self.left = np.zeros((3, *ratings.shape), np.float32)
        self.rated[who, ratings.indices] = 1  # (U, n_items) where there is a rating
        self.likes[who, ratings.indices] = ratings.data > LIKE
        mean = sums / np.maximum(counts, 1)
        self.left[who, ratings.indices] = ratings.data - mean[ratings.indices]  # less the mean
        self.counts = counts.astype(np.float64)
        self.counted = np.sort(np.argsort(-counts, kind="stable")[:COUNTED])
        self.root = np.full(ratings.shape[1], np.nan)  # worth of a first question, once computed

    def worth(self, items: Int, labels: Float, pool: Int) -> Float:
        """(P,) by how much asking for each item of the pool would lower the squared error in the
        node of those who said the same of (n,) `items`."""
        if not len(items):
            new = np.unique(pool[np.isnan(self.root[pool])])
            self.root[new] = self._gains(np.arange(len(self.rated)), new)
            return self.root[pool]
        same = (self.rated[:, items] > 0) & (self.likes[:, items] == (labels > LIKE))
        node = np.flatnonzero(same.all(1))[:NODE]
        return self.counts[pool] if len(node) < LEAST else self._gains(node, pool)

    def _gains(self, node: Int, items: Int) -> Float:
        """(n,) sum over the items that count of what two means explain more than one, when the
        users of the node who rated an item are split by whether they liked it."""
        rated, left = (table[np.ix_(node, self.counted)] for table in (self.rated, self.left))
        gains = np.zeros(len(items))
        for at in range(0, len(items), BLOCK):
            block = items[at : at + BLOCK]
            place = np.ix_(node, block)
            like = self.likes[place].T  # (b, U)
            parts = [(side @ left, side @ rated) for side in (like, self.rated[place].T - like)]
            (up, n_up), (down, n_down) = parts  # (b, C) each: sums of what is left, ratings
            apart = up**2 / (n_up + DAMPING) + down**2 / (n_down + DAMPING)
            together = (up + down) ** 2 / (n_up + n_down + DAMPING)
            gains[at : at + BLOCK] = (apart - together).sum(1)
        return gains
