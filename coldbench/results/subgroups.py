"""For whom, and on what: quality by the popularity of items and by kind of user.

A user's group counts the setting's headline metric. An item's counts how often it is ordered
rightly: among the pairs of a user's items with different labels that it is part of; in a ranked
catalogue, the share of it that the item stands above. Ties count half.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from coldbench.metrics import statistics
from coldbench.metrics.predictions import Predictions
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.rounding import number
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting, SplitFacts
from coldbench.results.user_scores import Float, MethodScores, UserScores

FEWEST = 10  # evaluated users that a group must have to be shown
TENTHS = 10
FRAME = "subgroups"
SCHEMA = schema("method kind bucket", "shots n", "value low high gain gain_low gain_high")


def rows(setting: Setting) -> list[Row]:
    """Level and gain over K = 0 of groups of items and users."""
    if setting.split_facts is None:
        return []
    return subgroups(setting.scores, setting.column, setting.bootstrap, setting.split_facts)


def subgroups(
    methods: MethodScores, column: int, bootstrap: Bootstrap, facts: SplitFacts
) -> list[Row]:
    """Each group of items and of users, at the largest K: the level, and the gain over K = 0."""
    rows: list[Row] = []
    for method, by_shots in methods.items():
        after = by_shots[max(by_shots)]
        before = by_shots.get(0, after)
        after, before = after.align(before)
        names, now, then = [], [], []
        for name, values, other in _groups(after, before, column, facts):
            if (~np.isnan(values)).sum() >= FEWEST:
                names.append(name)
                now.append(values)
                then.append(other)
        if not names:
            continue
        both = np.stack([*now, *(a - b for a, b in zip(now, then, strict=True))], 1)
        interval = statistics.interval(both, bootstrap.weights(after), seeds=after.seeds)
        for at, (kind, bucket) in enumerate(names):
            level, gain = ([number(x[at + step]) for x in interval] for step in (0, len(names)))
            rows.append(
                {"method": method, "shots": max(by_shots), "kind": kind, "bucket": bucket}
                | dict(zip(("value", "low", "high"), level, strict=True))
                | dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True))
                | {"n": int((~np.isnan(both[:, at])).sum())}
            )
    return rows


def _groups(
    after: UserScores, before: UserScores, column: int, facts: SplitFacts
) -> Iterator[tuple[tuple[str, str], Float, Float]]:
    """(kind, bucket) and (B,) values after and before, NaN where a user has none of it."""
    items = _of_items(after, facts)  # (B, Q) the tenth, 0: unseen, -1: no item
    right, before_right = (
        rightly_ordered(scores.predictions).numpy() for scores in (after, before)
    )
    for tenth in range(TENTHS + 1):
        name = f"tenth {tenth}" if tenth else "never rated"
        chosen = items == tenth
        yield ("item popularity", name), _row_means(right, chosen), _row_means(before_right, chosen)
    users = pl.DataFrame({"seed": after.seeds, "user": after.users}).join(
        facts.users, ["seed", "user"], "left", maintain_order="left"
    )
    now, then = after.values[:, column], before.values[:, column]
    for kind, names, place in _of_users(users, facts.users["activity"].to_numpy()):
        for at, name in enumerate(names):
            yield (
                (kind, name),
                np.where(place == at, now, np.nan),
                np.where(place == at, then, np.nan),
            )


def _of_users(
    users: pl.DataFrame, everyone: NDArray[np.int64]
) -> Iterator[tuple[str, list[str], NDArray[np.int64]]]:
    """Each kind, its groups in their order, and (B,) which of them every user belongs to.
    everyone: the activity of all evaluated users: every method is cut into the same groups."""
    cuts = np.unique(np.quantile(everyone, [1 / 3, 2 / 3]).astype(np.int64))
    ends = [int(everyone.min()) - 1, *map(int, cuts), int(everyone.max())]
    names = [
        f"{low + 1:,} to {high:,}" if high > low + 1 else f"{high:,}"
        for low, high in pairwise(ends)
    ]
    place = np.searchsorted(cuts, users["activity"].fill_null(0).to_numpy())
    yield "interactions of the user", names, place
    entropy = users["entropy"].fill_null(float("nan")).to_numpy()
    if not np.isnan(entropy).all():
        names = ["only likes or only dislikes", "up to .9 bits", "balanced, above .9 bits"]
        place = np.where(np.isnan(entropy), -1, (entropy > 0).astype(np.int64) + (entropy > 0.9))
        yield "likes and dislikes among the labels", names, place
    for group in users.columns[4:]:
        names = sorted(users[group].drop_nulls().unique(), key=_by_number)
        numbers = users[group].replace_strict(names, range(len(names)), default=-1)
        yield group, names, numbers.to_numpy().astype(np.int64)


def _by_number(name: str) -> tuple[int, str]:
    """ "under 25" stands before "25 to 34": by what the name's last number is."""
    numbers = re.findall(r"[0-9]+", name)
    return (int(numbers[-1]) if numbers else 0) - name.startswith("under"), name


def _of_items(scores: UserScores, facts: SplitFacts) -> NDArray[np.int64]:
    tenths = facts.items.with_columns(tenth=_tenth(pl.col("seen")).over("seed"))
    shape = scores.items.shape
    rows = pl.DataFrame(
        {"seed": np.repeat(scores.seeds, shape[1]), "item": scores.items.ravel()},
        schema_overrides={"item": pl.Int32},
    ).join(tenths, ["seed", "item"], "left", maintain_order="left")
    decile = rows["tenth"].fill_null(-1).to_numpy().reshape(shape).astype(np.int64)
    return np.where(scores.predictions.mask.numpy(), decile, -1)


def _tenth(seen: pl.Expr) -> pl.Expr:
    """0 for an item nobody rated, else 1 (the least popular tenth of the others) to 10."""
    rated = pl.when(seen > 0).then(seen)
    share = (rated.rank("average") - 0.5) / rated.count()
    return (share * TENTHS).floor().fill_null(-1).cast(pl.Int64) + 1  # 0 < share < 1


def rightly_ordered(predictions: Predictions) -> torch.Tensor:
    """(B, Q) share of an item's pairs that are in the right order, NaN where it has none."""
    if predictions.positive_only:
        beaten = predictions.candidates[:, None] - predictions.above - (predictions.tied + 1) / 2
        return (beaten / (predictions.candidates[:, None] - 1)).masked_fill(
            ~predictions.mask, torch.nan
        )
    parts = []
    for part in predictions.parts():
        truth = (part.labels[:, :, None] - part.labels[:, None]).sign()
        predicted = (part.scores[:, :, None] - part.scores[:, None]).sign()
        pairs = (truth != 0) & part.mask[:, :, None] & part.mask[:, None]
        right = torch.where(predicted == 0, 0.5, (predicted == truth).double()) * pairs
        parts.append(right.sum(2) / pairs.sum(2))
    return torch.cat(parts) if parts else predictions.scores


def _row_means(values: Float, chosen: NDArray[np.bool_]) -> Float:
    chosen = chosen & ~np.isnan(values)
    n = chosen.sum(1)
    sums = np.where(chosen, values, 0).sum(1)
    return np.divide(sums, n, out=np.full(len(n), np.nan), where=n > 0)
