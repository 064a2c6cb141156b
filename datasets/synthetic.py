"""Made-up users whose taste is a hidden direction in a known item space: the right answer is known.

Every item has a place in the space (its vector) and a title made of the words that name its
strongest directions, so that a text encoder can find the taste too. Any size, to 100 million
interactions and beyond: the log is made a stretch at a time, in files where COLDBENCH_MEMORY does
not let memory hold it. No download.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldbench.dataset import Dataset
from coldbench.errors import UserError
from coldbench.interactions import SECOND, Catalogue, Int, Interactions
from coldbench.spilled import empty

ROWS = 1_000_000  # made at a time

WORDS = (
    "amber birch cedar dune ember fern grove harbour iris jade kelp lotus maple nettle onyx pearl "
    "quartz river sable thorn umber velvet willow yarrow zinc basalt cobalt drift echo flint gale "
    "haze"
).split(" ")  # two a direction: one for each of its ends


@dataclass(frozen=True)
class Synthetic(Dataset):
    n_users: int = 300
    n_items: int = 200
    per_user: int = 40  # interactions of each user
    n_directions: int = 8  # of the item space, 16 at most
    noise: float = 0.5  # standard deviation beside a liking of about 1
    popularity: float = 0.5  # how much of a liking is the item's own quality
    seed: int = 0

    domain = "made up"
    licence = "ours, Apache-2.0"
    citation = "coldbench"
    scale = (1.0, 5.0)
    like_above = 3.5
    size = "any; 300 users, 200 items, 12,000 ratings by default"

    def load(self) -> tuple[Interactions, Catalogue]:
        if not 1 <= self.per_user <= self.n_items:
            raise UserError(f"per_user = {self.per_user} is not within 1 to {self.n_items} items")
        rng = np.random.default_rng(self.seed)
        places = rng.normal(size=(self.n_items, self.n_directions)).astype(np.float32)
        quality = rng.normal(size=self.n_items).astype(np.float32)
        steps = np.flatnonzero(np.gcd(np.arange(1, self.n_items + 1), self.n_items) == 1) + 1
        n = self.n_users * self.per_user
        items, ratings, times = empty(n, np.int32), empty(n, np.float32), empty(n, np.int64)
        users = max(1, ROWS // self.per_user)
        for first in range(0, self.n_users, users):
            part = self._stretch(min(users, self.n_users - first), places, quality, steps, rng)
            rows = slice(first * self.per_user, first * self.per_user + len(part))
            assert part.times is not None
            items[rows], ratings[rows], times[rows] = part.items, part.ratings, part.times
        offsets = np.arange(self.n_users + 1) * self.per_user
        log = Interactions(offsets, items, ratings, times, self.n_items)
        return log, self._catalogue(places)

    def _stretch(
        self,
        n_users: int,
        places: NDArray[np.float32],
        quality: NDArray[np.float32],
        steps: Int,
        rng: np.random.Generator,
    ) -> Interactions:
        """The rows of some users, so that a long log is made in the memory of a short one."""
        taste = rng.normal(size=(n_users, self.n_directions)).astype(np.float32)
        taste /= np.linalg.norm(taste, axis=1, keepdims=True)
        users = np.repeat(np.arange(n_users, dtype=np.int32), self.per_user)
        start = rng.integers(0, self.n_items, (n_users, 1))
        step = rng.choice(steps, (n_users, 1))  # prime to n_items: a walk that meets no item twice
        walk = (start + step * np.arange(self.per_user)) % self.n_items
        items = walk.astype(np.int32).ravel()
        liking = np.einsum("nd,nd->n", taste[users], places[items], dtype=np.float32)
        liking += self.popularity * quality[items]
        liking += self.noise * rng.standard_normal(len(users), np.float32)
        ratings = np.clip(np.round(3.3 + 1.2 * liking), 1, 5).astype(np.float32)
        hours = rng.integers(0, 10_000, n_users)[users] + rng.integers(0, 100, len(users))
        times = (1_000_000_000 + 3_600 * hours) * SECOND  # a user comes and stays for four days
        return Interactions.from_rows(users, items, ratings, times, self.n_items)

    def _catalogue(self, places: np.ndarray) -> Catalogue:
        ids, text, tags = [], [], []
        for number, place in enumerate(places):
            strongest = np.argsort(-np.abs(place))[:3]
            words = tuple(WORDS[2 * d + int(place[d] < 0)] for d in strongest)
            ids.append(str(number))
            text.append(f"{' '.join(words).capitalize()} {number}")
            tags.append(words[:1])
        return Catalogue(tuple(ids), tuple(text), tuple(tags), places)
