"""A method that breaks in one way, at one stage: for tests that a run outlives it.

`table.py` writes a file for each (kind, stage) beside a copy of this one. A kind that returns lets
the cell go on, so that what it left behind is the attack.
"""

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor

from coldbench import store
from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.method import Method
from coldbench.seeds import Seeds

HERE = Path(__file__).resolve().parent


@dataclass
class Misbehave(Method[None]):
    """Says one half of everything, until its stage comes."""

    kind: ClassVar[str] = "not"
    stage: ClassVar[str] = "never"
    adapts = False
    stochastic = False

    def __post_init__(self) -> None:
        self._at("construct")

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        self._at("meta-train")
        self.items, self.learned = items, {"one": torch.ones(1)}
        if self.stage == "save":  # the first document that the cell's process writes
            written = json.dumps

            def once(*args: Any, **options: Any) -> str:
                json.dumps = written
                do(self.kind)
                return written(*args, **options)

            json.dumps = once

    def adapt(self, support: Feedback) -> None:
        self._at("timing" if timed() else "adapt")

    def score(self, state: None, items: Tensor) -> Tensor:
        self._at("score")
        bad = NUMBERS.get(self.kind, 0.5) if self.stage == "score" else 0.5
        return torch.full(items.shape, bad)

    def _at(self, stage: str) -> None:
        if stage == self.stage and self.kind not in NUMBERS:
            do(self.kind)


class AtFacts:
    """A fact of the method's that misbehaves when it is read, before anything is learnt."""

    def __get__(self, method: Misbehave | None, cls: type[Misbehave]) -> str:
        if method is not None:
            do(cls.kind)
        return ""


NUMBERS = {"nan": float("nan"), "infinite": float("inf"), "too-high": 1.5}


def timed() -> bool:
    """Whether it is the clock that asks."""
    frame = sys._getframe()
    while frame.f_back:
        frame = frame.f_back
        if Path(frame.f_code.co_filename).name == "timing.py":
            return True
    return False


def do(kind: str) -> Any:
    if kind.startswith("signal-"):
        die_by(int(kind.removeprefix("signal-")))
    return KINDS[kind][1]()


def die_by(number: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):  # KILL, and those the C library keeps
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    os.kill(os.getpid(), number)
    time.sleep(600)


def fail(error: BaseException) -> NoReturn:
    raise error


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError("while it was shown")


def memory() -> None:
    """What an address-space limit does: an allocation fails. (The kernel's killer is signal-9.)"""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 2**28, resource.RLIM_INFINITY))
    [bytearray(2**26) for _ in range(64)]


def deaf() -> None:
    """Hears no signal that can be blocked or ignored."""
    for number in signal.valid_signals():
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(600)


def busy() -> None:
    while True:
        pass


def flood() -> None:
    for _ in range(20_000):
        print("a line of no use to anybody, again and again and again")


def forked() -> None:
    """A child in the same group that outlives the cell; its number is left for the test."""
    child = subprocess.Popen(["sleep", "600"])
    note(child.pid)


def daemon() -> None:
    """A grandchild in a session of its own, which the method's process is no parent of."""
    if (child := os.fork()) == 0:
        os.setsid()
        if os.fork() == 0:
            note(os.getpid())
            os.execvp("sleep", ["sleep", "600"])
        os._exit(0)
    os.waitpid(child, 0)


def note(pid: int) -> None:
    with (HERE / "pids").open("a") as pids:
        pids.write(f"{pid}\n")


def thread() -> None:
    threading.Thread(target=time.sleep, args=(600,), daemon=False).start()


def cells() -> list[Path]:
    """Folders of cells that the process can find: by its log, by where it stands."""
    log = Path(os.readlink("/proc/self/fd/1"))
    folders = [log.parents[1]] if log.parents[1:] and log.parents[1].name == "cells" else []
    return [*folders, *Path.cwd().glob("runs/*/cells")]


def delete_cells() -> None:
    for folder in cells():
        shutil.rmtree(folder, ignore_errors=True)


def own() -> Path | None:
    """The folder of the cell that runs here; None in the process that asks for the parameters."""
    log = Path(os.readlink("/proc/self/fd/1"))
    return log.parent if log.name == "log.txt" else None


def a_folder_called(name: str) -> None:
    if folder := own():
        (folder / name).mkdir(exist_ok=True)


def forge() -> NoReturn:
    """A sealed cell that says done, where the run is to put this one; then it fails."""
    if folder := own():
        false = folder.with_name(f".false-{os.getpid()}")
        false.mkdir()
        record = {"status": "done", "stage": "", "reason": "", "facts": {}}
        store.seal(false, "cell.json", record, folder.with_name(folder.name[1:].split("-")[0]))
    fail(ZeroDivisionError("forged"))


def recurse() -> None:
    recurse()


def native() -> None:
    """Holds the interpreter's lock."""
    ctypes.PyDLL(None).sleep(600)


def no_json() -> None:
    json.dumps = lambda *a, **k: fail(ValueError("oops"))


NO_RESULT = "code 1 and no result"
# kind: what the reason of a cell says whose method does it, or None where the cell is done; and it
KINDS: dict[str, tuple[str | None, Callable[[], Any]]] = {
    "raise": ("ZeroDivisionError: oops", lambda: fail(ZeroDivisionError("oops"))),
    "raise-base": ("BaseException: oops", lambda: fail(BaseException("oops"))),
    "raise-interrupt": ("KeyboardInterrupt", lambda: fail(KeyboardInterrupt())),
    "raise-surrogate": ("ValueError", lambda: fail(ValueError("\udcff oops \x1b[31m"))),
    "raise-long": ("ValueError: oops", lambda: fail(ValueError("oops " * 2_000_000))),
    "raise-unprintable": ("Unprintable", lambda: fail(Unprintable())),
    "recursion": ("RecursionError", recurse),
    "memory": ("MemoryError", memory),
    "exit-0": ("code 0", lambda: sys.exit(0)),
    "exit-3": ("code 3", lambda: sys.exit(3)),
    "exit-word": ("code 1", lambda: sys.exit("oops")),
    "now-exit-0": ("code 0", lambda: os._exit(0)),
    "now-exit-3": ("code 3", lambda: os._exit(3)),
    "segfault": ("SIGSEGV", lambda: ctypes.string_at(0)),
    "hang": ("no result within", lambda: time.sleep(600)),
    "hang-busy": ("no result within", busy),
    "hang-deaf": ("no result within", deaf),
    "hang-native": ("no result within", native),
    "hang-stopped": ("no result within", lambda: os.kill(os.getpid(), signal.SIGSTOP)),
    "flood": (None, flood),
    "fork": (None, forked),
    "daemon": (None, daemon),
    "thread": (None, thread),
    "delete-cells": ("", delete_cells),
    "folder": (None, lambda: a_folder_called("cell.json")),
    "folder-result": (NO_RESULT, lambda: a_folder_called("result.json")),
    "forge": ("ZeroDivisionError: forged", forge),
    "close-files": (NO_RESULT, lambda: os.closerange(0, 1024)),
    "no-files": (NO_RESULT, lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))),
    "no-writes": (NO_RESULT, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))),
    "elsewhere": (None, lambda: os.chdir("/")),
    "no-json": (NO_RESULT, no_json),
}
