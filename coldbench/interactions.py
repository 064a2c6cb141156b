"""The two tables everything starts from: who rated what, and what is known of the items."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Interactions:
    """A rating log as compressed sparse rows: the rows of user u are `offsets[u]:offsets[u + 1]`.

    Within a user, rows are in time order (ties and logs without times: file order).
    """

    offsets: Int  # (U + 1,)
    items: NDArray[np.int32]  # (N,)
    ratings: NDArray[np.float32]  # (N,) on the dataset's own scale
    times: Int | None  # (N,) seconds since 1970, or None where the log has no times
    n_items: int
    duplicates: int = 0  # rows dropped because the same user rated the same item again later

    @classmethod
    def from_rows(
        cls,
        users: NDArray[np.integer],
        items: NDArray[np.integer],
        ratings: NDArray[np.floating],
        times: NDArray[np.integer] | None,
        n_items: int,
    ) -> Self:
        """Rows in any order; users and items are numbered from 0. Of duplicates the last stays."""
        columns = {"user": users.astype(np.int32), "item": items.astype(np.int32)}
        columns["rating"] = ratings.astype(np.float32)
        if times is not None:
            columns["time"] = times.astype(np.int64)
        rows = pl.DataFrame(columns)
        key = rows["user"].to_numpy().astype(np.int64) * n_items + rows["item"].to_numpy()
        key.sort()
        by = ["user"] if times is None else ["user", "time"]
        rows = rows.sort(by, maintain_order=True)
        if (key[1:] == key[:-1]).any():
            rows = rows.unique(["user", "item"], keep="last", maintain_order=True)
        n_users = int(users.max()) + 1 if len(users) else 0
        offsets = np.zeros(n_users + 1, np.int64)
        np.cumsum(np.bincount(rows["user"].to_numpy(), minlength=n_users), out=offsets[1:])
        return cls(
            offsets,
            rows["item"].to_numpy(),
            rows["rating"].to_numpy(),
            None if times is None else rows["time"].to_numpy(),
            n_items,
            len(users) - len(rows),
        )

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
        offsets = np.concatenate([[0], np.cumsum(kept)])
        return Interactions(
            offsets, self.items[chosen], self.ratings[chosen], times, self.n_items, self.duplicates
        )

    def hash(self) -> str:
        """What the log says, as 16 hexadecimal digits."""
        digest = blake2b(digest_size=8)
        for column in (self.offsets, self.items, self.ratings, self.times):
            digest.update(b"none" if column is None else np.ascontiguousarray(column).data)
        return digest.hexdigest()


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
