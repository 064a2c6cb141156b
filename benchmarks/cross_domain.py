"""Across data sets: learn from the users of one, meet the cold users of another, by text alone.

`-d "ml-100k>coat"`: both logs side by side, no item in both. A method needs nothing of its own for
it: to one who learnt from films a coat is an item nobody rated, and its text is all there is. Who
is met, with which supports and queries, is as in the other set alone, seed by seed: so a row of
"ml-100k>coat" stands beside the same method taught on "coat".
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from coldbench.dataset import Dataset
from coldbench.errors import UserError
from coldbench.interactions import Catalogue, Interactions


@dataclass(frozen=True)
class Across(Dataset):
    """Ratings are brought to the scale of the set that is met, and a like is what that calls so."""

    learnt: Dataset  # whose users are learnt from and chosen by
    met: Dataset  # whose users are judged

    def __post_init__(self) -> None:
        for one in (self.learnt, self.met):
            if not one.explicit:
                raise UserError(
                    f"{type(one).__name__} is a log of likes alone: across data sets both need "
                    "ratings of what is liked and of what is not"
                )

    @property
    def domain(self) -> str:  # type: ignore[override]
        return self.met.domain

    @property
    def citation(self) -> str:  # type: ignore[override]
        return f"{self.learnt.citation}; {self.met.citation}"

    @property
    def licence(self) -> str:  # type: ignore[override]
        return f"{self.learnt.licence}; {self.met.licence}"

    @property
    def scale(self) -> tuple[float, float]:  # type: ignore[override]
        return self.met.scale

    @property
    def like_above(self) -> float:  # type: ignore[override]
        return self.met.like_above

    @property
    def unclaimed(self) -> tuple[str, ...]:
        return self.learnt.unclaimed + self.met.unclaimed

    def load(self) -> tuple[Interactions, Catalogue]:
        """The users and items of the set that is learnt from come first."""
        (lent, known), (log, asked) = self.learnt.load(), self.met.load()
        low, high = self.scale
        ratings = low + (high - low) * self.learnt.labels(lent.ratings, "rating")
        times = None
        if log.times is not None:
            before = np.zeros(len(lent), np.int64) if lent.times is None else lent.times
            times = np.concatenate([before, log.times])
        both = Interactions(
            np.concatenate([lent.offsets, lent.offsets[-1] + log.offsets[1:]]),
            np.concatenate([lent.items, lent.n_items + log.items]),
            np.concatenate([ratings, log.ratings]).astype(np.float32),
            times,
            lent.n_items + log.n_items,
            lent.duplicates + log.duplicates,
            (lent.n_users, lent.n_items),
        )
        # vectors that come with a set say nothing in another
        text, tags = known.text + asked.text, known.tags + asked.tags
        return both, Catalogue(known.ids + asked.ids, text, tags)

    def people(self) -> pl.DataFrame | None:
        people = self.met.people()
        if people is None:
            return None
        nobody = people.clear(self.learnt.load()[0].n_users)
        return pl.concat([nobody, people])
