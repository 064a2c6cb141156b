"""What is happening in a run's folder: what runs where and since when, what is left and till when.

Reads the folder alone, so that it says the same wherever it is asked, and of every executor.
"""

import os
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from coldbench.cell import Cell, Spec, read_run

from .claims import CLAIMS, Claim, is_alive, workers
from .identity import Worker
from .job import Stage
from .partials import BEGUN

USUAL = 1.0  # seconds of a cell beside training and scoring


@dataclass(frozen=True)
class Running:
    """A cell that a worker has claimed."""

    spec: Spec
    worker: Worker | None  # None: its claim is torn
    alive: bool  # False: whoever comes next takes it over
    seconds: float  # since it was begun
    stage: str  # "meta-train", "score"; "" where it has not begun


@dataclass(frozen=True)
class Status:
    """A run at one moment."""

    cells: list[Cell]
    running: list[Running]
    workers: list[Worker]  # those alive

    @classmethod
    def read(cls, run: Path) -> "Status":
        now, cells = clock(run), read_run(run)
        specs = {cell.spec.fingerprint: cell.spec for cell in cells if cell.status == "missing"}
        claims = sorted(path for path in (run / CLAIMS).glob("*") if path.name in specs)
        running = [_running(run, specs[path.name], path, now) for path in claims]
        return cls(cells, [entry for entry in running if entry], list(workers(run, now)))

    @property
    def counts(self) -> Counter[str]:
        """done, failed, unavailable, damaged, missing; of the missing those that run."""
        counts = Counter(cell.status for cell in self.cells)
        counts["running"] = sum(entry.alive for entry in self.running)
        return counts

    @property
    def left(self) -> list[Cell]:
        """The cells that nobody has begun."""
        begun = {entry.spec.fingerprint for entry in self.running if entry.alive}
        undone = [cell for cell in self.cells if cell.status in ("missing", "damaged")]
        return [cell for cell in undone if cell.spec.fingerprint not in begun]

    def seconds_left(self) -> float | None:
        """An estimate: what is left takes what cells of its row took, or else what all did, side by
        side on the workers there are. None where no cell is done or nobody works."""
        took: dict[str, list[float]] = {}
        for cell in self.cells:
            if cell.status == "done":
                timing = cell.timing()
                spent = timing.get("meta_train_seconds", 0.0) + timing.get("evaluate_seconds", 0.0)
                took.setdefault(cell.spec.name, []).append(spent + USUAL)
        slots = sum(worker.jobs for worker in self.workers)
        if not took or not slots:
            return None
        every = [seconds for of_row in took.values() for seconds in of_row]

        def expected(spec: Spec) -> float:
            of_row = took.get(spec.name, every)
            return sum(of_row) / len(of_row)

        waiting = sum(expected(cell.spec) for cell in self.left)
        begun = [
            max(0.0, expected(entry.spec) - entry.seconds) for entry in self.running if entry.alive
        ]
        return max([(waiting + sum(begun)) / slots, *begun])


def _running(run: Path, spec: Spec, claim: Path, now: float) -> Running | None:
    holder = Claim.read(claim)
    if holder is None:  # it ended meanwhile
        return None
    name = holder.worker.name if holder.worker else "*"
    stage, seconds = "", 0.0
    for folder in (run / "cells").glob(f".{spec.fingerprint}-{name}"):
        with suppress(OSError):
            seconds = max(0.0, now - (folder / BEGUN).stat().st_mtime)
            stage = Stage.left(folder)
    return Running(spec, holder.worker, is_alive(holder, now), seconds, stage)


def clock(run: Path) -> float:
    """The file system's own; this machine's where nothing can be written there."""
    probe = run / f".clock-{os.getpid()}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        with suppress(OSError):
            probe.unlink()
