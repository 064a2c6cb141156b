"""Who has cells done elsewhere: what an executor is, and the loop that waits for its tasks.

An executor is told which cells, or shards of cells, to have done; each of its tasks is `coldbench
cell NAME --run DIR`, wherever the folder is seen. What has come of a cell is read from the folder,
whoever did it, so that an executor has nothing to send back, and a run goes on where its submitter
was killed.
"""

import os
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from coldbench.cell import KEPT, Cell, Spec
from coldbench.errors import unknown

from .claims import Claims
from .job import SHARDS
from .resources import Resources
from .signals import Stop
from .supervisor import OnEvent

GROUP = "coldbench.executors"  # entry points of other packages: name -> a subclass of Executor
HERE = Path(__file__).with_name("executors")
LOCAL = "local"
TRIES = 3  # tasks of a cell that may end without one
POLL = 1.0  # seconds between two looks at the folder
Record = Callable[[Spec, str], str]  # a row for a cell that left none, by its reason: its state


@dataclass(frozen=True)
class Task:
    """A cell to have done, or one of its shards; who does the last of these joins them."""

    spec: Spec
    resources: Resources
    shard: str = ""  # "2of4"

    @property
    def name(self) -> str:
        """What `coldbench cell` is to do; unlike any other task's."""
        return f"{self.spec.fingerprint}.{self.shard}" if self.shard else self.spec.fingerprint

    @property
    def title(self) -> str:
        return f"{self.spec.title} {self.shard}".strip()


class Executor(ABC):
    """Has cells done; made with the run's folder and what stands behind the name: "ray:auto"."""

    def __init__(self, run: Path, where: str) -> None:
        self.run, self.where = run, where

    @abstractmethod
    def submit(self, tasks: list[Task]) -> None:
        """Have these done, at some time. One that is submitted again replaces the one before."""

    @abstractmethod
    def over(self) -> dict[str, str]:
        """name -> in words how it ended, of tasks that are over, however."""

    @abstractmethod
    def cancel(self, names: set[str]) -> None:
        """End these tasks, begun or not."""

    def close(self) -> None:  # noqa: B027  an executor may have nothing to close
        """The run has ended."""


def find(name: str, run: Path) -> Executor:
    """The executor "slurm", "ray:ADDRESS"."""
    executor: Executor = named(name)(run, name.partition(":")[2])
    return executor


def named(name: str) -> type[Executor]:
    """A file of executors/, or another package's entry point."""
    name = name.partition(":")[0]
    others = {point.name: point for point in entry_points(group=GROUP)}
    ours = sorted(path.stem for path in HERE.glob("[!_]*.py"))
    if name in ours:
        executor: type[Executor] = import_module(f"{__package__}.executors.{name}").EXECUTOR
    elif name in others:
        executor = others[name].load()
    else:
        raise unknown("executor", name, [LOCAL, *ours, *others], "docs/scale.md")
    return executor


def dispatch(
    tasks: list[Task], executor: Executor, claims: Claims, stop: Stop, tell: OnEvent, record: Record
) -> None:
    """Have the tasks' cells done; returns when all are. Raises KeyboardInterrupt where signals
    asked for an end: at the first Ctrl-C the cells that run are waited for."""
    waiting = {task.name: task for task in tasks}
    begun: dict[str, float] = {}
    tries: Counter[str] = Counter()
    stop.draining, drained = True, False
    try:
        executor.submit(tasks)
        while waiting:
            taken = claims.taken()
            running = {name for name, task in waiting.items()
                       if name in taken or task.spec.fingerprint in taken}  # fmt: skip
            if stop.asked and not drained:
                drained = True
                executor.cancel(waiting.keys() - running)
            over = executor.over()  # before the cells are read: whoever ended has left its cell
            _look(executor.run, waiting, begun, running, tell)
            again = []
            for name in over.keys() & waiting.keys():
                if name not in waiting or _waits_for_others(executor.run, waiting[name], waiting):
                    continue
                tries[name] += 1
                task = waiting[name]
                if stop.asked:
                    del waiting[name]
                elif tries[name] < TRIES:
                    again.append(task)
                else:
                    state = record(task.spec, over[name])
                    tell(state, task.spec, _since(begun, task))
                    executor.cancel(_drop(task.spec, waiting) - {name})
            if again:
                executor.submit(again)
            if drained and not running:
                break
            time.sleep(POLL)
        if stop.asked:
            raise KeyboardInterrupt
    finally:
        stop.deaf()
        executor.cancel(set(waiting))


def _waits_for_others(run: Path, task: Task, waiting: dict[str, Task]) -> bool:
    """Whether it is a shard that is there, and others of its cell are not."""
    if not task.shard or not (run / SHARDS / task.name).exists():
        return False
    cell = task.spec.fingerprint
    parts = [name for name, other in waiting.items() if other.spec.fingerprint == cell]
    return not all((run / SHARDS / name).exists() for name in parts)


def _drop(spec: Spec, waiting: dict[str, Task]) -> set[str]:
    """The names of a cell's tasks, which are waited for no more."""
    names = {name for name, task in waiting.items() if task.spec.fingerprint == spec.fingerprint}
    for name in names:
        del waiting[name]
    return names


def _look(
    run: Path, waiting: dict[str, Task], begun: dict[str, float], running: set[str], tell: OnEvent
) -> None:
    """Tell of the cells that are there, and of those that run."""
    present: set[str] = set()
    with suppress(OSError):
        present = set(os.listdir(run / "cells"))
    for task in [task for task in waiting.values() if task.spec.fingerprint in present]:
        if task.name in waiting:  # with it go all others of its cell
            state = Cell.read(task.spec, run / "cells" / task.spec.fingerprint).status
            if state in KEPT:
                tell(state, task.spec, _since(begun, task))
                _drop(task.spec, waiting)
    cells = {waiting[name].spec.fingerprint: waiting[name] for name in running & waiting.keys()}
    for cell, task in cells.items():
        if cell not in begun:
            begun[cell] = time.monotonic()
            tell("start", task.spec, 0.0)
        tell("running", task.spec, _since(begun, task))


def _since(begun: dict[str, float], task: Task) -> float:
    now = time.monotonic()
    return max(POLL / 100, now - begun.get(task.spec.fingerprint, now))
