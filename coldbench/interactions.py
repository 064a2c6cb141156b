"""The two tables that everything starts from: the interactions, and the catalogue of items."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from coldbench.in_turn import in_turn

Int = NDArray[np.int64]
SECOND = 1_000_000  # times are in microseconds
LEAST, STRETCHES = 1 << 21, 32  # rows of a log that are sorted at a time, or its stretches


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

        Users are sorted some at a time, so that a long log takes little beside its own columns;
        linear in the rows but for sorts of whole numbers.
        """
        n, n_users = len(users), int(users.max()) + 1 if len(users) else 0
        offsets = np.zeros(n_users + 1, np.int64)
        np.cumsum(np.bincount(users, minlength=n_users), out=offsets[1:])
        counts, kept = np.zeros(n_users, np.int64), 0
        of_items, of_ratings = np.empty(n, np.int32), np.empty(n, np.float32)
        of_times = None if times is None else np.empty(n, np.int64)
        grouped = bool((users[1:] >= users[:-1]).all())

        def in_order(stretch: tuple[int, int]) -> tuple[slice, Int, Int]:
            """Users, how many rows each of them keeps, and these rows."""
            first, after = stretch
            begin, own = int(offsets[first]), offsets[first : after + 1] - offsets[first]
            if grouped:
                rows = np.arange(begin, begin + own[-1])
            else:
                rows = np.flatnonzero((first <= users) & (users < after))
            rows = rows[_in_order(users[rows] - first, None if times is None else times[rows], own)]
            who = np.repeat(np.arange(after - first), np.diff(own))
            last = _last_of_each(who * n_items + items[rows])
            if last is not None:
                rows, who = rows[last], who[last]
            return slice(first, after), np.bincount(who, minlength=after - first), rows

        for of_users, own, rows in in_turn(in_order, stretches(offsets, _most_sorted(n))):
            counts[of_users] = own
            to = slice(kept, kept + len(rows))
            of_items[to], of_ratings[to] = items[rows], ratings[rows]
            if times is not None and of_times is not None:
                of_times[to] = times[rows]
            kept = to.stop
        of_times = None if of_times is None else of_times[:kept]
        offsets[1:] = np.cumsum(counts)
        return cls(offsets, of_items[:kept], of_ratings[:kept], of_times, n_items, n - kept)

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

    def of_users(self, users: slice) -> "Interactions":
        """The rows of some users in a row, who are numbered from 0: no copy."""
        first, after = users.start, users.stop
        own = slice(int(self.offsets[first]), int(self.offsets[after]))
        return replace(
            self,
            offsets=self.offsets[first : after + 1] - own.start,
            items=self.items[own],
            ratings=self.ratings[own],
            times=None if self.times is None else self.times[own],
        )

    def hash(self) -> str:
        """What the log says, as 16 hexadecimal digits."""
        digest = blake2b(digest_size=8)
        for column in (self.offsets, self.items, self.ratings, self.times):
            digest.update(b"none" if column is None else np.ascontiguousarray(column).data)
        return digest.hexdigest()


def stretches(offsets: Int, most: int) -> Iterator[tuple[int, int]]:
    """(first, one after the last) of users who have at most so many rows together, unless one user
    has more."""
    first = 0
    while first < len(offsets) - 1:
        after = int(np.searchsorted(offsets, offsets[first] + most, "right")) - 1
        yield first, max(after, first + 1)
        first = max(after, first + 1)


def _most_sorted(n: int) -> int:
    return max(LEAST, n // STRETCHES)


def _in_order(users: NDArray[np.integer], times: NDArray[np.integer] | None, offsets: Int) -> Int:
    """(N,) row numbers by user, then time, then as they came."""
    n = len(users)
    by_user = _stably(users.astype(np.int64))[0].astype(np.min_scalar_type(n))
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


def _last_of_each(pair: Int) -> NDArray[np.bool_] | None:
    """(N,) which rows are the last of their user and item; None where all are. pair: from 0."""
    order, ordered = _stably(pair)
    again = ordered[1:] == ordered[:-1]
    if not again.any():
        return None
    last = np.ones(len(pair), bool)
    last[order[:-1]] = ~again
    return last


def _stably(numbers: Int) -> tuple[Int, Int]:
    """(N,) row numbers by these, from 0, then as they came; (N,) the numbers in that order."""
    places = len(numbers).bit_length()
    if int(numbers.max(initial=0)).bit_length() + places > 63:
        order = np.argsort(numbers, kind="stable")
        return order, numbers[order]
    packed = numbers << places  # numbers sort faster than rows
    packed |= np.arange(len(numbers))
    packed.sort()
    return packed & ((1 << places) - 1), packed >> places


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
