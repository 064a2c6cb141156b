"""Run a grid: plan its cells, prepare what they share, have the missing ones done.

A cell that raises, dies or hangs is lost alone and stands in the report with its reason. Running
again does what is missing or damaged.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from coldbench import registry, store
from coldbench.cell import KEPT, Cell, Spec, write_plan
from coldbench.errors import UserError

from . import catalogues, processes, provenance, splits
from .dataset_names import label
from .grid import Grid
from .plan import Plan, device_of, plan
from .preparation import Died, Preparer, cut_split, encode, to_be_read
from .signals import Stop
from .supervisor import Lost, Supervisor, Tell, clear, not_full
from .worker import Job


@dataclass(frozen=True)
class How:
    """How to run cells: nothing here changes a number."""

    device: str = "auto"  # "cpu", "cuda", "cuda:1"
    jobs: int = 1
    timeout: float = 900.0  # seconds that a cell, a dataset, a split or an encoder may take
    retry_failed: bool = False
    include: tuple[str, ...] = ()
    timing: bool = True  # measure one cell of each row


class Run:
    """One run of a grid in a folder; use as `with Run(...) as run`, then `run.cells(tell)`."""

    def __init__(self, grid: Grid, folder: Path, how: How) -> None:
        self.grid, self.folder, self.how = grid, folder.resolve(), how
        self.shown = folder  # as it was named
        self.context = processes.context()
        self._data = Preparer(self.context, how.timeout)

    def __enter__(self) -> Self:
        with Preparer(self.context, self.how.timeout) as methods:
            self.plan = self._planned(methods)
        return self

    def __exit__(self, *_: object) -> None:
        self._data.end()

    def _planned(self, methods: Preparer) -> Plan:
        def construct(question: Any, row: str, *rest: Any) -> Any:
            try:
                return methods.ask(question, row, *rest)
            finally:
                if not registry.is_ours("methods", row.partition(":")[0]):
                    methods.end()  # what it has done to its process is nobody else's

        try:
            return plan(self.grid, self.how.device, self.how.include, self._data.ask, construct)
        except BaseException:
            self._data.end()
            raise

    @property
    def specs(self) -> list[Spec]:
        return self.plan.specs

    def read(self) -> list[Cell]:
        """Every cell in the state it is in."""
        cells = self.folder / "cells"
        return [Cell.read(spec, cells / spec.fingerprint) for spec in self.specs]

    def missing(self) -> list[Spec]:
        """The cells that are to be run."""
        again = ("failed", "unavailable") if self.how.retry_failed else ()
        return [c.spec for c in self.read() if c.status not in KEPT or c.status in again]

    def cells(self, tell: Tell) -> list[Cell]:
        """Do what is missing; returns all cells.

        The rows that the grid gives fewer seeds cost most and begin first, so that no core waits
        for the last of them. Raises KeyboardInterrupt at the second Ctrl-C, at SIGTERM and SIGHUP;
        at the first Ctrl-C the running cells are ended well.
        """
        (self.folder / "cells").mkdir(parents=True, exist_ok=True)
        how, grid = self.how, self.grid
        with alone(self.folder), Stop() as stop:
            clear(self.folder)
            store.write(self.folder / "grid.toml", grid.toml())
            write_plan(self.folder, self.specs)
            waiting = sorted(self._waiting(), key=lambda job: job.spec.name not in grid.seeds_for)
            with processes.supervision(self.context) as warden:
                lost = self._prepare({job.spec.fingerprint for job in waiting})
                if lost and len(lost) == len(self.specs):
                    raise UserError(next(iter(lost.values()))[1])
                supervisor = Supervisor(
                    self.folder, self.context, warden, how.jobs, how.timeout, lost, stop, tell
                )
                supervisor.do(waiting)
        return self.read()

    def _waiting(self) -> Iterator[Job]:
        """The missing cells, in the grid's order, their places cleared. One seed of a row is
        timed."""
        seen, missing = set(), {spec.fingerprint for spec in self.missing()}
        made = {"hardware": provenance.hardware(), "commit": provenance.commit()}
        device = str(device_of(self.how.device))
        for spec in self.specs:
            row = (spec.dataset, spec.protocol, spec.name)
            timed = self.how.timing and row not in seen
            seen.add(row)
            if spec.fingerprint not in missing:
                continue
            whole = self.folder / "cells" / spec.fingerprint
            state = Cell.read(spec, whole).status
            if state == "damaged":
                print(f"damaged: {spec.title} is moved to {store.set_aside(whole)} and run again")
            elif state != "missing":
                store.remove(whole)
            include, jobs = self.how.include, self.how.jobs
            yield Job(spec, str(self.folder), device, timed, include, jobs, made)

    def _prepare(self, waiting: set[str]) -> Lost:
        """Store the catalogues and vectors of the waiting cells, and all splits, once. Returns the
        cells that cannot be run."""
        lost: Lost = {name: ("load", reason) for name, reason in self.plan.lost.items()}
        tried: dict[Path, str] = {}  # a catalogue or a split -> what went wrong, "" for nothing
        for spec in self.specs:
            if spec.fingerprint in lost:
                continue
            name = next(n for n in self.grid.datasets if label(n) == spec.dataset)
            own = name, self.grid.dataset_params.get(name, {})
            catalogue = catalogues.folder_of(self.folder, spec)
            split = self.folder / "splits" / spec.split_key
            if split not in tried:
                tried[split] = self._split(own, spec, split)
            if catalogue not in tried and spec.fingerprint in waiting:
                tried[catalogue] = self._encode(own, spec, catalogue)
            if tried[split]:
                lost[spec.fingerprint] = "split", tried[split]
            elif tried.get(catalogue):
                lost[spec.fingerprint] = "encode", tried[catalogue]
        return lost

    def _encode(self, own: tuple[Any, ...], spec: Spec, folder: Path) -> str:
        try:
            if texts := self._data.ask(to_be_read, *own, spec.encoder):
                reader = spec.encoder["name"]
                print(f"{spec.dataset}: {texts:,} texts are read by {reader}, once", flush=True)
            self._data.ask(encode, *own, spec.encoder, str(folder))
        except UserError as error:
            return str(error)
        except Died as error:
            not_full(self.folder)
            return f"the encoder {spec.encoder['name']} could not read the catalogue: {error}"
        return ""

    def _split(self, own: tuple[Any, ...], spec: Spec, folder: Path) -> str:
        if splits.facts(folder) is not None:
            return ""
        if os.path.lexists(folder):
            print(f"damaged: the split {folder} is moved to {store.set_aside(folder)}")
        try:
            self._data.ask(cut_split, *own, asdict(spec), str(folder))
        except UserError as error:
            return str(error)
        except Died as error:
            not_full(self.folder)
            return f"the split of seed {spec.seed} could not be made: {error}"
        return ""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One run at a time in a folder."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise UserError(
            f"{folder}: another run is at work here; wait for it, or name another by --name"
        ) from None
    try:
        yield
    finally:
        lock.release()
