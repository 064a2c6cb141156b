"""How small a difference a setting can show, and whether that is too coarse to judge methods by."""

from collections.abc import Iterator

import polars as pl

from coldbench.results.paired import BASELINE
from coldbench.results.results import Results

COARSE = 0.05  # of a metric from 0 to 1: methods differ by less on most sets


def smallest(gains: pl.DataFrame, metric: str) -> float | None:
    """The difference to item-bias that a setting could detect at its largest K (80 % power at 5 %,
    median method); None where nothing differs. gains: a setting's paired differences."""
    rows = gains.filter(metric=metric, against=BASELINE)
    rows = rows.filter(pl.col("shots") == pl.col("shots").max(), pl.col("detectable") > 0)
    return None if rows.is_empty() else float(rows["detectable"].median())  # type: ignore[arg-type]


def too_small(results: Results) -> Iterator[tuple[str, str, float]]:
    """Dataset, protocol and smallest difference of each setting that is too coarse to judge."""
    for dataset, protocol in results.settings:
        resolution = smallest(
            results.gains.filter(dataset=dataset, protocol=protocol), results.headline
        )
        if resolution is not None and resolution > COARSE:
            yield dataset, protocol, resolution
