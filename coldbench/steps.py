"""Step by step through an inner loop: the loss of the support that is learnt from, the query's, and
the headline metric, at the largest K, from the cell of each method that kept a trace."""

from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from coldbench.cell import Cell
from coldbench.gains import number
from coldbench.judged import Judged, judge
from coldbench.metrics import mean_defined, per_user

Row = dict[str, Any]


def steps(cells: dict[str, list[Cell]], metric: str) -> list[Row]:
    rows = []
    for method, many in cells.items():
        kept = [cell for cell in many if (cell.folder / "trace.parquet").is_file()]
        if not kept or kept[0].status != "done":
            continue
        trace = pl.read_parquet(kept[0].folder / "trace.parquet")
        for (step,), part in trace.group_by("step", maintain_order=True):
            query, support = (_judged(part.filter(query=asked), kept[0]) for asked in (True, False))
            rows.append(
                {"method": method, "step": step, "support_loss": _mean("log-loss", support),
                 "query_loss": _mean("log-loss", query), "value": _mean(metric, query)}
            )  # fmt: skip
    return rows


def _mean(metric: str, judged: Judged) -> float | None:
    return number(mean_defined(per_user(metric, judged))[0])


def _judged(rows: pl.DataFrame, cell: Cell) -> Judged:
    user = rows["user"].to_numpy()
    changes = np.flatnonzero(np.diff(user)) + 1
    starts = np.concatenate([[0], changes])
    counts = np.diff(np.concatenate([starts, [len(user)]]))
    row = np.repeat(np.arange(len(counts)), counts)
    column = np.arange(len(user)) - np.repeat(starts, counts)

    def padded(values: np.ndarray) -> Tensor:
        table = np.zeros((len(counts), counts.max()), values.dtype)
        table[row, column] = values
        return torch.from_numpy(table)

    return judge(
        padded(rows["score"].to_numpy()),
        padded(rows["label"].to_numpy()),
        padded(np.ones(len(user), bool)),
        like_at=cell.facts["like_at"],
        span=cell.facts["span"],
        graded=cell.facts["graded"],
    )
