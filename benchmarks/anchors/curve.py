"""Our own K-shot curve on ml-100k: what do the first 1, 4 and 16 ratings of a new user buy?

The protocol user-cold: a fifth of the users is new, and each is asked for ratings 17 to 26 in time
after the K before them. Gains are paired, each user beside the same user at K = 0. Nobody published
these numbers; those in the notes were measured before, by other code.
"""

from collections.abc import Iterator

import polars as pl
import torch

from coldbench.metrics.predictions import rank_predictions
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import split

from ._ml_100k import LIKE_AT, ml_100k
from ._ours import NOTES, items, lay, learnt, scores, values
from .row import Row

NAME = "curve-ml-100k"
SPLITS = 5
METRIC = "ndcg@5"
SHOTS = (0, 1, 4, 16)
METHODS = (
    *("random", "constant", "popularity", "item-bias"),
    *("content-prior", "ridge", "fold-in", "stack"),
)
BEFORE = {  # row -> NDCG@5 by K when this anchor was first measured
    "random": {0: ".648"},
    "popularity": {0: ".697"},
    "content-prior": {0: ".774 to .777"},
    "fold-in": {1: ".780", 4: ".779", 16: ".786"},
}
GAINS_BEFORE = {1: "+.001 +- .003", 4: "+.0004 +- .004", 16: "+.009 +- .007"}  # of all together


def measure(number: int) -> pl.DataFrame:
    """row, shots, metric, user, value, chance."""
    everyone, _ = ml_100k()
    seeds, protocol = Seeds.of(number), Protocol.of("user-cold", {"shots": SHOTS})
    data_split = split(everyone.log, everyone.labels, protocol, seeds)
    labels = torch.from_numpy(data_split.cold.users.labels[data_split.cold.query])
    mask = torch.ones_like(labels, dtype=torch.bool)
    parts = []
    for row, method in learnt(METHODS, data_split, items(), seeds):
        for shots in SHOTS:
            predictions = rank_predictions(
                scores(method, data_split.cold, shots), labels, mask, like_at=LIKE_AT
            )
            per_user = values(predictions, data_split.cold, (METRIC,))
            parts.append(
                per_user.select(pl.lit(row).alias("row"), pl.lit(shots).alias("shots"), "*")
            )
    return pl.concat(parts)


def rows(measured: pl.DataFrame) -> list[Row]:
    return [*_levels(measured), *_gains(measured)]


def _levels(measured: pl.DataFrame) -> Iterator[Row]:
    for name in METHODS:
        for shots in SHOTS:
            before = BEFORE.get(name, {}).get(shots, "")
            note = f"before: {before}" if before else NOTES.get(name, "")
            row = Row(NAME, name, f"NDCG@5, K = {shots}", note=note)
            yield lay(row, measured.filter(shots=shots), METRIC)


def _gains(measured: pl.DataFrame) -> Iterator[Row]:
    for name in ("ridge", "fold-in", "stack"):
        of_row = measured.filter(row=name)
        start = of_row.filter(shots=0).select("split", "user", at_0="value")
        for shots in SHOTS[1:]:
            both = of_row.filter(shots=shots).join(start, ["split", "user"], maintain_order="left")
            note = f"before: {GAINS_BEFORE[shots]}" if name == "stack" else ""
            row = Row(NAME, name, f"NDCG@5, K = {shots} less K = 0", chance=0.0, note=note)
            yield row.measured(both.with_columns(value=pl.col("value") - pl.col("at_0")))
