"""The loop over a run's processes. Total: whatever a cell does, it ends in a row or is missing.

A cell is two processes, one after the other: the method's, which holds no label that it is
evaluated on (worker.py), and the judge's, which holds the labels and no method (judge.py). Where
the protocol has an asker a third runs beside the first and answers it (elicitation.py).
"""

import errno
import json
import multiprocessing.connection
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from coldbench import store
from coldbench.cell import KEPT, MODELS, Cell, Spec
from coldbench.errors import first_line

from . import processes, splits
from .elicitation import answer
from .judge import commit_cell, judge
from .signals import Stop
from .worker import RESULT, Job, Stage, run_cell

FULL = (errno.ENOSPC, errno.EDQUOT)
LITTLE = 64 << 20  # bytes: a disk with less free is full
LOG_MOST = 64 << 20  # bytes that a running cell's log may have before it is cut
TICK = 1.0  # seconds between two looks at what is running
SERVER_DIED = 255  # the exit code of a process whose server is gone

OnEvent = Callable[
    [str, Spec, float], None
]  # event, cell, seconds; events: start, running, a status
Lost = dict[str, tuple[str, str]]  # fingerprint -> stage and reason of a cell that cannot be run


@dataclass(frozen=True)
class _Running:
    """A cell at work: its method's process, or its judge's."""

    job: Job
    process: BaseProcess
    begun: float  # of the cell
    judge_since: float = 0.0  # 0: the method's process runs
    answerer: BaseProcess | None = None  # who holds the labels that an asker asks for


@dataclass
class Supervisor:
    """Runs the waiting cells of one run folder, several side by side."""

    run: Path
    context: processes.Context
    warden: processes.Warden
    jobs: int
    timeout: float  # seconds that a cell's process may take
    lost: Lost
    stop: Stop
    on_event: OnEvent

    def __post_init__(self) -> None:
        self.running: list[_Running] = []
        self.again: set[str] = set()  # cells whose server died once

    def schedule(self, waiting: list[Job]) -> None:
        """Raises KeyboardInterrupt where signals asked for an end, OSError where the disk is
        full; no process is left running either way."""
        self.waiting, self.stop.draining = waiting, True
        try:
            while (waiting and not self.stop.asked) or self.running:
                while waiting and not self.stop.asked and len(self.running) < self.jobs:
                    self._begin(waiting.pop(0))
                sentinels = [one.process.sentinel for one in self.running]
                if sentinels:
                    multiprocessing.connection.wait(sentinels, timeout=TICK)
                for one in list(self.running):
                    self._look_at(one)
            if self.stop.asked:
                raise KeyboardInterrupt
        finally:
            self.stop.deaf()
            for one in self.running:
                self._end(one)
            clear(self.run)

    def _begin(self, job: Job) -> None:
        if job.spec.fingerprint in self.lost:
            self._record_failure(job, *self.lost[job.spec.fingerprint], time.monotonic())
            return
        self.on_event("start", job.spec, 0.0)
        protocol, begun = splits.protocol_of(job.spec), time.monotonic()
        if not protocol.asks:
            self._start(job, run_cell, job, _fresh(job), begun=begun)
            return
        ours, theirs = self.context.Pipe()
        answerer = self._child(answer, job.split, protocol.max_shots, theirs)
        self._start(job, run_cell, job, _fresh(job), ours, begun=begun, answerer=answerer)
        ours.close()  # the two processes alone hold an end: when one ends the other hears of it
        theirs.close()

    def _child(self, act: Callable[..., object], *args: Any) -> BaseProcess:
        process = processes.start(self.context, act, *args)
        self.warden("add", process.pid or 0)
        return process

    def _start(
        self,
        job: Job,
        act: Callable[..., object],
        *args: Any,
        begun: float,
        answerer: BaseProcess | None = None,
    ) -> None:
        process = self._child(act, *args)
        since = 0.0 if act is run_cell else time.monotonic()
        self.running.append(_Running(job, process, begun, since, answerer))

    def _end(self, one: _Running) -> None:
        for process in (one.process, one.answerer):
            if process is not None:
                processes.end(process)
                self.warden("discard", process.pid or 0)

    def _look_at(self, one: _Running) -> None:
        limit, now = self.timeout, time.monotonic()
        seconds = now - (one.judge_since or one.begun)
        if one.process.is_alive() and seconds <= limit:
            self.on_event("running", one.job.spec, now - one.begun)
            _cut_log(_partial(one.job) / "log.txt")
            return
        late = one.process.is_alive()
        self._end(one)
        self.running.remove(one)
        death = f"no result within {limit:.0f} s" if late else processes.death(one.process.exitcode)
        if one.judge_since:
            self._judged(one, death)
        else:
            self._worked(one, death)

    def _worked(self, one: _Running, death: str) -> None:
        """The method's process has ended: on to the judge, or to a row that says why not."""
        result = _result(_partial(one.job))
        if result is None:
            if one.process.exitcode == SERVER_DIED and one.job.spec.fingerprint not in self.again:
                self.again.add(one.job.spec.fingerprint)  # perhaps by another cell's doing
                self.waiting.insert(0, one.job)
            elif not self.stop.asked:  # what dies while a run is being stopped is not a failure
                self._record_failure(one.job, Stage.left(_partial(one.job)), death, one.begun)
            return
        if result["errno"] in FULL:
            not_full(self.run)
        args = one.job.spec, _partial(one.job), one.job.split, one.job.whole, result
        self._start(one.job, _judge, *args, begun=one.begun)

    def _judged(self, one: _Running, death: str) -> None:
        state = Cell.read(one.job.spec, one.job.whole).status
        if state in KEPT:
            self.on_event(state, one.job.spec, time.monotonic() - one.begun)
        elif not self.stop.asked:
            self._record_failure(one.job, "judge", death, one.begun)

    def _record_failure(self, job: Job, stage: str, reason: str, begun: float) -> None:
        """A row for a cell that left none."""
        not_full(self.run)
        state = "missing"
        try:
            folder = _fresh(job, keep=("log.txt",))
            facts = splits.facts(job.split) or {}
            result = {"status": "failed", "stage": stage, "reason": reason}
            commit_cell(folder, job.whole, result | {"facts": facts | job.provenance})
            state = "failed"
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            print(f"coldbench: {job.spec.title} is left out: {error}", file=sys.stderr)
        self.on_event(state, job.spec, time.monotonic() - begun)


def _judge(spec: Spec, folder: Path, split: Path, whole: Path, result: dict[str, Any]) -> None:
    """The judge's process. What the method's left may be anything: then that is the reason."""
    result = result | {"facts": result["facts"] | (splits.facts(split) or {})}
    try:
        judge(spec, folder, split, whole, result)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            sys.exit(1)  # the parent finds the disk full
        reason = f"{type(error).__name__}: {first_line(error)}"
        wrong = {"status": "failed", "stage": "save", "reason": reason}
        judge(spec, folder, split, whole, result | wrong)


def _result(folder: Path) -> dict[str, Any] | None:
    """What a method's process said of its end; None where it said nothing that can be read."""
    try:
        path = folder / RESULT
        if path.is_symlink() or path.stat().st_size > store.LARGEST:
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        texts = all(isinstance(found[key], str) for key in ("status", "stage", "reason"))
        known = found["status"] in KEPT and isinstance(found["facts"], dict)
        return found if texts and known and "errno" in found else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _partial(job: Job) -> Path:
    """Where a cell is before it is whole."""
    return job.whole.with_name(f".{job.spec.fingerprint}-{os.getpid()}")


def _fresh(job: Job, keep: tuple[str, ...] = ()) -> Path:
    """The cell's partial folder, empty but for what is kept, whatever lies there."""
    folder = _partial(job)
    for place in (folder.parent, folder):
        if os.path.lexists(place) and (place.is_symlink() or not place.is_dir()):
            place.unlink()
        place.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in keep or path.is_symlink() or not path.is_file():
            store.remove(path)
    return folder


def _cut_log(log: Path) -> None:
    """A flood of output must not fill the disk."""
    with suppress(OSError):
        if log.stat().st_size > LOG_MOST and not log.is_symlink():
            os.truncate(log, 0)


def not_full(folder: Path) -> None:
    """Raises OSError where the disk is full: no cell can help that, so none is recorded."""
    with suppress(FileNotFoundError):
        if shutil.disk_usage(folder).free < LITTLE:
            raise OSError(errno.ENOSPC, "no room left on the disk", str(folder))


def clear(run: Path) -> None:
    """Remove what a killed run left half done."""
    for room in ("cells", "splits", "catalogues", MODELS):
        for partial in (run / room).glob(".*"):
            store.remove(partial)
