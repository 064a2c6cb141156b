"""The one loop every method runs through: learn from warm users, meet the cold ones at every K.

The loop owns the labels: a method sees a support and the numbers of the items it is asked for.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import EpisodeBatch, Episodes
from coldbench.method import Method
from coldbench.protocol import Protocol, Seeds, Split

BATCH = 256  # users adapted to at once
TOP = 100  # of a ranked catalogue, kept


def meta_train(method: Method[Any], split: Split, items: Items, seeds: Seeds) -> None:
    """Learn from warm users with the global generators left as they were found."""
    kept = torch.random.get_rng_state()
    try:
        method.meta_train(split.warm, split.valid, items, seeds)
    finally:
        torch.random.set_rng_state(kept)


@dataclass(frozen=True)
class Scores:
    """What a method said of every judged user, at every number of shots."""

    query: pl.DataFrame  # user, shots, item, rating, label, score (and above, tied, candidates)
    top: pl.DataFrame | None  # user, shots, rank, item, score: the catalogue's first 100
    swapped: pl.DataFrame | None  # as query, at the largest K: each met with another's support


@torch.no_grad()
def evaluate(method: Method[Any], split: Split, protocol: Protocol, device: torch.device) -> Scores:
    """Meet every cold user at each K of the protocol.

    Raises ValueError where a score is not finite or not in 0..1, naming K and how many users.
    """
    met = [_meet(method, split, split.cold, protocol, k, device) for k in protocol.shots]
    tops = [top for _, top in met if top is not None]
    most, swapped = protocol.shots[-1], None
    if most and len(split.cold) > 1:
        swapped, _ = _meet(method, split, swap(split.cold), protocol, most, device)
    return Scores(pl.concat([rows for rows, _ in met]), pl.concat(tops) if tops else None, swapped)


def swap(cold: Episodes) -> Episodes:
    """A control that no honest method gains by: each user is met with the next one's support,
    less what this user is asked for."""
    log, support = cold.users.log, np.roll(cold.support, -1, 0)  # (E, S)
    asked = np.where(cold.query >= 0, log.items[cold.query], -1)  # (E, Q)
    known = (log.items[support][:, :, None] == asked[:, None]).any(2)
    return replace(cold, support=np.where(known, -1, support))


def _meet(
    method: Method[Any],
    split: Split,
    cold: Episodes,
    protocol: Protocol,
    shots: int,
    device: torch.device,
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """What is said of each cold user's query, and the catalogue's first where it is ranked."""
    real = cold.query >= 0
    ratings = cold.users.log.ratings[cold.query[real]]
    asked, tops = [], []
    for batch in cold.batches(shots, BATCH):
        there = batch.to(device)
        state = method.adapt(there.support)
        columns = {"score": checked(method.score(state, there.query.items), batch, shots)}
        if protocol.candidates == "all":
            ranked = _Ranked.of(method, state, batch, split, device)
            columns |= ranked.places
            tops.append(ranked.top.with_columns(shots=pl.lit(shots, pl.Int16)))
        asked.append(rows_of(batch, columns))
    rows = pl.concat(asked).with_columns(
        shots=pl.lit(shots, pl.Int16), rating=pl.Series(ratings, dtype=pl.Float32)
    )
    first = ["user", "shots", "item", "rating", "label", "score"]
    return rows.select(*first, pl.exclude(first)), pl.concat(tops) if tops else None


def checked(scores: Tensor, batch: EpisodeBatch, shots: int) -> Tensor:
    """(B, Q) scores on the CPU, of the right shape, finite and in 0..1."""
    scores = scores.float().cpu()
    if scores.shape != batch.query.items.shape:
        expected, found = tuple(batch.query.items.shape), tuple(scores.shape)
        raise ValueError(f"score returned the shape {found} where {expected} was asked for")
    real = torch.where(batch.query.mask, scores, 0.5)
    wrong = ~torch.isfinite(real) | (real < 0) | (real > 1)
    if wrong.any():
        users, example = int(wrong.any(1).sum()), float(real[wrong][0])
        raise ValueError(
            f"at K = {shots}, {users} of {len(scores)} users got a score outside 0..1: {example}"
        )
    return scores


def rows_of(batch: EpisodeBatch, columns: dict[str, Tensor]) -> pl.DataFrame:
    """One row for each real item of each query."""
    real = batch.query.mask
    users = batch.users[:, None].expand_as(real)
    table = {"user": users, "item": batch.query.items.int(), "label": batch.query.labels} | columns
    return pl.DataFrame({name: column[real].numpy() for name, column in table.items()})


@dataclass(frozen=True)
class _Ranked:
    """Where the query's items stand among all candidates of their user."""

    places: dict[str, Tensor]  # (B, Q) int32 each: candidates above, tied (itself too), in all
    top: pl.DataFrame

    @classmethod
    def of(
        cls, method: Method[Any], state: Any, batch: EpisodeBatch, split: Split, on: torch.device
    ) -> "_Ranked":
        """All candidates but the items of the user's longest support, the same at every K."""
        asked = torch.from_numpy(split.candidates)  # (C,)
        every = asked.expand(len(batch.users), -1)  # (B, C)
        parts = [method.score(state, part.to(on)) for part in every.split(1024, 1)]
        given = torch.cat(parts, 1).float().cpu()
        given = torch.where(_seen(split.cold, batch, asked), -1.0, given)  # (B, C)
        own = given.gather(1, torch.searchsorted(asked, batch.query.items))  # (B, Q)
        ascending = given.sort(1).values
        below = torch.searchsorted(ascending, own)
        upto = torch.searchsorted(ascending, own, right=True)
        places = {
            "above": given.shape[1] - upto,
            "tied": upto - below,
            "candidates": (given >= 0).sum(1, keepdim=True).expand_as(own),
        }
        best = given.topk(min(TOP, given.shape[1]), 1)
        ranks = torch.arange(1, best.values.shape[1] + 1).expand_as(best.values)
        top = {
            "user": batch.users[:, None].expand_as(ranks),
            "rank": ranks.int(),
            "item": asked[best.indices].int(),
            "score": best.values,
        }
        real = best.values >= 0
        return cls(
            {name: column.int() for name, column in places.items()},
            pl.DataFrame({name: column[real].numpy() for name, column in top.items()}),
        )


def _seen(cold: Episodes, batch: EpisodeBatch, asked: Tensor) -> Tensor:
    """(B, C) which candidates the user's longest support holds."""
    where = np.searchsorted(cold.users.ids[cold.who], batch.users.numpy())
    rows = cold.support[where]  # (B, S)
    items = torch.from_numpy(np.where(rows >= 0, cold.users.log.items[rows], -1).astype(np.int64))
    place = torch.searchsorted(asked, items).clamp_max(len(asked) - 1)
    user, hit = torch.nonzero(asked[place] == items, as_tuple=True)
    seen = torch.zeros(len(items), len(asked), dtype=torch.bool)
    seen[user, place[user, hit]] = True
    return seen
