"""Choose hyper-parameters on valid users: the one place where a simple method does it."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any

import torch

from coldbench.episode import Episodes
from coldbench.method import Method, Params


@torch.no_grad()
def choose(method: Method[Any], candidates: Iterable[Params], valid: Episodes) -> None:
    """Add to `method.learned` the candidate whose squared error is least, in the mean over valid
    users and over every number of shots; the first where there are no valid users."""
    least, best, base = float("inf"), None, method.learned
    for candidate in candidates:
        method.learned = base | candidate
        if best is None and not len(valid):
            return
        error = _error(method, valid)
        if best is None or error < least:
            least, best = error, method.learned
    assert best is not None, "no candidate to choose from"
    method.learned = best


def grid(**values: Sequence[float]) -> Iterator[Params]:
    """Every combination of named numbers, each as a tensor of one number."""
    for combination in product(*values.values()):
        yield dict(zip(values, map(torch.tensor, combination), strict=True))


def _error(method: Method[Any], valid: Episodes) -> float:
    shots = [k for k in (0, 1, 2, 4, 8, 16, 32) if k <= valid.max_shots]
    errors = []
    for batch in (batch for k in shots for batch in valid.batches(k)):
        support, query = batch.support.to(method.items.device), batch.query
        asked = query.items.to(method.items.device)
        wrong = (method.score(method.adapt(support), asked).cpu() - query.labels) ** 2
        errors.append((wrong * query.mask).sum(1) / query.mask.sum(1).clamp_min(1))
    return float(torch.cat(errors).mean())
