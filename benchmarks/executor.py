"""Who has cells done elsewhere: what an executor is, and the loop that waits for its tasks.

An executor is told which cells to have done; each of its tasks is `coldbench cell CELL --run DIR`,
wherever the folder is seen. What has come of a cell is read from the folder, whoever did it, so
that an executor has nothing to send back, and a run goes on where its submitter was killed.
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
    """A cell to have done."""

    spec: Spec
    resources: Resources


class Executor(ABC):
    """Has cells done; made with the run's folder and what stands behind the name: "ray:auto"."""

    def __init__(self, run: Path, where: str) -> None:
        self.run, self.where = run, where

    @abstractmethod
    def submit(self, tasks: list[Task]) -> None:
        """Have these done, at some time. A cell that is submitted again replaces its task."""

    @abstractmethod
    def over(self) -> dict[str, str]:
        """fingerprint -> in words how its task ended, of tasks that are over, however."""

    @abstractmethod
    def cancel(self, fingerprints: set[str]) -> None:
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
    waiting = {task.spec.fingerprint: task for task in tasks}
    begun: dict[str, float] = {}
    tries: Counter[str] = Counter()
    stop.draining, drained = True, False
    try:
        executor.submit(tasks)
        while waiting:
            running = claims.taken() & waiting.keys()
            if stop.asked and not drained:
                drained = True
                executor.cancel(waiting.keys() - running)
            over = executor.over()  # before the cells are read: whoever ended has left its cell
            _look(executor.run, waiting, begun, running, tell)
            again = []
            for name in over.keys() & waiting.keys():
                tries[name] += 1
                task = waiting[name]
                if stop.asked:
                    del waiting[name]
                elif tries[name] < TRIES:
                    again.append(task)
                else:
                    tell(record(task.spec, over[name]), task.spec, _since(begun, name))
                    del waiting[name]
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


def _look(
    run: Path, waiting: dict[str, Task], begun: dict[str, float], running: set[str], tell: OnEvent
) -> None:
    """Tell of the cells that are there, and of those that run."""
    present: set[str] = set()
    with suppress(OSError):
        present = set(os.listdir(run / "cells"))
    for name in [name for name in waiting if name in present]:
        state = Cell.read(waiting[name].spec, run / "cells" / name).status
        if state in KEPT:
            tell(state, waiting.pop(name).spec, _since(begun, name))
    for name in running & waiting.keys():
        if name not in begun:
            begun[name] = time.monotonic()
            tell("start", waiting[name].spec, 0.0)
        tell("running", waiting[name].spec, _since(begun, name))


def _since(begun: dict[str, float], name: str) -> float:
    return max(POLL / 100, time.monotonic() - begun.get(name, time.monotonic()))
