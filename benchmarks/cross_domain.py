"""Cross-domain: train on the users of one data set, evaluate the cold users of another, by text.

`-d "ml-100k>coat"`: both logs side by side, no item in both. A method needs nothing of its own for
it: to one trained on films a coat is an item nobody rated, and its text is all there is. The cold
users, their supports and their queries are those of the target alone, seed by seed: so a row of
"ml-100k>coat" stands beside the same method trained on "coat".
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from coldbench.dataset import Dataset
from coldbench.errors import UserError
from coldbench.interactions import Catalogue, Interactions


@dataclass(frozen=True)
class CrossDomain(Dataset):
    """Ratings are brought to the scale of the target, and a like is what the target calls one."""

    source: Dataset  # has the warm and the valid users
    target: Dataset  # has the cold users

    def __post_init__(self) -> None:
        for dataset in (self.source, self.target):
            if not dataset.explicit:
                raise UserError(
                    f"{type(dataset).__name__} is a positive-only log: across data sets both need "
                    "ratings of what is liked and of what is not"
                )

    @property
    def domain(self) -> str:  # type: ignore[override]
        return self.target.domain

    @property
    def citation(self) -> str:  # type: ignore[override]
        return f"{self.source.citation}; {self.target.citation}"

    @property
    def licence(self) -> str:  # type: ignore[override]
        return f"{self.source.licence}; {self.target.licence}"

    @property
    def scale(self) -> tuple[float, float]:  # type: ignore[override]
        return self.target.scale

    @property
    def like_above(self) -> float:  # type: ignore[override]
        return self.target.like_above

    @property
    def unclaimed(self) -> tuple[str, ...]:
        return self.source.unclaimed + self.target.unclaimed

    def load(self) -> tuple[Interactions, Catalogue]:
        """The users and items of the source come first."""
        (first, first_items), (log, items) = self.source.load(), self.target.load()
        low, high = self.scale
        ratings = low + (high - low) * self.source.labels(first.ratings, "rating")
        times = None
        if log.times is not None:
            before = np.zeros(len(first), np.int64) if first.times is None else first.times
            times = np.concatenate([before, log.times])
        both = Interactions(
            np.concatenate([first.offsets, first.offsets[-1] + log.offsets[1:]]),
            np.concatenate([first.items, first.n_items + log.items]),
            np.concatenate([ratings, log.ratings]).astype(np.float32),
            times,
            first.n_items + log.n_items,
            first.duplicates + log.duplicates,
            (first.n_users, first.n_items),
        )
        # vectors that come with a set mean nothing in another
        text, tags = first_items.text + items.text, first_items.tags + items.tags
        return both, Catalogue(first_items.ids + items.ids, text, tags)

    def people(self) -> pl.DataFrame | None:
        people = self.target.people()
        if people is None:
            return None
        nobody = people.clear(self.source.load()[0].n_users)
        return pl.concat([nobody, people])
