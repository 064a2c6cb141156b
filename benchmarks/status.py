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
from coldbench.errors import UserError

from .claims import CLAIMS, Claim, is_alive, workers
from .identity import Worker
from .job import SHARDS, Stage
from .partials import BEGUN
from .work import RunOptions, shards_of

USUAL = 1.0  # seconds of a cell beside training and scoring
UNBEGUN = ("missing", "damaged")


@dataclass(frozen=True)
class Running:
    """A cell, or a shard of one, that a worker has claimed."""

    spec: Spec
    name: str  # of its claim: the cell's fingerprint, of a shard "<fingerprint>.2of4"
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
    shards: dict[str, int]  # how many a missing cell has, by fingerprint
    there: set[str]  # names of shards that wait for the others of their cell

    @classmethod
    def read(cls, run: Path) -> "Status":
        now, cells = clock(run), read_run(run)
        specs = {cell.spec.fingerprint: cell.spec for cell in cells if cell.status in UNBEGUN}
        claims = [(specs.get(path.name.partition(".")[0]), path)
                  for path in sorted((run / CLAIMS).glob("[!.]*"))]  # fmt: skip
        running = [_running(run, spec, path, now) for spec, path in claims if spec]
        counts = _counts(run, list(specs.values()))
        shards = dict(zip(specs, counts, strict=True))
        there = {path.name for path in (run / SHARDS).glob("[!.]*")}
        known = [entry for entry in running if entry]
        return cls(cells, known, list(workers(run, now)), shards, there)

    @property
    def counts(self) -> Counter[str]:
        """done, failed, unavailable, damaged, missing; of the missing those that run."""
        counts = Counter(cell.status for cell in self.cells)
        counts["running"] = len({e.spec.fingerprint for e in self.running if e.alive})
        return counts

    @property
    def left(self) -> list[str]:
        """What nobody has begun, by the names that `coldbench cell` takes: cells, and shards."""
        return [name for _, name in self._left()]

    def _left(self) -> list[tuple[Spec, str]]:
        begun = {entry.name for entry in self.running if entry.alive}
        undone = [cell.spec for cell in self.cells if cell.status in UNBEGUN]
        return [(s, name) for s in undone for name in self._tasks(s) if name not in begun]

    def _tasks(self, spec: Spec) -> list[str]:
        """A cell's shards that are not there; where it has none, or all are there, the cell."""
        cell = spec.fingerprint
        count = self.shards[cell]
        names = [f"{cell}.{n}of{count}" for n in range(1, count + 1)] if count > 1 else []
        return [name for name in names if name not in self.there] or [cell]

    def seconds_left(self) -> float | None:
        """An estimate: what is left takes what cells of its row took, or else what all did, side by
        side on the workers there are. None where no cell is done or nobody works."""
        took: dict[str, list[tuple[float, float]]] = {}
        for cell in self.cells:
            if cell.status == "done":
                timing = cell.timing()
                spent = (
                    timing.get(f"{stage}_seconds", 0.0) for stage in ("meta_train", "evaluate")
                )
                took.setdefault(cell.spec.name, []).append((next(spent), next(spent)))
        slots = sum(worker.jobs for worker in self.workers)
        if not took or not slots:
            return None
        every = [seconds for of_row in took.values() for seconds in of_row]

        def expected(spec: Spec) -> float:
            of_row = took.get(spec.name, every)
            train, judge = (sum(column) / len(of_row) for column in zip(*of_row, strict=True))
            return USUAL + train + judge / self.shards[spec.fingerprint]

        waiting = sum(expected(spec) for spec, _ in self._left())
        begun = [
            max(0.0, expected(entry.spec) - entry.seconds) for entry in self.running if entry.alive
        ]
        return max([(waiting + sum(begun)) / slots, *begun])


def _counts(run: Path, specs: list[Spec]) -> list[int]:
    """How many shards each has; 1 where the run is not prepared."""
    try:
        options, _ = RunOptions.read(run)
    except UserError:
        return [1] * len(specs)
    return list(shards_of(run, specs, options))


def _running(run: Path, spec: Spec, claim: Path, now: float) -> Running | None:
    holder = Claim.read(claim)
    if holder is None:  # it ended meanwhile
        return None
    name = holder.worker.name if holder.worker else "*"
    stage, seconds = "", 0.0
    room = SHARDS if claim.name != spec.fingerprint else "cells"
    for folder in (run / room).glob(f".{claim.name}-{name}"):
        with suppress(OSError):
            seconds = max(0.0, now - (folder / BEGUN).stat().st_mtime)
            stage = Stage.left(folder)
    return Running(spec, claim.name, holder.worker, is_alive(holder, now), seconds, stage)


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
