"""What a method costs: adapting and scoring timed apart from everything else.

CUDA works behind the caller's back, so every clock reading waits for it. A call is warmed up, then
repeated until its share of the row's budget is spent or it has been repeated often enough; the
median is reported, for one user the 95th percentile too.
"""

import sys
from collections.abc import Callable
from functools import partial
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import psutil
import torch

from coldbench.episode import EpisodeBatch
from coldbench.method import Method, state_bytes

from . import flops
from .energy import Meter

BUDGET = 1.0  # seconds for all that is measured of one row
REPEATS = 1000  # of one call at most, however quick it is
BATCHES = (1, 8, 64, 256, 1024)  # users adapted at once
SHARE = BUDGET / (len(BATCHES) + 2)  # seconds for each batch size, and for scoring one and many


def now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)  # kernels run later than the call that asked for them
    return perf_counter()


def once(call: Callable[[], object], device: torch.device) -> float:
    """Seconds that the call takes."""
    at = now(device)
    call()
    return now(device) - at


def seconds(call: Callable[[], object], device: torch.device) -> list[float]:
    """How long each repeat of the call takes, after one that warms up.

    Ends after REPEATS repeats or SHARE seconds by the clock, whichever is first; a call slower than
    SHARE is its own only measurement.
    """
    first = once(call, device)
    if first >= SHARE:
        return [first]
    end = perf_counter() + SHARE
    taken = [once(call, device)]
    while len(taken) < REPEATS and perf_counter() < end:
        taken.append(once(call, device))
    return taken


@torch.no_grad()
def cost(method: Method[Any], batch: EpisodeBatch, device: torch.device) -> dict[str, Any]:
    """What `batch` of users costs to adapt to and to score, at the batch's number of shots.

    idle_ms_p50 is what an empty call reads on this clock: an `adapt` no slower has nothing to do.
    joules_per_user is the power drawn meanwhile, for as long as one user takes.
    """
    batch = batch.to(device)
    with Meter(device) as meter:
        taken = _times(method, batch, device)
    if meter.watts is not None:
        alone = (taken["adapt_ms_p50"] + taken["score_ms_p50"]) / 1e3
        taken["joules_per_user"] = meter.watts * alone
    return taken | _counts(method, batch)


def _times(method: Method[Any], batch: EpisodeBatch, device: torch.device) -> dict[str, Any]:
    shots, query = batch.support.items.shape[1], batch.query.items.shape[1]
    by_batch = []
    for users in BATCHES:
        part = _tiled(batch, users)
        taken = seconds(partial(method.adapt, part.support), device)
        by_batch.append({"users": users, "users_per_second": users / median(taken)})
        if users == 1:
            alone = taken
        if median(taken) >= SHARE:
            break  # as slow as this, more users at once say nothing new
    alone_scored = seconds(_scoring(method, batch, 1)[1], device)
    sizes = BATCHES[: len(by_batch)]
    many = max(n for n in sizes if n == 1 or n * median(alone_scored) <= SHARE)
    state, score = _scoring(method, batch, many)
    scoring = seconds(score, device)
    return {
        "shots": shots,
        "adapt_ms_p50": 1e3 * median(alone),
        "adapt_ms_p95": 1e3 * (quantiles(alone, n=20)[-1] if len(alone) > 1 else alone[0]),
        "adapt_repeats": len(alone),
        "adapt_users_per_second": max(row["users_per_second"] for row in by_batch),
        "adapt_by_batch": by_batch,
        "idle_ms_p50": 1e3 * median(seconds(_nothing, device)),
        "score_ms_p50": 1e3 * median(alone_scored),
        "score_items_per_second": many * query / median(scoring),
        "state_bytes_per_user": state_bytes(state) / many,
    }


def _counts(method: Method[Any], batch: EpisodeBatch) -> dict[str, int]:
    """Operations and tokens of one user, adapted to and scored."""
    one = _tiled(batch, 1)
    counted = flops.count(lambda: method.score(method.adapt(one.support), one.query.items))
    return dict(zip(("flops_per_user", "tokens_per_user"), counted, strict=True)) if counted else {}


def _nothing() -> None:
    """What a clock reads of it is the clock's own."""


def peak_memory(device: torch.device) -> int:
    """Bytes: of the device's allocator on CUDA, of this process elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    memory = psutil.Process().memory_info()
    return int(getattr(memory, "peak_wset", 0)) or _high_water(memory.rss)


def _high_water(now_used: int) -> int:
    try:
        import resource
    except ImportError:  # Windows
        return now_used
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB elsewhere
    return max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, now_used)


def _scoring(
    method: Method[Any], batch: EpisodeBatch, users: int
) -> tuple[Any, Callable[[], object]]:
    """So many users adapted to, and the call that scores what they are asked for."""
    part = _tiled(batch, users)
    state = method.adapt(part.support)
    return state, partial(method.score, state, part.query.items)


def _tiled(batch: EpisodeBatch, users: int) -> EpisodeBatch:
    """Exactly so many users: the first ones, or all of them over and over."""
    which = torch.arange(users, device=batch.users.device) % len(batch.users)
    support = batch.support.map(lambda column: column[which])
    return EpisodeBatch(batch.users[which], support, batch.query.map(lambda column: column[which]))
