"""TALLRec's movie rows, rebuilt from MovieLens 100K: ten films with likes, then the one asked for.

Bao et al., "TALLRec: An Effective and Efficient Tuning Framework to Align Large Language Model with
Recommendation" (2023), arXiv:2305.00447: users in the order in which the log first names them, each
user's ratings by time, a row for each rating that ten come before; of all rows the last 10,000, the
first 8,000 of them to train on, 1,000 to choose by, 1,000 to test on.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coldbench import registry
from coldbench.episode import Episodes, Users
from coldbench.files.locate import local_path, locate
from coldbench.interactions import Catalogue, Int, Interactions
from coldbench.method import Method

HISTORY = 10  # films before the one that is asked for
LAST, TRAIN, VALID = 10_000, 8_000, 1_000  # rows kept; the first so many of them; the next


@dataclass(frozen=True)
class Rows:
    """Rows as TALLRec has them, each a place in the log: the film asked for."""

    log: Interactions
    likes: NDArray[np.float32]  # (N,) float32, 1 = more than three stars
    films: Catalogue  # titles alone: what TALLRec's prompt says of a film
    places: Int  # (R,) rows of the log

    @property
    def users(self) -> Int:
        """(R,) whose row it is."""
        return np.searchsorted(self.log.offsets, self.places, "right") - 1

    @property
    def strips(self) -> Int:
        """(R, 11) rows of the log: the ten before, oldest first, and the one asked for."""
        return self.places[:, None] + np.arange(-HISTORY, 1)

    def part(self, chosen: slice | Int) -> "Rows":
        return replace(self, places=self.places[chosen])

    def as_users(self) -> Users:
        """Each row a user of its own with eleven interactions."""
        flat = self.strips.ravel()
        times = None if self.log.times is None else self.log.times[flat]
        offsets = np.arange(len(self.places) + 1) * (HISTORY + 1)
        log = Interactions(
            offsets, self.log.items[flat], self.log.ratings[flat], times, self.log.n_items
        )
        return Users(log, self.likes[flat], self.users)

    def as_episodes(self) -> Episodes:
        """Each row a user who is met with ten likes and dislikes and asked for one film."""
        rows = np.arange(self.strips.size).reshape(self.strips.shape)
        who = np.arange(len(rows))
        return Episodes(self.as_users(), who, rows[:, :HISTORY], rows[:, HISTORY:])


def every_row() -> Rows:
    """All 90,570, users in the order in which the file first names them."""
    dataset: Any = registry.find("datasets", "ml-100k")()
    log, catalogue = dataset.load()
    order = _first_named(dataset)
    places = [np.arange(log.offsets[u] + HISTORY, log.offsets[u + 1]) for u in order]
    likes = dataset.labels(log.ratings, "like")
    return Rows(log, likes, _titles_alone(catalogue), np.concatenate(places))


def train_valid_test() -> tuple[Rows, Rows, Rows]:
    """8,000, 1,000 and 1,000 rows of 80, 14 and 16 users; neighbouring parts share one."""
    rows = every_row()
    last = rows.part(slice(len(rows.places) - LAST, None))
    cuts = slice(TRAIN), slice(TRAIN, TRAIN + VALID), slice(TRAIN + VALID, LAST)
    train, valid, test = (last.part(cut) for cut in cuts)
    return train, valid, test


@torch.no_grad()
def meet(method: Method[Any], rows: Rows) -> NDArray[np.float32]:
    """(R,) what a method that has learnt expects of each row, from its ten films before."""
    batches = rows.as_episodes().batches(HISTORY)
    scores = [method.score(method.adapt(b.support), b.query.items) for b in batches]  # (B, 1) each
    return torch.cat(scores)[:, 0].numpy()


def _titles_alone(films: Catalogue) -> Catalogue:
    """The films without their genres, which the dataset's text ends in."""
    genres = (", ".join(tag for tag in tags if tag != "unknown") for tags in films.tags)
    titles = (text.removesuffix(f": {tags}") for text, tags in zip(films.text, genres, strict=True))
    return Catalogue(films.ids, tuple(titles), ((),) * len(films))


def _first_named(dataset: Any) -> Int:
    """The users' numbers in the order of the file. Both editions have a user's id first."""
    for file in (dataset.or_else[0], dataset.files[0]):
        if local_path("ml-100k", file):
            break
    lines = locate("ml-100k", file).read_text(encoding="latin-1").splitlines()
    first = dict.fromkeys(line.split("\t")[0] for line in lines)
    ids = [int(word) for word in first if word.isdigit()]  # a header's word is none
    return np.searchsorted(np.sort(ids), ids)
