"""Our rows of an anchor: methods learnt on its warm users, and what they measure at."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import polars as pl
import torch
from torch import Tensor

from coldbench import registry
from coldbench.encoder import Encoder, Items
from coldbench.episode import Episodes
from coldbench.method import Method
from coldbench.metrics.compute import chance, per_user
from coldbench.metrics.predictions import Predictions
from coldbench.seeds import Seeds
from coldbench.splits.split import Split

from ..loop import meta_train, predict
from ._ml_100k import ml_100k
from .row import Row

PLAIN = (
    *("random", "constant", "user-mean", "user-median", "popularity", "item-bias"),
    *("content-prior", "ridge", "fold-in", "stack", "maml", "protonet", "cnp", "melu"),
)
METHODS: dict[str, dict[str, Any]] = {  # row -> parameters of the method that it begins with
    **{name: {} for name in PLAIN},
    "melu, raw": {"raw": True},
    "melu, paper": registry.find("methods", "melu").presets["paper"],
}
NOTES = {
    "constant": "must be chance where order alone counts",
    "melu": "inner rate .01, 5 steps; predicts what the item prior leaves",
    "melu, raw": "inner rate .01, 5 steps; predicts ratings, without an item prior",
    "melu, paper": "inner rate 5e-6, 1 step; predicts ratings, without an item prior",
}


def items() -> Items:
    return Encoder().items(ml_100k()[1])


def learnt(
    rows: Iterable[str], split: Split, films: Items, seeds: Seeds
) -> Iterator[tuple[str, Method[Any]]]:
    """Each row's method after it has learnt from the warm users."""
    for row in rows:
        method = registry.find("methods", row.split(",")[0])(**METHODS[row])
        meta_train(method, split, films, seeds)
        yield row, method


def scores(method: Method[Any], cold: Episodes, shots: int | None = None) -> Tensor:
    """(E, Q) expected labels, each user with so many shots, or all of the support."""
    k = cold.max_shots if shots is None else shots
    return torch.cat([s.scores for s in predict(method, cold, k, torch.device("cpu"))])


def values(predictions: Predictions, cold: Episodes, metrics: tuple[str, ...]) -> pl.DataFrame:
    """metric, user, value and chance: a row a metric and user."""
    users = cold.users.ids[cold.user_index]
    parts = [
        pl.DataFrame({"user": users, "value": per_user(metric, predictions).numpy()}).select(
            pl.lit(metric).alias("metric"),
            "user",
            pl.col("value").fill_nan(None),
            pl.lit(chance(metric, predictions)).alias("chance"),
        )
        for metric in metrics
    ]
    return pl.concat(parts)


def lay(row: Row, measured: pl.DataFrame, metric: str) -> Row:
    """The row with chance, and with what its own method measured, where it is ours."""
    defined = measured.filter(metric=metric).drop_nulls("value")
    level = defined.filter(row="constant")["chance"].to_numpy()  # a constant is defined for anybody
    row = replace(row, chance=float(level.mean()))
    of_row = defined.filter(row=row.row)
    return row.measured(of_row) if of_row.height else row
