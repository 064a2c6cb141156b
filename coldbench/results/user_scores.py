"""Judged users, laid side by side: the scores of a method's cells as arrays, one row a block.

A block is one judged user under one seed; a method has the same blocks at every number of shots.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldbench.cell import Cell
from coldbench.metrics import statistics
from coldbench.metrics.compute import per_user, pooled
from coldbench.metrics.predictions import Judged, judge

EXACT = 100  # blocks of a seed up to which the pooled AUC is resampled exactly
SEED = 0  # of the resampling

Int = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Blocks:
    """What a method predicted at one number of shots."""

    seeds: Int  # (B,)
    users: Int  # (B,)
    items: Int  # (B, Q) what was asked for; 0 where padding
    judged: Judged  # B users
    values: Float  # (B, M) the metrics per user, NaN where one has no meaning

    def __len__(self) -> int:
        return len(self.seeds)

    @cached_property
    def key(self) -> bytes:
        """Equal for equal blocks in equal order."""
        return self.seeds.tobytes() + self.users.tobytes()

    def take(self, rows: Int) -> "Blocks":
        where = torch.from_numpy(rows)
        columns: dict[str, Any] = {
            column.name: value[where]
            for column in fields(self.judged)
            if isinstance(value := getattr(self.judged, column.name), Tensor)
        }
        judged = replace(self.judged, **columns)
        return Blocks(
            self.seeds[rows], self.users[rows], self.items[rows], judged, self.values[rows]
        )

    def only(self, column: int) -> "Blocks":
        """With the values of one metric alone."""
        return replace(self, values=self.values[:, column : column + 1])

    def beside(self, other: "Blocks") -> tuple["Blocks", "Blocks"]:
        """Both on the blocks that both have, in one order."""
        if self.key == other.key:
            return self, other
        places = [
            {block: at for at, block in enumerate(zip(b.seeds, b.users, strict=True))}
            for b in (self, other)
        ]
        both = [block for block in places[0] if block in places[1]]
        mine, theirs = (np.array([place[b] for b in both], np.int64) for place in places)
        return self.take(mine), other.take(theirs)


@dataclass(frozen=True, eq=False)
class Draws:
    """Bootstrap weights, drawn once for equal blocks."""

    resamples: int
    known: dict[bytes, statistics.Weights] = field(default_factory=dict)
    seeds: dict[bytes, list[tuple[Int, Tensor]]] = field(default_factory=dict)

    def of(self, blocks: Blocks) -> statistics.Weights:
        """(R, B)"""
        if blocks.key not in self.known:
            weights = statistics.bootstrap_weights(blocks.users, self.resamples, SEED)
            self.known[blocks.key] = weights
        return self.known[blocks.key]

    def by_seed(self, blocks: Blocks) -> list[tuple[Int, Tensor]]:
        """The rows of every seed and their weights (R, rows)."""
        if blocks.key not in self.seeds:
            parts = [np.flatnonzero(blocks.seeds == seed) for seed in np.unique(blocks.seeds)]
            weights = torch.from_numpy(self.of(blocks)).double()
            self.seeds[blocks.key] = [
                (rows, weights[:, torch.from_numpy(rows)].contiguous()) for rows in parts
            ]
        return self.seeds[blocks.key]

    def pooled(self, names: Sequence[str], blocks: Blocks) -> dict[str, tuple[float, float, float]]:
        """Pooled metrics with their intervals: pooled over a seed's users, a mean over seeds.

        Each seed has learnt anew: scores of two seeds lie on no common scale.
        """
        values: dict[str, list[float]] = {name: [] for name in names}
        draws: dict[str, list[Float]] = {name: [] for name in names}
        for rows, weights in self.by_seed(blocks):
            judged = blocks.take(rows).judged
            for name in names:
                values[name].append(float(pooled(name, judged)))
                if name == "auc-pooled" and len(rows) > EXACT:
                    draws[name].append(_resampled_auc(judged, weights.numpy()))
                else:
                    draws[name].append(pooled(name, judged, weights).numpy())
        users = len(np.unique(blocks.users))
        found = {}
        for name in names:
            extra = statistics.between(np.array(values[name]), draws[name])
            drawn = np.mean(draws[name], 0)
            if not np.isnan(drawn).all():  # an ECE grows with noise: its resamples lie too high
                drawn = drawn + (np.mean(values[name]) - np.nanmean(drawn))
            spread, freedom = extra.added(drawn, 0, users)
            ends = np.clip(statistics.percentiles(spread, users, freedom=freedom), 0, 1)
            found[name] = float(np.mean(values[name])), float(ends[0]), float(ends[1])
        return found


def kept(cells: Sequence[Cell], name: str) -> list[Cell]:
    """Those that are done and keep such a file beside their scores, which not all do. What a cell
    that is not done has left in its folder is no result."""
    done = [cell for cell in cells if cell.status == "done"]
    return [cell for cell in done if (cell.folder / f"{name}.parquet").is_file()]


def read_blocks(
    cells: Sequence[Cell], metrics: Sequence[str], name: str = "scores"
) -> dict[int, Blocks]:
    """A method's done cells, one a seed, by number of shots. `metrics` are those per user; `name`
    is that of the cells' file, "scores" or a control's, "swapped" or "shuffled"."""
    order = ["shots", "seed", "user", "item"]
    seeds = [
        _expected(cell, cell.scores(name)).with_columns(seed=pl.lit(cell.spec.seed))
        for cell in cells
    ]
    rows = pl.concat(seeds).sort(order, maintain_order=True)
    blocks, items, judged = lay(rows, order[:3], cells[0].facts)
    values = np.stack([np.zeros(len(blocks)), *(per_user(m, judged) for m in metrics)], 1)[:, 1:]
    seed, user, shots = (
        blocks[name].to_numpy().astype(np.int64) for name in ("seed", "user", "shots")
    )
    whole = Blocks(seed, user, items, judged, values)
    return {int(k): whole.take(np.flatnonzero(shots == k)) for k in np.unique(shots)}


def _expected(cell: Cell, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the prior of each item, NaN where the split does not tell it."""
    try:
        told = pl.read_parquet(cell.split / "items.parquet", columns=["item", "prior"])
    except (OSError, pl.exceptions.PolarsError):
        return rows.with_columns(prior=pl.lit(float("nan")))
    joined = rows.join(told, "item", "left", maintain_order="left")
    return joined.with_columns(pl.col("prior").fill_null(float("nan")))


def lay(
    rows: pl.DataFrame, keys: Sequence[str], facts: dict[str, Any]
) -> tuple[pl.DataFrame, Int, Judged]:
    """Rows of one item each, those of a block together, as a row a block: the blocks by `keys`,
    (B, Q) their items, and what was predicted of them. facts: like_at, span and graded."""
    blocks = rows.group_by(keys, maintain_order=True).len()
    counts = blocks["len"].to_numpy().astype(np.int64)
    row = np.repeat(np.arange(len(counts)), counts)
    column = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = len(counts), int(counts.max())

    def padded(name: str) -> Tensor:
        values = rows[name].to_numpy()
        table = np.zeros(shape, values.dtype)
        table[row, column] = values
        return torch.from_numpy(table)

    mask = np.zeros(shape, bool)
    mask[row, column] = True
    ranks = candidates = None
    if "above" in rows.columns:
        ranks = padded("above").long(), padded("tied").long()
        candidates = padded("candidates").long().amax(1)
    judged = judge(
        padded("score"),
        padded("label"),
        torch.from_numpy(mask),
        like_at=facts["like_at"],
        span=facts["span"],
        graded=facts["graded"],
        ranks=ranks,
        candidates=candidates,
        prior=padded("prior") if "prior" in rows.columns else None,
    )
    return blocks, padded("item").numpy().astype(np.int64), judged


def _resampled_auc(judged: Judged, weights: Float) -> Float:
    """The pooled AUC of every resample, to first order in the users' weights.

    AUC(w) = w'Mw / (w'l w'd), with M[u, v] how many likes of u beat dislikes of v. Its derivative
    needs M's row and column sums only, one sort; what is left out is of order 1 / B.
    """
    score = judged.scores[judged.mask].numpy()
    like = judged.relevant[judged.mask].numpy()
    user = judged.mask.nonzero()[:, 0].numpy()
    up, down = np.sort(score[like]), np.sort(score[~like])
    worse = (np.searchsorted(down, score[like]) + np.searchsorted(down, score[like], "right")) / 2
    better = len(up) - (
        (np.searchsorted(up, score[~like]) + np.searchsorted(up, score[~like], "right")) / 2
    )
    n = len(judged.mask)
    wins = np.bincount(user[like], worse, n) + np.bincount(user[~like], better, n)  # (B,)
    likes, dislikes = np.bincount(user[like], minlength=n), np.bincount(user[~like], minlength=n)
    if not (len(up) and len(down)):
        return np.full(len(weights), np.nan)
    auc = worse.sum() / (len(up) * len(down))
    slope = wins / (len(up) * len(down)) - auc * (likes / len(up) + dislikes / len(down))  # (B,)
    return auc + (weights - 1) @ slope
