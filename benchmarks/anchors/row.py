"""A row of an anchor: what was published, what chance gives, what is measured here.

A module beside this one, `<name>.py`, is an anchor (or several) with

    NAME: str                                       how it is called: "tallrec-movie"
    SPLITS: int                                     how many times it is measured
    measure(split: int) -> pl.DataFrame             in a process of its own, the same for a number
    rows(measured: pl.DataFrame) -> list[Row]       from all splits' frames, with a column `split`
"""

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
import polars as pl

from coldbench.metrics.statistics import bootstrap_weights, interval

DIGITS = 6  # kept of a number in a file


@dataclass(frozen=True)
class Row:
    """None where there is no such number: never published, no closed form, not measured."""

    anchor: str
    row: str
    metric: str
    published: float | None = None
    chance: float | None = None
    ours: float | None = None
    low: float | None = None  # 95 % interval over users
    high: float | None = None
    spread: float | None = None  # standard deviation over splits
    note: str = ""

    def measured(self, values: pl.DataFrame) -> "Row":
        """The row with `ours`, its interval and its spread, from one value a user and split.

        values: split, user, value; a value that is NaN or null is not defined and left out. The
        bootstrap draws users, each with all their rows, and splits are its second level.
        """
        split, user = (values[c].to_numpy().astype(np.int64) for c in ("split", "user"))
        value = values["value"].cast(pl.Float64).fill_null(np.nan).to_numpy()
        mean = interval(value, bootstrap_weights(user), seeds=split)
        means = [_mean(value[split == each]) for each in np.unique(split)]
        return self.filled(float(mean.mean), (float(mean.low), float(mean.high)), means)

    def filled(self, ours: float, bounds: tuple[float, float], means: list[float]) -> "Row":
        """The row with what was measured; `means` holds a number for each split."""
        spread = float(np.std(means, ddof=1)) if len(means) > 1 else None
        low, high = bounds
        return replace(self, ours=ours, low=low, high=high, spread=spread)

    def as_json(self) -> dict[str, str | float | None]:
        """The fields by name, numbers rounded, None where there is none."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan


def _rounded(value: str | float | None) -> str | float | None:
    if not isinstance(value, float):
        return value
    return round(value, DIGITS) if math.isfinite(value) else None
