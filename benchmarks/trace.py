"""What a method says after each step of its inner loop: is it learning, and does that help?"""

from copy import copy
from typing import Any

import polars as pl
import torch

from coldbench.episode import EpisodeBatch, Episodes
from coldbench.method import Method

from .loop import BATCH, checked, rows_of


@torch.no_grad()
def trace(method: Method[Any], cold: Episodes, device: torch.device) -> pl.DataFrame | None:
    """Every step at the largest K: what is said of the query, and of the support learnt from.

    step, query (False: the support), user, item, label, score. None where there are no such steps.
    """
    most: int = getattr(method, method.traced) if method.traced else 0
    if not (most and cold.max_shots):
        return None
    rows = []
    for step in range(most + 1):
        early = copy(method)
        setattr(early, method.traced, step)
        for batch in cold.batches(cold.max_shots, BATCH):
            state = early.adapt(batch.support.to(device))
            for query, asked in ((True, batch.query), (False, batch.support)):
                met = EpisodeBatch(batch.users, batch.support, asked)
                score = checked(early.score(state, asked.items.to(device)), met, cold.max_shots)
                told = rows_of(met, {"score": score})
                rows.append(told.with_columns(step=pl.lit(step), query=pl.lit(query)))
    return pl.concat(rows).select("step", "query", "user", "item", "label", "score")
