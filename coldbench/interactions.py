"""The two tables that everything starts from: the interactions, and the catalogue of items."""

from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
SECOND = 1_000_000  # times are in microseconds


@dataclass(frozen=True)
class Interactions:
    """A rating log as compressed sparse rows: the rows of user u are `offsets[u]:offsets[u + 1]`.

    Within a user, rows are in time order (ties and logs without times: file order).
    """

    offsets: Int  # (U + 1,)
    items: NDArray[np.int32]  # (N,)
    ratings: NDArray[np.float32]  # (N,) on the dataset's own scale
    times: Int | None  # (N,) microseconds since 1970, or None where the log has no times
    n_items: int
    duplicates: int = 0  # rows dropped because the same user rated the same item again later
    n_source: tuple[int, int] = (0, 0)  # so many first users and items are of another data set

    @classmethod
    def from_rows(
        cls,
        users: NDArray[np.integer],
        items: NDArray[np.integer],
        ratings: NDArray[np.floating],
        times: NDArray[np.integer] | None,
        n_items: int,
    ) -> "Interactions":
        """Rows in any order; users and items are numbered from 0. Of duplicates the last stays.

        Linear in the rows but for one sort of whole numbers.
        """
        n_users = int(users.max()) + 1 if len(users) else 0
        offsets = np.zeros(n_users + 1, np.int64)
        np.cumsum(np.bincount(users, minlength=n_users), out=offsets[1:])
        order = _in_order(users, times, offsets)
        log = cls(
            offsets,
            items.astype(np.int32, copy=False)[order],
            ratings.astype(np.float32, copy=False)[order],
            None if times is None else times.astype(np.int64, copy=False)[order],
            n_items,
        )
        del order
        last = _last_of_each(log)
        if last is None:
            return log
        return replace(log.rows(last), duplicates=len(log) - int(last.sum()))

    def __len__(self) -> int:
        return len(self.items)

    @property
    def n_users(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> Int:
        """(U,) interactions of each user."""
        return np.diff(self.offsets)

    @property
    def users(self) -> Int:
        """(N,) the user of each row."""
        return np.repeat(np.arange(self.n_users), self.counts)

    def rows(self, chosen: NDArray[np.bool_] | Int) -> "Interactions":
        """Only the chosen rows (a mask, or row numbers that keep each user's rows together)."""
        kept = np.bincount(self.users[chosen], minlength=self.n_users)
        times = None if self.times is None else self.times[chosen]
        return replace(
            self,
            offsets=np.concatenate([[0], np.cumsum(kept)]),
            items=self.items[chosen],
            ratings=self.ratings[chosen],
            times=times,
        )

    def hash(self) -> str:
        """What the log says, as 16 hexadecimal digits."""
        digest = blake2b(digest_size=8)
        for column in (self.offsets, self.items, self.ratings, self.times):
            digest.update(b"none" if column is None else np.ascontiguousarray(column).data)
        return digest.hexdigest()


def _in_order(users: NDArray[np.integer], times: NDArray[np.integer] | None, offsets: Int) -> Int:
    """(N,) row numbers by user, then time, then as they came."""
    n = len(users)
    by_user = users.astype(np.int64)
    by_user *= n
    by_user += np.arange(n)
    by_user.sort()  # numbers sort faster than rows, and no two are the same, so any sort is stable
    by_user %= max(n, 1)
    by_user = by_user.astype(np.min_scalar_type(n))
    if times is None or not n:
        return by_user
    counts = np.diff(offsets)
    first, span, most = int(times.min()), int(np.ptp(times)) + 1, int(counts.max())
    exact = next(unit for unit in (SECOND, SECOND // 1000, 1) if not (times % unit).any())
    step = exact  # or coarser, for the key below to fit
    while (span // step + 1) * most * len(counts) >= 2**63:
        step *= 10
    key = np.repeat(np.arange(len(counts)), counts)
    key *= span // step + 1
    passed = times[by_user]  # in place: a copy of a long log is the peak of its memory
    passed -= first
    passed //= step
    key += passed
    del passed
    key *= most
    key += _place(offsets)
    key.sort()
    key %= most
    key += np.repeat(offsets[:-1], counts)
    order = by_user[key]
    if step > exact:
        _order_within(step, order, times.astype(np.int64) - first, users)
    return order


def _order_within(step: int, order: Int, times: Int, users: NDArray[np.integer]) -> None:
    """Put the rows of a user and a step of time in the order of their times, in place."""
    times, users = times[order], users[order]
    if not ((np.diff(times) < 0) & (np.diff(users) == 0)).any():
        return
    steps = times // step
    fresh = (np.diff(steps) != 0) | (np.diff(users) != 0)
    alone = np.append(True, fresh) & np.append(fresh, True)
    rows, group = np.flatnonzero(~alone), np.append(0, np.cumsum(fresh))
    order[rows] = order[rows[np.lexsort((times[rows], group[rows]))]]


def _last_of_each(log: Interactions) -> NDArray[np.bool_] | None:
    """(N,) which rows are the last of their user and item; None where all are."""
    if not _any_twice(_pairs(log)):
        return None
    pair = _pairs(log)
    order = np.argsort(pair, kind="stable")
    last = np.ones(len(log), bool)
    last[order[:-1]] = pair[order[1:]] != pair[order[:-1]]
    return last


def _pairs(log: Interactions) -> Int:
    """(N,) one number for each row's user and item."""
    pair = log.users
    pair *= log.n_items
    pair += log.items
    return pair


def _any_twice(numbers: Int) -> bool:
    """Sorts them in place."""
    numbers.sort()
    return bool((numbers[1:] == numbers[:-1]).any())


def _place(offsets: Int) -> Int:
    """(N,) the place of each row among its user's."""
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))


@dataclass(frozen=True)
class Catalogue:
    """What is known of the items before anyone rated them."""

    ids: tuple[str, ...]  # the source's own names of the items
    text: tuple[str, ...]  # one line an item: what the encoder reads
    tags: tuple[tuple[str, ...], ...]  # genres, sectors, categories
    vectors: NDArray[np.float32] | None = None  # (n_items, D) features that come with the set

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.text) == len(self.tags):
            raise ValueError("a catalogue has one id, one text and one list of tags an item")

    def __len__(self) -> int:
        return len(self.ids)

    def hash(self) -> str:
        """What the catalogue says, as 16 hexadecimal digits."""
        digest = blake2b(repr((self.ids, self.text, self.tags)).encode(), digest_size=8)
        if self.vectors is not None:
            digest.update(np.ascontiguousarray(self.vectors).data)
        return digest.hexdigest()
