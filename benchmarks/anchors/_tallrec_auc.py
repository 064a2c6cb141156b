"""TALLRec's measure of a row, one AUC over 1,000 rows of 16 users, and the mean AUC per user."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl
import torch

from coldbench.metrics.compute import per_user, pooled
from coldbench.metrics.predictions import Predictions, rank_predictions
from coldbench.metrics.statistics import bootstrap_weights, percentiles

from .row import Row

RESAMPLES = 1000  # of users, for the pooled AUC
SAMPLES = {16: 0.6724, 64: 0.6748, 256: 0.7198}  # training rows -> TALLRec LLaMA-7B's AUC


def published(anchor: str) -> list[Row]:
    """TALLRec's own rows, by training rows."""
    return [
        Row(anchor, f"TALLRec LLaMA-7B, {samples} rows", "auc-pooled", auc, 0.5)
        for samples, auc in SAMPLES.items()
    ]


def both(empty: Row, samples: int, part: pl.DataFrame, *, more: str = "") -> Iterator[Row]:
    """The pooled AUC and the mean per user of a row, over all draws of the training rows.

    empty: the row without its numbers; samples: its training rows, 0: it has none; part: split,
    user, label and score of its test rows; more: a note of the pooled AUC alone.
    """
    by_split = part.partition_by("split", maintain_order=True)
    predictions = [_predictions(draw) for draw in by_split]
    users = np.unique(part["user"].to_numpy())
    weights = torch.from_numpy(bootstrap_weights(users, RESAMPLES))
    means = [float(pooled("auc-pooled", of_split)) for of_split in predictions]
    resampled = np.mean(
        [pooled("auc-pooled", of_split, weights).numpy() for of_split in predictions], 0
    )
    low, high = percentiles(resampled, len(users))
    notes = [empty.note, more]
    if samples:
        empty = replace(empty, row=f"{empty.row}, {samples} rows")
        notes.append(f"{len(by_split)} draw{'s' * (len(by_split) > 1)}")
        notes.append(_against(SAMPLES[samples], low, high))
    whole = replace(empty, metric="auc-pooled", note="; ".join(filter(None, notes)))
    yield whole.filled(float(np.mean(means)), (low, high), means)
    each = [
        pl.DataFrame({"split": at, "user": users, "value": per_user("auc", of_split).numpy()})
        for at, of_split in enumerate(predictions)
    ]
    yield replace(empty, metric="auc").measured(pl.concat(each))


def _against(published: float, low: float, high: float) -> str:
    where = "below" if published < low else "above" if published > high else "inside"
    return f"TALLRec-7B's {published:.4f} is {where} the interval"


def _predictions(draw: pl.DataFrame) -> Predictions:
    """One draw's 1,000 scores laid out by user, in the order of the users' numbers."""
    draw = draw.sort("user", maintain_order=True)
    counts = draw.group_by("user", maintain_order=True).len()["len"].to_numpy()
    mask = torch.from_numpy(np.arange(counts.max()) < counts[:, None])  # (16, most)

    def padded(column: str) -> torch.Tensor:
        table = torch.zeros(mask.shape, dtype=torch.float64)
        table[mask] = torch.from_numpy(draw[column].cast(pl.Float64).to_numpy(writable=True))
        return table

    return rank_predictions(padded("score"), padded("label"), mask, like_at=0.5, graded=False)
