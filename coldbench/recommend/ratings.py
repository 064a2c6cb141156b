"""Ratings as a caller writes them, checked, and as a method reads them.

One user is {"50": 5, "172": 4}, or a list of (item, rating) or (item, rating, seconds since 1970);
several users are a list of these.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from coldbench.episode import Feedback
from coldbench.errors import UserError
from coldbench.recommend.titles import Titles

MOST = 10_000  # ratings of a user: more is a mistake, or an attack
DAY = 86_400.0  # seconds

Row = tuple[int, float, float | None]  # the item's number, the label, seconds since 1970
One = Mapping[str, float] | Sequence[tuple[str, float] | tuple[str, float, float]]


@dataclass(frozen=True)
class Scale:
    """From ratings to the labels that a method was trained on."""

    low: float  # the worst rating
    high: float  # the best rating
    like_above: float  # a rating above this is a like
    labels: Literal["rating", "like"]  # as in Protocol

    def label(self, rating: float) -> float:
        """0..1, as Dataset.labels has it."""
        if self.labels == "like":
            return float(rating > self.like_above)
        return (rating - self.low) / (self.high - self.low)


def is_one_user(ratings: Any) -> bool:
    """Whether these are one user's ratings; else a list of users'. [] is a list of no user."""
    if isinstance(ratings, Mapping):
        return True
    if not _is_list(ratings):
        raise UserError(
            f"ratings are {{item: rating}} or a list of (item, rating), not {ratings!r}"[:200]
        )
    first = ratings[0] if ratings else {}
    if isinstance(first, Mapping) or not first:
        return False
    return not _is_list(first) or not (_is_list(first[0]) or isinstance(first[0], Mapping))


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) or (
        isinstance(value, Sequence) and not isinstance(value, str)
    )


def feedback(
    users: Sequence[One], scale: Scale, titles: Titles, now: Sequence[float] | None = None
) -> Feedback:
    """(B, K) what B users said, oldest first, shorter ones padded in front.

    now: (B,) seconds since 1970 at which each user asks; by default the time of their last rating.
    Raises UserError for an unknown item, one rated twice, a rating off the scale, or a time that is
    none.
    """
    return padded([rows(user, scale, titles) for user in users], now)


def padded(users: Sequence[list[Row]], now: Sequence[float] | None = None) -> Feedback:
    """(B, K) the rows of B users, shorter ones padded in front. now: as above."""
    lengths = np.fromiter(map(len, users), np.int64, len(users))
    most = int(lengths.max(initial=0))
    mask = np.arange(most) >= most - lengths[:, None]
    items, labels = np.zeros(mask.shape, np.int64), np.zeros(mask.shape, np.float32)
    ages = np.zeros(mask.shape, np.float32)
    flat = [row for user in users for row in user]
    items[mask] = [row[0] for row in flat]
    labels[mask] = [row[1] for row in flat]
    for b, user in enumerate(users):
        if user and user[0][2] is not None:
            time = np.array([row[2] for row in user])
            ages[b, most - len(user) :] = ((time[-1] if now is None else now[b]) - time) / DAY
    return Feedback(*map(torch.from_numpy, (items, labels, ages, mask)))


def made_up(items: list[int]) -> Feedback:
    """(1, K) a user who likes the first, third, ... of the items and dislikes the others."""
    rated = torch.tensor([items], dtype=torch.int64)
    labels = ((torch.arange(len(items)) + 1) % 2).float()[None]
    return Feedback(rated, labels, torch.zeros_like(labels), torch.ones_like(rated).bool())


def places(user: One) -> list[int]:
    """Where each rating of a user stands once they are in order of time."""
    rows: list[Any] = list(user.items()) if isinstance(user, Mapping) else list(user)
    order = sorted(range(len(rows)), key=lambda at: rows[at][2] if rows[at][2:] else 0.0)
    return sorted(range(len(rows)), key=order.__getitem__)


def rows(user: Any, scale: Scale, titles: Titles) -> list[Row]:
    """One user's ratings, in order of time where there are times. Raises as `feedback` does."""
    if isinstance(user, Mapping):
        user = list(user.items())
    if not _is_list(user):
        raise UserError(f"a user is {{item: rating}} or a list of pairs, not {user!r}"[:200])
    if len(user) > MOST:
        raise UserError(f"{len(user):,} ratings of one user; at most {MOST:,} are read")
    parsed = [_row(row, scale, titles) for row in user]
    seen: set[int] = set()
    for at, *_ in parsed:
        if at in seen:
            raise UserError(f"item {titles.ids[at]!r} is rated twice: leave one out")
        seen.add(at)
    timed = [row for row in parsed if row[2] is not None]
    if timed and len(timed) < len(parsed):
        raise UserError("some ratings have a time and some have none: give all of them, or none")
    return sorted(parsed, key=lambda row: row[2] or 0.0) if timed else parsed


def _row(row: Any, scale: Scale, titles: Titles) -> Row:
    if not _is_list(row) or len(row) not in (2, 3):
        raise UserError(f"a rating is (item, rating) or (item, rating, time), not {row!r}"[:200])
    item, rating, *time = row
    at = titles.number(item)
    if not _is_number(rating) or not scale.low <= rating <= scale.high:
        raise UserError(
            f"the rating {rating!r:.40} of item {item!r} is not on the scale, "
            f"{scale.low:g} to {scale.high:g}"
        )
    if time and not _is_number(time[0]):
        raise UserError(f"the time {time[0]!r:.40} of item {item!r} is no number of seconds")
    return at, scale.label(float(rating)), float(time[0]) if time else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
