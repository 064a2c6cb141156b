"""Step by step through an inner loop: the loss of the support that is learnt from, the query's, and
the headline metric, at the largest K, from the cell of each method that kept a trace."""

import polars as pl

from coldbench.cell import Cell
from coldbench.metrics.compute import mean_defined, per_user
from coldbench.metrics.predictions import Predictions
from coldbench.results.rounding import number
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting
from coldbench.results.user_scores import kept, pad_to_matrix

FRAME = "steps"
SCHEMA = schema("method", "step", "support_loss query_loss value")


def rows(setting: Setting) -> list[Row]:
    """After each step of an inner loop."""
    return steps(setting.cells, setting.headline)


def steps(cells: dict[str, list[Cell]], metric: str) -> list[Row]:
    rows = []
    for method, many in cells.items():
        traced = kept(many, "trace")
        if not traced:
            continue
        trace = pl.read_parquet(traced[0].folder / "trace.parquet")
        facts = traced[0].facts
        for (step,), part in trace.group_by("step", maintain_order=True):
            query, support = (
                pad_to_matrix(part.filter(query=asked), ["user"], facts)[2]
                for asked in (True, False)
            )
            rows.append(
                {"method": method, "step": step, "support_loss": _mean("log-loss", support),
                 "query_loss": _mean("log-loss", query), "value": _mean(metric, query)}
            )  # fmt: skip
    return rows


def _mean(metric: str, predictions: Predictions) -> float | None:
    return number(mean_defined(per_user(metric, predictions))[0])
