"""A cold-start user as a small learning task: a few labelled items seen, some others to guess.

Shapes: B users, N items each (K in the support, Q in the query). Short rows are padded with
item 0 and `mask` is True where an interaction is real.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from coldbench.interactions import SECOND, Int, Interactions
from coldbench.spilled import in_bounds

DAY = 86_400.0 * SECOND


@dataclass(frozen=True)
class Feedback:
    """What B users said about N items each."""

    items: Tensor  # (B, N) int64
    labels: Tensor  # (B, N) float32, 0 = dislike or worst rating, 1 = like or best rating
    days_before_query: Tensor  # (B, N) float32, since it began; 0 where the log has no times
    mask: Tensor  # (B, N) bool

    def to(self, device: torch.device) -> "Feedback":
        return self.map(lambda column: column.to(device))

    def map(self, change: Callable[[Tensor], Tensor]) -> "Feedback":
        """The same change made to each of the four columns."""
        return Feedback(*map(change, (self.items, self.labels, self.days_before_query, self.mask)))


@dataclass(frozen=True)
class EpisodeBatch:
    """B episodes side by side. `adapt` gets `support`, `score` gets `query.items` and no more."""

    users: Tensor  # (B,) int64, the users' numbers in the dataset
    support: Feedback  # (B, K)
    query: Feedback  # (B, Q)

    def to(self, device: torch.device) -> "EpisodeBatch":
        return EpisodeBatch(self.users.to(device), self.support.to(device), self.query.to(device))


@dataclass(frozen=True)
class Users:
    """Some users' histories in the order an episode is cut from, with their labels."""

    log: Interactions
    labels: NDArray[np.float32]  # (N,) in 0..1, one a row of the log
    ids: Int  # (U,) the users' numbers in the dataset
    negatives_per_positive: int = 0  # drawn from the unseen, after each like of a positive-only log

    def only(self, chosen: NDArray[np.bool_]) -> "Users":
        """The users who have chosen rows (N,), with those rows alone."""
        log = self.log.rows(chosen)
        active = np.flatnonzero(log.counts > 0)
        kept = replace(log, offsets=np.concatenate([[0], log.offsets[1:][active]]))
        return replace(self, log=kept, labels=self.labels[chosen], ids=self.ids[active])

    def item_counts(self, *, drawn: bool = False) -> Int:
        """(n_items,) how many of the users interacted with each item, whatever they thought; drawn:
        with those who had it drawn from the unseen."""
        counts = np.zeros(self.log.n_items, np.int64)
        each = 1 if drawn else 1 + self.negatives_per_positive
        for _, rows in in_bounds(self.log.offsets):
            positive = self.log.items[rows][::each]
            counts += np.bincount(positive, minlength=self.log.n_items)
        return counts

    def matrix(self) -> csr_matrix:
        """(U, n_items) sparse labels. A label of 0 is stored: absent means not rated."""
        shape = self.log.n_users, self.log.n_items
        return csr_matrix((self.labels, self.log.items, self.log.offsets), shape)

    def sample(
        self, count: int, size: int, *, shots: Sequence[int], query: int, seed: int
    ) -> Iterator[EpisodeBatch]:
        """`count` batches of `size` random users, for meta-training.

        Each batch has one K, drawn from `shots`; each episode is a random stretch of its user's
        history: the query, and the K interactions before it. Short histories are masked. Where a
        log has likes only the support has likes only, and unseen items are asked for as often.
        """
        rng = np.random.default_rng(seed)
        each = 1 + self.negatives_per_positive
        query = max(1, query // each)
        able = np.flatnonzero(self.log.counts >= 2 * each)
        if not len(able):
            raise ValueError("no user here has two interactions: nothing to make an episode of")
        for _ in range(count):
            k = int(rng.choice(np.asarray(shots)))
            users = rng.choice(able, size)
            begin, n = self.log.offsets[users] // each, self.log.counts[users] // each
            first = np.minimum(k, n - 1)
            last = np.maximum(first, n - query)
            start = begin + rng.integers(first, last + 1)
            support = start[:, None] - np.arange(k, 0, -1)  # (B, K)
            asked = start[:, None] + np.arange(query)  # (B, Q)
            support[support < begin[:, None]] = -1
            asked[asked >= (begin + n)[:, None]] = -1
            if self.negatives_per_positive:
                support = np.where(support < 0, -1, support * each)
                rows = asked[:, :, None] * each + np.arange(each)  # (B, Q, each)
                asked = np.where(asked[:, :, None] < 0, -1, rows).reshape(size, -1)
            yield _batch(self, users, support, asked)


@dataclass(frozen=True)
class Episodes:
    """Users who are met: a fixed query each, and the interactions that come before it."""

    users: Users
    user_index: Int  # (E,) index into `users`
    support: Int  # (E, S) rows of the log, oldest first; -1 where there is none
    query: Int  # (E, Q) rows of the log; -1 where there is none

    def __len__(self) -> int:
        return len(self.user_index)

    @property
    def max_shots(self) -> int:
        return self.support.shape[1]

    @property
    def query_size(self) -> int:
        return self.query.shape[1]

    def batches(self, shots: int, size: int = 256) -> Iterator[EpisodeBatch]:
        """Every episode once, with its last `shots` support interactions, always in this order."""
        seen = self.support[:, self.max_shots - shots :]  # (E, K)
        for at in range(0, len(self), size):
            part = slice(at, at + size)
            yield _batch(self.users, self.user_index[part], seen[part], self.query[part])

    def take(self, rows: Int | slice) -> "Episodes":
        return replace(
            self,
            user_index=self.user_index[rows],
            support=self.support[rows],
            query=self.query[rows],
        )

    def first(self, count: int) -> "Episodes":
        return self.take(slice(count))


def _batch(users: Users, who: Int, support: Int, query: Int) -> EpisodeBatch:
    log, now = users.log, None
    if log.times is not None:  # of a query's items the first in time; padding comes last
        latest = np.iinfo(np.int64).max
        now = np.where(query >= 0, log.times[query], latest).min(1)
    return EpisodeBatch(
        torch.from_numpy(users.ids[who]),
        _feedback(users, support, now),
        _feedback(users, query, now),
    )


def _feedback(users: Users, rows: Int, now: Int | None) -> Feedback:
    mask = rows >= 0
    safe = np.where(mask, rows, 0)
    if now is None or users.log.times is None:
        ages = np.zeros(rows.shape, np.float32)
    else:
        ages = ((now[:, None] - users.log.times[safe]) / DAY * mask).astype(np.float32)
    return Feedback(
        torch.from_numpy(np.where(mask, users.log.items[safe], 0).astype(np.int64)),
        torch.from_numpy(np.where(mask, users.labels[safe], 0).astype(np.float32)),
        torch.from_numpy(ages),
        torch.from_numpy(mask),
    )
