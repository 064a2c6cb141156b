"""Where a run's events go: always to a file; to TensorBoard and Weights & Biases on request.

A tracker can't fail a run: one that breaks is said to be so, once, and left out from there on. A
full disk is no tracker's fault: it ends the run, which goes on where there is room.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from coldbench.cell import Cell, Spec
from coldbench.errors import UserError, unknown

from .partials import FULL

SHOWN = ("ndcg@5", "auc", "mae", "log-loss")  # of a finished cell, by number of labels
Event = dict[str, Any]  # event, seconds, the cell, and of a finished one `metrics` by name and K
Track = Callable[[Event], None]
Metrics = dict[str, dict[int, float]]  # metric -> K -> mean over users


def measured(spec: Spec, folder: Path) -> Metrics:
    """A finished cell's metrics. Imports torch: a run has it asked in another process."""
    from coldbench.metrics.compute import mean_defined, per_user
    from coldbench.results.user_scores import read_user_scores

    scores = read_user_scores([Cell.read(spec, folder)], ())
    return {
        metric: {
            shots: round(mean_defined(per_user(metric, of_shots.predictions))[0], 6)
            for shots, of_shots in scores.items()
        }
        for metric in SHOWN
    }


class Tracking:
    """Called with every event, like Progress; a context, so that trackers can end well."""

    def __init__(
        self,
        folder: Path,
        names: str = "",
        measure: Callable[[Spec, Path], Metrics] = measured,
    ) -> None:
        self._cells, self._measure = folder / "cells", measure
        self._trackers: list[tuple[str, Track, Callable[[], None]]] = []
        for name in ["events.jsonl", *filter(None, map(str.strip, names.split(",")))]:
            if name not in _KINDS:
                raise unknown("tracker", name, [*_KINDS][1:], "tensorboard or wandb")
            self._try(name, partial(self._begin, name, folder))

    def _begin(self, name: str, folder: Path) -> None:
        self._trackers.append((name, *_KINDS[name](folder)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for name, _, end in self._trackers:
            self._try(name, end)

    def __call__(self, event: str, spec: Spec, seconds: float) -> None:
        if event == "running":
            return
        row: Event = {
            "time": round(time.time(), 3), "event": event, "seconds": round(seconds, 3),
            "cell": spec.fingerprint, "dataset": spec.dataset, "protocol": spec.protocol,
            "method": spec.name, "seed": spec.seed,
        }  # fmt: skip
        folder = self._cells / spec.fingerprint
        if event == "done":
            self._try("metrics", lambda: row.update(metrics=self._measure(spec, folder)))
        elif event != "start":
            row["reason"] = Cell.read(spec, folder).reason
        for tracker in list(self._trackers):
            name, track, _ = tracker
            if not self._try(name, partial(track, row)):
                self._trackers.remove(tracker)

    @staticmethod
    def _try(name: str, act: Callable[[], object]) -> bool:
        try:
            act()
        except UserError as error:
            print(f"coldbench: not tracked: {error}", file=sys.stderr)
            return False
        except Exception as error:  # whatever a tracker does, the run goes on
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            print(f"coldbench: {name} failed and is left out: {error}", file=sys.stderr)
            return False
        return True


def _events(folder: Path) -> tuple[Track, Callable[[], None]]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "events.jsonl"

    def track(row: Event) -> None:
        with path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")

    return track, lambda: None


def _tensorboard(folder: Path) -> tuple[Track, Callable[[], None]]:
    """One line in TensorBoard a cell; its steps are the numbers of labels."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UserError("pip install 'coldbench[tensorboard]' for --track tensorboard") from None

    def track(row: Event) -> None:
        name = f"{row['dataset']} {row['protocol']} {row['method']} seed {row['seed']}"
        with SummaryWriter(str(folder / "tensorboard" / name.replace("/", "-"))) as writer:
            for metric, by_shots in row.get("metrics", {}).items():
                for shots, value in by_shots.items():
                    writer.add_scalar(metric, value, shots)
            if row["event"] != "start":
                writer.add_scalar("seconds", row["seconds"], 0)

    return track, lambda: None


def _wandb(folder: Path) -> tuple[Track, Callable[[], None]]:
    """Offline: `wandb sync` sends it, when and if its owner wants."""
    try:
        import wandb
    except ImportError:
        raise UserError("pip install 'coldbench[wandb]' for --track wandb") from None
    run = wandb.init(project="coldbench", name=folder.name, dir=str(folder), mode="offline")

    def track(row: Event) -> None:
        cell = f"{row['dataset']}/{row['protocol']}/{row['method']}/{row['seed']}"
        values = {
            f"{cell}/{metric} at K = {shots}": value
            for metric, by_shots in row.get("metrics", {}).items()
            for shots, value in by_shots.items()
        }
        if row["event"] != "start":
            run.log({**values, f"{cell}/seconds": row["seconds"]})

    return track, run.finish


_KINDS: dict[str, Callable[[Path], tuple[Track, Callable[[], None]]]] = {
    "events.jsonl": _events,
    "tensorboard": _tensorboard,
    "wandb": _wandb,
}
