"""A method's scores after each step of its inner loop: does it learn, and does that help?"""

from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coldbench.cell import TRACED
from coldbench.episode import Episodes
from coldbench.method import Method

from .job import BATCH
from .loop import checked


@torch.no_grad()
def trace(method: Method[Any], cold: Episodes, device: torch.device, folder: Path) -> None:
    """Every step at the largest K: the scores of the query, and of the support trained on.

    Writes trace-query.npy (steps + 1, E, Q) and trace-support.npy (steps + 1, E, K), float32, of
    the first TRACED users; nothing where the method has no such steps.
    """
    cold = cold.first(TRACED)
    most: int = getattr(method, method.steps_param) if method.steps_param else 0
    if not (most and cold.max_shots):
        return
    predictions: dict[str, list[list[torch.Tensor]]] = {"query": [], "support": []}
    for step in range(most + 1):
        early = copy(method)
        setattr(early, method.steps_param, step)
        steps: dict[str, list[torch.Tensor]] = {"query": [], "support": []}
        for batch in cold.batches(cold.max_shots, BATCH):
            state = early.adapt(batch.support.to(device))
            for name, asked in (("query", batch.query), ("support", batch.support)):
                scores = early.score(state, asked.items.to(device))
                steps[name].append(checked(scores, asked.items, cold.max_shots))
        for name, parts in steps.items():
            predictions[name].append(parts)
    for name, by_step in predictions.items():
        np.save(folder / f"trace-{name}.npy", torch.stack([torch.cat(p) for p in by_step]).numpy())
