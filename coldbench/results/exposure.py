"""What is recommended: how popular it is, how much of the catalogue is ever shown, how unequally.

Five items are shown to a user: the first of the ranked catalogue, or of the query where only its
items are ranked; ties share their places. `popularity` is the share of candidates that warm users
rated less often; Gini is that of Gini (1912) over the items that could have been shown.
Abdollahpouri, Burke & Mobasher, "Managing Popularity Bias in Recommender Systems" (2019).
"""

import numpy as np
import polars as pl

from coldbench.cell import Cell
from coldbench.results.rounding import number
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting, SplitFacts
from coldbench.results.user_scores import Float, MethodScores, UserScores, kept

SHOWN = 5

FRAME = "exposure"
SCHEMA = schema("method", "", "popularity coverage gini")


def rows(setting: Setting) -> list[Row]:
    """How popular, and how unequally, what is recommended is."""
    facts = setting.split_facts
    return exposure(setting.scores, setting.cells, facts) if facts else []


def exposure(methods: MethodScores, cells: dict[str, list[Cell]], facts: SplitFacts) -> list[Row]:
    """At the largest K, a mean over seeds; the row `chance` shows every item equally often."""
    popular = facts.items.with_columns(
        popularity=(pl.col("seen").rank("average").over("seed") - 0.5) / pl.len().over("seed")
    )
    rows: list[Row] = []
    for method, by_shots in methods.items():
        scores = by_shots[max(by_shots)]
        tops = kept(cells[method], "top")
        shown = _first(tops, max(by_shots)) if tops else _within(scores, chance=False)
        if not rows and not tops:
            rows.append(_row("chance", _within(scores, chance=True), popular, whole=False))
        rows.append(_row(method, shown, popular, whole=bool(tops)))
    return rows


def _row(method: str, shown: pl.DataFrame, popular: pl.DataFrame, *, whole: bool) -> Row:
    """shown: seed, item, share (how much of a place in a list), a row a user and item."""
    both = shown.join(popular, ["seed", "item"], "left")
    mean = np.average(both["popularity"].to_numpy(), weights=both["share"].to_numpy())
    by_seed, shares = [], []
    for (seed,), part in both.group_by("seed", maintain_order=True):
        given = part.group_by("item").agg(pl.col("share").sum())["share"].to_numpy()
        if whole:
            given = np.pad(given, (0, popular.filter(seed=seed).height - len(given)))
        by_seed.append(gini(given))
        shares.append((given > 0).mean())
    return {
        "method": method, "popularity": number(mean), "coverage": number(np.mean(shares)),
        "gini": number(np.mean(by_seed)),
    }  # fmt: skip


def _within(scores: UserScores, *, chance: bool) -> pl.DataFrame:
    predictions = scores.predictions
    if chance:
        share = (
            (SHOWN / predictions.mask.sum(1, keepdim=True))
            .clamp(max=1)
            .expand_as(predictions.scores)
        )
    else:
        share = (SHOWN - predictions.above).clamp(min=0).minimum(
            predictions.tied
        ) / predictions.tied
    width = predictions.mask.shape[1]
    mask = predictions.mask.numpy().ravel()
    columns = {
        "seed": np.repeat(scores.seeds, width)[mask],
        "item": scores.items.ravel()[mask].astype(np.int32),
        "share": share.double().numpy().ravel()[mask],
    }
    return pl.DataFrame(columns)


def _first(cells: list[Cell], shots: int) -> pl.DataFrame:
    tops = [
        pl.read_parquet(cell.folder / "top.parquet")
        .filter(pl.col("shots") == shots, pl.col("rank") <= SHOWN)
        .select(seed=pl.lit(cell.spec.seed, pl.Int64), item="item", share=pl.lit(1.0))
        for cell in cells
    ]
    return pl.concat(tops)


def gini(amounts: Float) -> float:
    """0: all the same; towards 1: one has everything."""
    ordered = np.sort(amounts)
    n, total = len(ordered), ordered.sum()
    if not total:
        return float("nan")
    return float(((2 * np.arange(1, n + 1) - n - 1) * ordered).sum() / (n * total))
