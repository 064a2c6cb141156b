"""The loop over a run's processes. Total: whatever a cell does, it ends in a row or is missing.

A cell is two processes, one after the other: the method's, which holds no label that it is
evaluated on (worker.py), and the judge's, which holds the labels and no method (judge.py). Where
the protocol has an asker a third runs beside the first and answers it (elicitation.py). A cell
that another worker has claimed is waited for, and taken over should that worker be gone. Of a cell
in shards what is free is begun when it is looked at; whoever finds all done joins them.
"""

import multiprocessing.connection
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from coldbench import store
from coldbench.cell import KEPT, Cell, Spec

from . import partials, processes, splits
from .children import answer_process, judge_process, method_process, record_failure
from .claims import Claims
from .gpus import emptiest
from .job import Job, Stage
from .running import Running
from .signals import Stop

TICK = 1.0  # seconds between two looks at what is running
LOOKS = 0.1  # seconds between two looks, for each cell that another worker has
GRACE = 0.5  # seconds within which a SIGTERM for all of a job has reached this process too
SERVER_DIED = 255  # the exit code of a process whose server is gone

OnEvent = Callable[
    [str, Spec, float], None
]  # event, cell, seconds; events: start, running, a status
Lost = dict[str, tuple[str, str]]  # fingerprint -> stage and reason of a cell that cannot be run


@dataclass
class Supervisor:
    """Runs the waiting cells of one run folder, several side by side."""

    claims: Claims
    run: Path
    context: processes.Context
    warden: processes.Warden
    jobs: int
    timeout: float  # seconds that a cell's process may take
    stop: Stop
    on_event: OnEvent  # of a cell that another worker has done, with 0 seconds
    lost: Lost
    gpus: tuple[str, ...] = ()  # that cells are laid on
    shard: int = 0  # the only one of each cell that is begun here; 0: any

    def __post_init__(self) -> None:
        self.running: list[Running] = []
        self.elsewhere: list[Job] = []  # cells that other workers have
        self.looked = 0.0  # at those
        self.again: set[str] = set()  # jobs whose server died once, or whose claim was lost
        self.told: dict[str, float] = {}  # cells that were begun here, and when

    def schedule(self, waiting: list[Job]) -> None:
        """Raises KeyboardInterrupt where signals asked for an end, OSError where the disk is
        full; no process is left running either way."""
        self.waiting, self.stop.draining = waiting, True
        try:
            while ((waiting or self.elsewhere) and not self.stop.asked) or self.running:
                self._take_more()
                sentinels = [cell.process.sentinel for cell in self.running]
                if sentinels:
                    multiprocessing.connection.wait(sentinels, timeout=TICK)
                elif self.elsewhere and not waiting:
                    time.sleep(TICK)
                for cell in list(self.running):
                    self._look_at(cell)
            if self.stop.asked:
                raise KeyboardInterrupt
        finally:
            self.stop.deaf()
            for cell in list(self.running):
                self._end(cell)
            partials.clear_of(self.run, self.claims.name)

    def _room(self) -> bool:
        return len(self.running) < self.jobs and not self.stop.asked

    def _take_more(self) -> None:
        """Begin waiting cells while there is room, and then what is free of the others'."""
        if self.waiting and self._room():
            taken = self.claims.taken()
            while self.waiting and self._room():
                job = self.waiting.pop(0)
                if job.name in taken or not self._take(job):
                    self.elsewhere.append(job)
        pause = max(TICK, LOOKS * len(self.elsewhere))
        if self._room() and time.monotonic() - self.looked > pause:
            self.looked = time.monotonic()
            self.elsewhere = [
                job for job in self.elsewhere if not self._room() or not self._take(job)
            ]

    def _take(self, job: Job) -> bool:
        """False: another has the cell, or shards are left. Else it is begun, or has been done."""
        if not self.claims.take(job.name):
            return False
        state = Cell.read(job.spec, job.whole).status
        if state in KEPT:
            self.claims.release(job.name)
            if not job.shard:
                self.on_event(state, job.spec, 0.0)
            return True
        if state == "damaged":
            aside = store.set_aside(job.whole)
            print(f"damaged: {job.spec.title} is moved to {aside} and run again")
        else:
            store.remove(job.whole)
        left = [] if job.name in self.lost else self._begin_shards(job)
        if left:
            self.claims.release(job.name)
            return bool(self.shard) and self.shard not in left and not self.running
        self._begin(job)
        return True

    def _begin_shards(self, job: Job) -> list[int]:
        """Begin those of a cell that are left and that nobody has; returns all that are left."""
        left, here = partials.shards_left(job), {cell.job.name for cell in self.running}
        for part in left:
            ours = self.shard in (0, part.shard) or part.whole.exists()  # torn: anybody's
            if ours and part.name not in here and self._room():
                self._take(part)
        return [part.shard for part in left]

    def _begin(self, job: Job) -> None:
        if job.name in self.lost:
            self._record_failure(job, *self.lost[job.name], time.monotonic())
            return
        if job.spec.fingerprint not in self.told:
            self.told[job.spec.fingerprint] = time.monotonic()
            self.on_event("start", job.spec, 0.0)
        job = replace(job, gpu=emptiest(self.gpus, [cell.job.gpu for cell in self.running]))
        folder = partials.fresh(self._partial(job))
        (folder / partials.BEGUN).touch()
        protocol, begun = splits.protocol_of(job.spec), time.monotonic()
        if job.parts:  # all there
            begun = self.told[job.spec.fingerprint]
            self._start(job, judge_process, job, folder, None, begun=begun)
        elif not protocol.asks:
            self._start(job, method_process, job, folder, begun=begun)
        else:
            ours, theirs = self.context.Pipe()
            answerer = self._child(answer_process, job.split, protocol.max_shots, theirs)
            self._start(job, method_process, job, folder, ours, begun=begun, answerer=answerer)
            ours.close()  # the two processes alone hold an end: when one ends the other hears of it
            theirs.close()

    def _partial(self, job: Job) -> Path:
        return partials.partial(job, self.claims.name)

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
        since = 0.0 if act is method_process else time.monotonic()
        self.running.append(Running(job, process, begun, since, answerer))

    def _end(self, cell: Running) -> None:
        for process in cell.processes():
            processes.end(process)
            self.warden("discard", process.pid or 0)
        self.running.remove(cell)

    def _look_at(self, cell: Running) -> None:
        if not self.claims.holds(cell.job.name):
            self._drop(cell)
            return
        death = cell.death(self.timeout)
        if death is None:
            self.on_event("running", cell.job.spec, time.monotonic() - cell.begun)
            partials.cut_log(self._partial(cell.job) / "log.txt")
            return
        self._end(cell)
        if cell.judge_since:
            self._judged(cell, death)
        else:
            self._worked(cell, death)

    def _drop(self, cell: Running) -> None:
        """The claim is another worker's, who took this one for dead, or was deleted: once."""
        self._end(cell)
        store.remove(self._partial(cell.job))
        if cell.job.shard:  # its cell has it begun again
            return
        if cell.job.name in self.again:
            self.on_event("missing", cell.job.spec, time.monotonic() - cell.begun)
        else:
            self.again.add(cell.job.name)
            self.elsewhere.append(cell.job)

    def _ended(self, job: Job, state: str, begun: float) -> None:
        if job.shard:
            self.looked = 0.0  # the cell may have others to be begun, or be ready to be joined
            if state == "missing":  # it cannot be kept: nor will it be the next time
                self.lost[job.spec.fingerprint] = "save", f"shard {job.shard} could not be kept"
        else:
            partials.clear_shards(job)
            self.on_event(state, job.spec, time.monotonic() - begun)
        self.claims.release(job.name)

    def _worked(self, cell: Running, death: str) -> None:
        """The method's process has ended: on to the judge, or to a row that says why not."""
        result = partials.result_of(self._partial(cell.job))
        if result is None:
            if cell.process.exitcode == -signal.SIGTERM:
                time.sleep(GRACE)  # a scheduler that ends a job tells each of its processes
            if cell.process.exitcode == SERVER_DIED and cell.job.name not in self.again:
                self.again.add(cell.job.name)  # perhaps by another cell's doing
                self.claims.release(cell.job.name)
                self.waiting[:0] = [] if cell.job.shard else [cell.job]
            elif not self.stop.asked:  # what dies while a run is being stopped is not a failure
                stage = Stage.left(self._partial(cell.job))
                self._record_failure(cell.job, stage, death, cell.begun)
            return
        if result["errno"] in partials.FULL:
            partials.not_full(self.run)
        job = cell.job
        self._start(job, judge_process, job, self._partial(job), result, begun=cell.begun)

    def _judged(self, cell: Running, death: str) -> None:
        state = Cell.read(cell.job.spec, cell.job.whole).status
        if state in KEPT:
            self._ended(cell.job, state, cell.begun)
        elif not self.stop.asked:
            self._record_failure(cell.job, "judge", death, cell.begun)

    def _record_failure(self, job: Job, stage: str, reason: str, begun: float) -> None:
        folder = self._partial(job)
        self._ended(job, record_failure(self.run, job, folder, stage, reason), begun)
