"""Run a grid: plan its cells, prepare what they share, have the missing ones done.

A cell that raises, dies or hangs loses no other, and the report has its reason. Running again
does what is missing or damaged.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from coldbench import registry, store
from coldbench.cell import KEPT, Cell, Spec, write_plan
from coldbench.errors import UserError

from . import catalogues, processes, provenance, splits
from .dataset_names import Source
from .devices import device_name
from .grid import Grid
from .job import Job
from .known import Known
from .plan import Plan, plan
from .preparation import Died, Preparer, cut_split, encode, texts_to_encode
from .signals import Stop
from .supervisor import Lost, OnEvent, Supervisor, clear, not_full
from .tracking import Metrics, measured


@dataclass(frozen=True)
class RunOptions:
    """How to run cells: nothing here changes a number."""

    device: str = "auto"  # "cpu", "cuda", "cuda:1"
    jobs: int = 1
    timeout: float = 900.0  # seconds that a cell, a dataset, a split or an encoder may take
    retry_failed: bool = False
    include: tuple[str, ...] = ()
    timing: bool = True  # measure one cell of each row
    keep_models: bool = False  # beside the cells, for an export


class Run:
    """One run of a grid in a folder; use as `with Run(...) as run`, then `run.cells(on_event)`."""

    def __init__(
        self, grid: Grid, folder: Path, options: RunOptions, *, only_plan: bool = False
    ) -> None:
        self.grid, self.folder, self.options = grid, folder.resolve(), options
        self.shown = folder  # as it was named
        self.context = processes.context(server=not only_plan)

    def __enter__(self) -> Self:
        known = Known.here(self.grid.encoder)  # read while the server imports torch
        with ExitStack() as stack:
            self._warden = stack.enter_context(processes.supervision(self.context))
            self._data = stack.enter_context(self._preparer())
            self._reader = stack.enter_context(self._preparer())
            with self._preparer() as methods:
                self.plan = self._planned(methods, known)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _preparer(self) -> Preparer:
        return Preparer(self.context, self.options.timeout, self._warden)

    def _planned(self, methods: Preparer, known: Known) -> Plan:
        def construct(question: Any, row: str, *rest: Any) -> Any:
            try:
                return methods.ask(question, row, *rest)
            finally:
                if not registry.is_ours("methods", row.partition(":")[0]):
                    methods.end()  # what it has done to its process is nobody else's

        grid, options = self.grid, self.options
        made = plan(grid, options.device, options.include, self._data.ask, construct, known)
        known.save()
        return made

    @property
    def specs(self) -> list[Spec]:
        return self.plan.specs

    def read(self) -> list[Cell]:
        """Every cell in the state it is in."""
        cells = self.folder / "cells"
        return [Cell.read(spec, cells / spec.fingerprint) for spec in self.specs]

    def measure(self, spec: Spec, folder: Path) -> Metrics:
        """A finished cell's metrics, read by a process that has torch."""
        found = self._reader.ask(measured, spec, folder)
        return {name: {int(k): mean for k, mean in by.items()} for name, by in found.items()}

    def missing(self) -> list[Spec]:
        """The cells that are to be run."""
        again = ("failed", "unavailable") if self.options.retry_failed else ()
        return [c.spec for c in self.read() if c.status not in KEPT or c.status in again]

    def cells(self, on_event: OnEvent) -> list[Cell]:
        """Do what is missing; returns all cells.

        The rows that the grid gives fewer seeds cost most and begin first, so that no core waits
        for the last of them. Raises KeyboardInterrupt at the second Ctrl-C, at SIGTERM and SIGHUP;
        at the first Ctrl-C the running cells are ended well.
        """
        (self.folder / "cells").mkdir(parents=True, exist_ok=True)
        options, grid = self.options, self.grid
        with run_lock(self.folder), Stop() as stop:
            clear(self.folder)
            store.write(self.folder / "grid.toml", grid.toml())
            write_plan(self.folder, self.specs)
            waiting = sorted(self._waiting(), key=lambda job: job.spec.name not in grid.seeds_for)
            lost = self._prepare({job.spec.fingerprint for job in waiting})
            if lost and len(lost) == len(self.specs):
                raise UserError(next(iter(lost.values()))[1])
            supervisor = Supervisor(
                self.folder, self.context, self._warden, options.jobs, options.timeout, lost,
                stop, on_event,
            )  # fmt: skip
            supervisor.schedule(waiting)
        return self.read()

    def _waiting(self) -> Iterator[Job]:
        """The missing cells, in the grid's order, their places cleared. One seed of a row is
        timed."""
        seen, missing = set(), {spec.fingerprint for spec in self.missing()}
        made = {"hardware": provenance.hardware(), "commit": provenance.commit()}
        device = device_name(self.options.device)
        for spec in self.specs:
            row = (spec.dataset, spec.protocol, spec.name)
            timed = self.options.timing and row not in seen
            seen.add(row)
            if spec.fingerprint not in missing:
                continue
            whole = self.folder / "cells" / spec.fingerprint
            state = Cell.read(spec, whole).status
            if state == "damaged":
                print(f"damaged: {spec.title} is moved to {store.set_aside(whole)} and run again")
            elif state != "missing":
                store.remove(whole)
            include, jobs = self.options.include, self.options.jobs
            kept = self.options.keep_models
            yield Job(spec, str(self.folder), device, timed, include, jobs, made, kept)

    def _prepare(self, waiting: set[str]) -> Lost:
        """Store the catalogues and vectors of the waiting cells, and all splits, once. Returns the
        cells that cannot be run."""
        lost: Lost = {name: ("load", reason) for name, reason in self.plan.lost.items()}
        sources = {source.display_name: source for source in self.grid.sources()}
        tried: dict[Path, str] = {}  # a catalogue or a split -> what went wrong, "" for nothing
        for spec in self.specs:
            if spec.fingerprint in lost:
                continue
            source = sources[spec.dataset]
            catalogue = catalogues.folder_of(self.folder, spec)
            split = self.folder / "splits" / spec.split_key
            if split not in tried:
                tried[split] = self._split(source, spec, split)
            if catalogue not in tried and spec.fingerprint in waiting:
                tried[catalogue] = self._encode(source, spec, catalogue)
            if tried[split]:
                lost[spec.fingerprint] = "split", tried[split]
            elif tried.get(catalogue):
                lost[spec.fingerprint] = "encode", tried[catalogue]
        return lost

    def _encode(self, source: Source, spec: Spec, folder: Path) -> str:
        try:
            asked = source, spec.encoder, spec.encoder_hash
            if texts := self._data.ask(texts_to_encode, *asked):
                reader = spec.encoder["name"]
                print(f"{spec.dataset}: {texts:,} texts are read by {reader}, once", flush=True)
            self._data.ask(encode, *asked, str(folder))
        except UserError as error:
            return str(error)
        except Died as error:
            not_full(self.folder)
            return f"the encoder {spec.encoder['name']} could not read the catalogue: {error}"
        return ""

    def _split(self, source: Source, spec: Spec, folder: Path) -> str:
        if splits.facts(folder) is not None:
            return ""
        if os.path.lexists(folder):
            print(f"damaged: the split {folder} is moved to {store.set_aside(folder)}")
        try:
            self._data.ask(cut_split, source, asdict(spec), str(folder))
        except UserError as error:
            return str(error)
        except Died as error:
            not_full(self.folder)
            return f"the split of seed {spec.seed} could not be made: {error}"
        return ""


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
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
