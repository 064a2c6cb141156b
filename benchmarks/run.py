"""Run a grid: plan its cells, prepare what they share, have the missing ones done.

A cell that raises, dies or hangs loses no other, and the report has its reason. Running again
does what is missing or damaged. Any number of runs of one grid may share a folder.
"""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

from coldbench import registry, store
from coldbench.cell import KEPT, Cell, Spec, read_cells, read_plan, write_plan
from coldbench.errors import UserError

from . import catalogues, partials, processes, splits
from .children import record_failure
from .claims import Claims
from .dataset_names import Source
from .executor import Task, dispatch, find
from .grid import Grid
from .known import Known
from .plan import Plan, plan
from .preparation import Died, Preparer, cut_split, encode, texts_to_encode
from .resources import Resources
from .signals import Stop
from .supervisor import Lost, OnEvent
from .tracking import Metrics, measured
from .work import Hands, RunOptions, jobs_of, work

PREPARING = "prepare"  # the claim of who has splits and vectors made
PAUSE = 0.2  # seconds between two looks at who has it
Wants = Callable[[Spec], bool]


class Run:
    """One run of a grid in a folder; use as `with Run(...) as run`, then `run.cells(on_event)`."""

    def __init__(
        self,
        grid: Grid,
        folder: Path,
        options: RunOptions,
        wants: Wants = lambda _: True,
        *,
        only_plan: bool = False,
    ) -> None:
        """wants: which of the grid's cells are this run's to do; the plan has all of them."""
        self.grid, self.folder, self.options = grid, folder.resolve(), options
        self.wants = wants
        self.shown = folder  # as it was named
        self.context = processes.context(only_plan=only_plan)

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
        try:
            return plan(grid, options.device, options.include, self._data.ask, construct, known)
        finally:
            known.save()  # a grid that is refused comes again, with its mistake mended

    @property
    def specs(self) -> list[Spec]:
        return self.plan.specs

    def read(self) -> list[Cell]:
        """Every wanted cell in the state it is in."""
        return read_cells(self.folder, [spec for spec in self.specs if self.wants(spec)])

    def measure(self, spec: Spec, folder: Path) -> Metrics:
        """A finished cell's metrics, read by a process that has torch."""
        means = self._reader.ask(measured, spec, folder)
        return {name: {int(k): mean for k, mean in by.items()} for name, by in means.items()}

    def missing(self) -> list[Spec]:
        """The cells that are to be run."""
        again = partials.AGAIN if self.options.retry_failed else ()
        return [c.spec for c in self.read() if c.status not in KEPT or c.status in again]

    def cells(self, on_event: OnEvent) -> list[Cell]:
        """Do what is missing; returns all wanted cells.

        The rows that the grid gives fewer seeds cost most and begin first, so that no core waits
        for the last of them. Raises KeyboardInterrupt at the second Ctrl-C, at SIGTERM and SIGHUP;
        at the first Ctrl-C the running cells are ended well.
        """
        with (
            Claims(self.folder, self.options.jobs) as claims,
            Stop() as stop,
            partials.failures_kept(self.folder, claims),
        ):
            lost, waiting = self.prepare(claims), self._in_order(self.missing())
            hands = Hands(claims, stop, self.context, self._warden)
            work(self.folder, waiting, self.options, hands, on_event, lost)
        return self.read()

    def cells_by(self, name: str, on_event: OnEvent) -> list[Cell]:
        """The same by an executor, "slurm" or "ray:ADDRESS"; what cannot be run is done here."""
        with Claims(self.folder, 0) as claims, partials.failures_kept(self.folder, claims):
            with Stop() as stop:
                lost, waiting = self.prepare(claims), self._in_order(self.missing())
                done = [cell for cell in self.read() if cell.status == "done"]
                undoable = [spec for spec in waiting if spec.fingerprint in lost]
                hands = Hands(claims, stop, self.context, self._warden)
                work(self.folder, undoable, replace(self.options, jobs=1), hands, on_event, lost)
            tables, limit = self.grid.resources, self.options.timeout
            jobs = jobs_of(
                self.folder, [s for s in waiting if s.fingerprint not in lost], self.options
            )
            tasks = [
                Task(job.spec, Resources.of(job.spec, tables, done, limit), part.part)
                for job in jobs
                for part in job.parts or [job]
            ]
            executor = find(name, self.folder)
            try:
                with Stop() as stop:  # another: the first hears nothing once its work has ended
                    dispatch(tasks, executor, claims, stop, on_event, self._give_up(claims))
            finally:
                executor.close()
        return self.read()

    def _give_up(self, claims: Claims) -> Callable[[Spec, str], str]:
        def record(spec: Spec, reason: str) -> str:
            (job,) = jobs_of(self.folder, [spec], self.options)
            folder = partials.partial(job, claims.name)
            return record_failure(self.folder, job, folder, "executor", reason)

        return record

    def prepare(self, claims: Claims) -> Lost:
        """Have the plan, and all that cells share, in the folder: once, whoever else begins there.
        Returns the cells that cannot be run.

        Raises UserError where another grid is at work in the folder, or no cell can be run.
        """
        while not claims.take(PREPARING):
            self._same_plan(claims)
            time.sleep(PAUSE)
        try:
            self._same_plan(claims)
            partials.clear_dead(self.folder, claims)
            if self.options.retry_failed:
                undone = [cell for cell in self.read() if cell.status != "done"]
                partials.clear_failed(self.folder, undone, claims)
            partials.clear(self.folder, "splits", "catalogues")
            (self.folder / "cells").mkdir(exist_ok=True)
            store.write(self.folder / "grid.toml", self.grid.toml())
            write_plan(self.folder, self.specs)
            lost = self._prepare({spec.fingerprint for spec in self.missing()})
            self.options.write(self.folder, lost)
        finally:
            partials.clear(self.folder, "splits", "catalogues")
            claims.release(PREPARING)
        if lost and len(lost) == len(self.specs):
            raise UserError(next(iter(lost.values()))[1])
        return lost

    def _same_plan(self, claims: Claims) -> None:
        """Runs of one grid share the work of a folder; another grid's would be mixed with it."""
        plan = self.folder / "plan.json"
        if not claims.others() or not plan.is_file():
            return
        planned = {spec.fingerprint for spec in read_plan(self.folder)}
        if planned != {spec.fingerprint for spec in self.specs}:
            raise UserError(
                f"{self.folder}: another run is at work here, with other cells; wait for it, or "
                "name another by --name"
            )

    def _in_order(self, missing: list[Spec]) -> list[Spec]:
        return sorted(missing, key=lambda spec: spec.name not in self.grid.seeds_for)

    def _prepare(self, waiting: set[str]) -> Lost:
        """Store the catalogues and vectors of the waiting cells, and all splits, once. Returns the
        cells that cannot be run."""
        lost: Lost = {name: ("load", reason) for name, reason in self.plan.lost.items()}
        sources = {source.display_name: source for source in self.grid.sources()}
        tried: dict[Path, str] = {}  # a catalogue or a split -> what went wrong, "" for nothing
        for spec in filter(self.wants, self.specs):
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
            partials.not_full(self.folder)
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
            partials.not_full(self.folder)
            return f"the split of seed {spec.seed} could not be made: {error}"
        return ""
