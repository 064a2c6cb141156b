"""Run a grid: every missing cell in a process of its own, several side by side.

A process comes from a forkserver that has torch loaded, so that it starts in a fraction of a
second; CUDA is not touched before. A cell that raises, dies or hangs is lost alone and stands in
the report with its reason. Running again does what is missing.
"""

import fcntl
import multiprocessing
import multiprocessing.connection
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil

from coldbench.cell import Cell, Spec, write_plan
from coldbench.errors import UserError

from . import origin
from .grid import Grid
from .plan import device_of, encoder
from .source import dataset, label
from .splits import keep
from .work import Job, finish, work

PRELOAD = ["torch", "transformers.models.bert.modeling_bert", "coldbench.benchmarks.work"]


@dataclass(frozen=True)
class How:
    """How to run cells: nothing here changes a number."""

    device: str = "auto"  # "cpu", "cuda", "cuda:1"
    jobs: int = 1
    timeout: float = 3600.0  # seconds a cell may take
    retry_failed: bool = False
    include: tuple[str, ...] = ()
    timing: bool = True  # measure one cell of each row


Tell = Callable[[str, Spec, float], None]  # event, cell, seconds it took


def run(grid: Grid, specs: list[Spec], folder: Path, how: How, tell: Tell) -> list[Cell]:
    """Do those of the grid's cells that `folder` does not hold yet; returns all of them.

    Raises KeyboardInterrupt at the second Ctrl-C; at the first the running cells are ended well.
    """
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    with alone(folder):
        _clean(folder / "cells")
        (folder / "grid.toml").write_text(grid.toml(), encoding="utf-8")
        write_plan(folder, specs)
        cells = [Cell.read(spec, folder / "cells" / spec.fingerprint) for spec in specs]
        for cell in cells:
            if cell.status in ("failed", "unavailable") and how.retry_failed:
                shutil.rmtree(cell.folder)
        jobs = list(_jobs(specs, folder / "cells", how))
        new = {spec.split_key: spec for spec in specs if not _split(folder, spec).exists()}
        if jobs or new:
            _warm(grid, folder, list(new.values()))
        if jobs:
            _do(jobs, folder / "cells", how, tell)
    return [Cell.read(spec, folder / "cells" / spec.fingerprint) for spec in specs]


def _split(folder: Path, spec: Spec) -> Path:
    return folder / "splits" / spec.split_key


def _warm(grid: Grid, folder: Path, new: list[Spec]) -> None:
    """Encode the catalogues and note the splits once, in a process of its own, so that no two
    cells do it at once."""
    context = _context()
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_prepare, args=(grid, folder, new, there))
    process.start()
    there.close()
    try:
        wrong = here.recv()
    except EOFError:
        wrong = "its process died"
    process.join()
    if wrong:
        raise UserError(f"the encoder {grid.encoder} could not read the catalogue: {wrong}")


def _prepare(grid: Grid, folder: Path, new: list[Spec], there: Connection) -> None:
    wrong = ""
    try:
        for name in grid.datasets:
            source = dataset(name, grid.dataset_params.get(name, {}))
            log, catalogue = source.load()
            for spec in new:
                if spec.dataset == label(name):
                    keep(spec, source, log, _split(folder, spec))
            reader = encoder(grid)
            if reader.name != "vectors" and not reader.kept(catalogue).is_file():
                told = f"{label(name)}: {len(catalogue):,} texts are read by {reader.name}, once"
                print(told, flush=True)
            reader.items(catalogue)
    except Exception as error:  # whatever a model does, the user gets one line
        wrong = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    there.send(wrong)


def _context() -> ForkServerContext | SpawnContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def _do(waiting: list[Job], cells: Path, how: How, tell: Tell) -> None:
    context, stops = _context(), 0
    running: dict[BaseProcess, tuple[Job, float]] = {}

    def stop(*_: object) -> None:
        nonlocal stops
        stops += 1
        if stops > 1:
            raise KeyboardInterrupt
        waiting.clear()
        print("ending after the running cells; Ctrl-C again stops at once", file=sys.stderr)

    before = signal.signal(signal.SIGINT, stop)
    try:
        while waiting or running:
            while waiting and len(running) < how.jobs:
                job = waiting.pop(0)
                process = context.Process(target=_quietly, args=(job, cells))
                process.start()
                running[process] = job, time.monotonic()
                tell("start", job.spec, 0.0)
            multiprocessing.connection.wait([p.sentinel for p in running], timeout=1.0)
            for one, (job, begun) in list(running.items()):
                taken = time.monotonic() - begun
                if one.is_alive() and taken > how.timeout:
                    _kill(one)
                    one.join()
                    _lost(one, job, cells, f"no result within {how.timeout:.0f} s")
                if not one.is_alive():
                    del running[one]
                    _lost(one, job, cells, _death(one.exitcode))
                    tell(Cell.read(job.spec, cells / job.spec.fingerprint).status, job.spec, taken)
        if stops:
            raise KeyboardInterrupt
    finally:
        for one in running:
            _kill(one)
        signal.signal(signal.SIGINT, before)
        _clean(cells)


def _jobs(specs: list[Spec], cells: Path, how: How) -> Iterator[Job]:
    """What is missing, in the grid's order. One seed of a row is timed."""
    seen = set()
    made = {"hardware": origin.hardware(), "commit": origin.commit()}
    for spec in specs:
        row = (spec.dataset, spec.protocol, spec.name)
        timed = how.timing and row not in seen
        seen.add(row)
        if not (cells / spec.fingerprint).exists():
            yield Job(spec, str(device_of(how.device)), timed, how.include, how.jobs, made)


def _quietly(job: Job, cells: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    work(job, cells)


def _lost(process: BaseProcess, job: Job, cells: Path, reason: str) -> None:
    """A process that left no cell behind: its row says where and how it died."""
    whole = cells / job.spec.fingerprint
    if whole.exists():
        return
    partial = cells / f".{job.spec.fingerprint}-{process.pid}"
    partial.mkdir(exist_ok=True)
    noted = partial / ".stage"
    stage = noted.read_text(encoding="utf-8") if noted.is_file() else "start"
    finish(partial, whole, status="failed", stage=stage, reason=reason, facts=job.origin)


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the process was ended by {name}{hint}"
    return f"the process ended with code {code} and no result"


def _kill(process: BaseProcess) -> None:
    if process.pid and psutil.pid_exists(process.pid):
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
    process.kill()


def _clean(cells: Path) -> None:
    """Remove what a killed run left half done."""
    for partial in cells.glob(".*-*"):
        pid = partial.name.rpartition("-")[2]
        if not (pid.isdigit() and psutil.pid_exists(int(pid))):
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One run at a time in a folder."""
    with (folder / ".lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{folder}: another run is at work here; wait for it, or name another by --name"
            ) from None
        yield
