"""The scores of a method's cells as arrays, a row for each evaluated user.

A row is a user under one seed; a method has the same rows at every number of shots.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from coldbench.cell import Cell
from coldbench.metrics.compute import per_user
from coldbench.metrics.predictions import Predictions, rank_predictions

Int = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UserScores:
    """What a method predicted at one number of shots."""

    seeds: Int  # (B,)
    users: Int  # (B,)
    items: Int  # (B, Q) what was asked for; 0 where padding
    predictions: Predictions  # B users
    values: Float  # (B, M) the metrics per user, NaN where one has no meaning

    def __len__(self) -> int:
        return len(self.seeds)

    @cached_property
    def key(self) -> bytes:
        """Equal for the same users and seeds in the same order."""
        return self.seeds.tobytes() + self.users.tobytes()

    @cached_property
    def many_seeds(self) -> int:
        return len(np.unique(self.seeds))

    def take(self, rows: Int) -> "UserScores":
        return UserScores(
            self.seeds[rows],
            self.users[rows],
            self.items[rows],
            self.predictions.take(torch.from_numpy(rows)),
            self.values[rows],
        )

    def only(self, column: int) -> "UserScores":
        """With the values of one metric alone."""
        return replace(self, values=self.values[:, column : column + 1])

    def align(self, other: "UserScores") -> tuple["UserScores", "UserScores"]:
        """Both on the rows that both have, in one order."""
        if self.key == other.key:
            return self, other
        places = [
            {row: at for at, row in enumerate(zip(scores.seeds, scores.users, strict=True))}
            for scores in (self, other)
        ]
        both = [row for row in places[0] if row in places[1]]
        mine, theirs = (np.array([place[row] for row in both], np.int64) for place in places)
        return self.take(mine), other.take(theirs)


MethodScores = dict[str, dict[int, UserScores]]  # method -> K -> its users


def kept(cells: Sequence[Cell], name: str) -> list[Cell]:
    """Those that are done and keep such a file beside their scores, which not all do. What a cell
    that is not done has left in its folder is no result."""
    done = [cell for cell in cells if cell.status == "done"]
    return [cell for cell in done if (cell.folder / f"{name}.parquet").is_file()]


def read_user_scores(
    cells: Sequence[Cell], metrics: Sequence[str], name: str = "scores"
) -> dict[int, UserScores]:
    """A method's done cells, one a seed, by number of shots. `metrics` are those per user; `name`
    is that of the cells' file, "scores" or a control's, "swapped" or "shuffled"."""
    order = ["shots", "seed", "user", "item"]
    rows = pl.concat(cell.scores(name).with_columns(_seed(cell)) for cell in cells)
    rows = _expected(rows, cells).sort(order, maintain_order=True)
    keys, items, predictions = pad_to_matrix(rows, order[:3], cells[0].facts)
    values = [np.zeros(len(keys)), *(per_user(m, predictions).numpy() for m in metrics)]
    seed, user, shots = (keys[key].to_numpy().astype(np.int64) for key in ("seed", "user", "shots"))
    every = UserScores(seed, user, items, predictions, np.stack(values, 1)[:, 1:])
    return {int(k): every.take(np.flatnonzero(shots == k)) for k in np.unique(shots)}


def _seed(cell: Cell) -> pl.Expr:
    return pl.lit(cell.spec.seed, pl.Int64).alias("seed")


def _expected(rows: pl.DataFrame, cells: Sequence[Cell]) -> pl.DataFrame:
    """The rows with the prior of each item, NaN where the split does not tell it."""
    priors = []
    for cell in cells:
        with suppress(OSError, pl.exceptions.PolarsError):
            file = cell.split / "items.parquet"
            priors.append(_priors(file, file.stat().st_mtime_ns).with_columns(_seed(cell)))
    if not priors:
        return rows.with_columns(prior=pl.lit(float("nan")))
    joined = rows.join(pl.concat(priors), ["seed", "item"], "left", maintain_order="left")
    return joined.with_columns(pl.col("prior").fill_null(float("nan")))


@lru_cache(maxsize=16)
def _priors(file: Path, written: int) -> pl.DataFrame:
    """item, prior of a split: all its cells ask for them."""
    return pl.read_parquet(file, columns=["item", "prior"])


def pad_to_matrix(
    rows: pl.DataFrame, keys: Sequence[str], facts: dict[str, Any]
) -> tuple[pl.DataFrame, Int, Predictions]:
    """From a row an item to a row a user: the users by `keys`, (B, Q) their items, 0 where padding,
    and what was predicted of them. A user's rows stand together. facts: like_at, span, graded."""
    users = rows.group_by(keys, maintain_order=True).len()
    counts = users["len"].to_numpy().astype(np.int64)
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
    predictions = rank_predictions(
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
    return users, padded("item").numpy().astype(np.int64), predictions
