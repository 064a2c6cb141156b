"""The log of a search for parameters: runs/<name>/trials.jsonl, a line a trial, in order.

`coldbench tune` writes it, and goes on from it; reports draw it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from coldbench.errors import UserError
from coldbench.metrics.compute import parse_metric

FILE = "trials.jsonl"
CURVE = {
    "dataset": pl.String, "protocol": pl.String, "metric": pl.String, "method": pl.String,
    "trial": pl.Int64, "seconds": pl.Float64, "value": pl.Float64, "best": pl.Float64,
    "status": pl.String, "users": pl.Int64, "params": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One configuration of one method, evaluated on valid users."""

    dataset: str
    protocol: str
    metric: str
    seed: int
    method: str  # as the grid calls its row
    number: int  # from 1, which is the defaults
    params: dict[str, Any]  # those searched
    status: str  # "done", "failed" or "unavailable"
    reason: str  # one line, else ""
    value: float | None  # mean over users; None where it failed
    by_user: list[float | None]  # mean over K of each evaluated user, in one order; None: undefined
    seconds: float  # it took


def read_trials(run: Path) -> list[Trial]:
    """The trials of a folder, [] where there are none. A last line that a kill cut off is no trial;
    any other that is none is a UserError."""
    path = run / FILE
    if not path.is_file():
        return []
    trials = []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            trials.append(Trial(**json.loads(line)))
        except (ValueError, TypeError):
            raise UserError(f"{path}:{number}: is no trial; remove the line") from None
    return trials


def add_trial(run: Path, trial: Trial) -> None:
    """Append a line, in place of one that a kill cut off."""
    with (run / FILE).open("a+b") as log:
        whole = log.seek(0) or log.read().rfind(b"\n") + 1
        log.truncate(whole)
        log.write(json.dumps(asdict(trial), allow_nan=False).encode() + b"\n")


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The first of the best that are done."""
    done = [trial for trial in trials if trial.value is not None]
    if not done:
        return None
    sign = -1 if parse_metric(done[0].metric)[0].higher_is_better else 1
    return min(done, key=lambda trial: sign * (trial.value or 0.0))


def curve(trials: Sequence[Trial]) -> pl.DataFrame:
    """The columns of CURVE: a row a trial, with the seconds spent on its method and the best value
    that the method has reached so far."""
    rows: list[dict[str, Any]] = []
    so_far: dict[tuple[str, str, str, str], list[Trial]] = {}
    for trial in trials:
        mine = so_far.setdefault((trial.dataset, trial.protocol, trial.metric, trial.method), [])
        mine.append(trial)
        best = best_of(mine)
        fields = {name: getattr(trial, name) for name in CURVE if hasattr(trial, name)}
        rows.append(
            fields | {
                "trial": trial.number, "seconds": sum(past.seconds for past in mine),
                "best": best and best.value, "params": json.dumps(trial.params),
                "users": sum(value is not None for value in trial.by_user),
            }
        )  # fmt: skip
    return pl.DataFrame(rows, CURVE)
