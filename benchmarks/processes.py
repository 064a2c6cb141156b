"""Processes that end: with their parent, at a limit, and with all that they have started.

Every child is forked by a server that has torch loaded, so that it starts in a fraction of a
second; CUDA is not touched before. It leads a session of its own, dies with its parent (Linux), and
is ended with its whole process group. The server starts with SIGINT blocked, so that Ctrl-C is the
parent's to answer, and imports nothing from the working directory.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

import psutil

PRELOAD = [
    "torch",
    "coldbench.benchmarks.worker",
    "coldbench.benchmarks.judge",
    *("pydantic.fields", "pydantic.functional_validators"),  # what a method's parameters ask for
]
OPTIMIZER = ["torch._dynamo"]  # a second's import, which an optimizer asks for when it is made
PLANNING = ["coldbench.benchmarks.preparation"]  # what a plan alone asks for
FROZEN = "coldbench.benchmarks.frozen"  # comes last: what was loaded is not looked through again
MARK = "COLDBENCH_SUPERVISOR"  # in the environment of whatever a run's processes start
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
LINUX = sys.platform == "linux"

Context = ForkServerContext | SpawnContext


def context(*, only_plan: bool = False, many_train: bool = False) -> Context:
    """Where children come from; starts the server that forks them, for a plan alone one without
    torch, with optimizers where many children train. Where there is none each child imports for
    itself. What a dead child leaves running becomes this process's own child (Linux), which ends
    it."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    server_context = multiprocessing.get_context("forkserver")
    what = PLANNING if only_plan else [*PRELOAD, *(OPTIMIZER if many_train else [])]
    server_context.set_forkserver_preload([*what, FROZEN])
    with _as_server():
        forkserver.ensure_running()
    return server_context


def start(server_context: Context, act: Callable[..., object], *args: Any) -> BaseProcess:
    """A running child that does `act(*args)`."""
    process = server_context.Process(target=_child, args=(os.getpid(), act, *args), daemon=False)
    with _as_server(), _no_main():  # the server is started anew where it has died
        process.start()
    return process


@contextmanager
def _no_main() -> Iterator[None]:
    """A child does not run the script again that has called us: it may hold labels, and begins a
    run of its own where `coldbench.benchmark` is not below `if __name__ == "__main__"`."""
    main: dict[str, Any] = vars(sys.modules["__main__"])
    kept: dict[str, Any] = {name: main[name] for name in ("__file__", "__spec__") if name in main}
    main.update({name: None for name in kept})
    try:
        yield
    finally:
        main.update(kept)


@contextmanager
def _as_server() -> Iterator[None]:
    """What the server inherits: the mark, a safe path to import from, and SIGINT blocked."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()  # started inside, it would unblock SIGINT on its way
    changes = {"PYTHONSAFEPATH": "1", MARK: str(os.getpid())}
    before = {name: os.environ.get(name) for name in changes}
    with _deaf():
        os.environ.update(changes)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


@contextmanager
def _deaf() -> Iterator[None]:
    """SIGINT blocked, for whoever is started meanwhile, too; Windows has no such mask."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _child(parent: int, act: Callable[..., object], *args: Any) -> None:
    if hasattr(os, "setsid"):
        os.setsid()
    if LINUX:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if psutil.pid_exists(parent):  # else it died before it could be noticed
        act(*args)


def end(process: BaseProcess) -> None:
    """Kill a child, its process group, and what it started outside of it. Never raises."""
    with suppress(psutil.Error, OSError, AssertionError):
        if process.is_alive() and process.pid:
            for child in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    child.kill()
    if process.pid:
        _kill_group(process.pid)
    with suppress(OSError, ValueError, AttributeError):
        process.kill()
    process.join(10)
    _end_orphans()


def stop(pool: ProcessPoolExecutor) -> None:
    """End a pool on Ctrl-C, with what its workers are at: they do not hear it themselves, for
    polars, once it has read a frame, takes SIGINT for its own."""
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in multiprocessing.active_children():
        worker.kill()


def death(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:  # a real-time signal has no name of its own
            name = f"signal {-code}"
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the process was ended by {name}{hint}"
    return f"the process ended with code {code} and no result"


Warden = Callable[[str, int], None]  # "add" or "discard", the pid that leads a group


@contextmanager
def supervision(server_context: Context) -> Iterator[Warden]:
    """Have a warden that ends the children's groups should this process be killed."""
    theirs, ours = server_context.Pipe(duplex=False)
    warden = start(server_context, _guard, theirs)
    theirs.close()

    def tell(what: str, pid: int) -> None:
        with suppress(OSError):  # a warden that was killed guards no more
            ours.send((what, pid))

    try:
        yield tell
    finally:
        ours.close()
        warden.join(10)
        end(warden)


def _guard(pipe: Connection) -> None:
    """Until the parent ends, however it ends: then kill the groups that are left."""
    _prctl(PR_SET_PDEATHSIG, 0)
    groups: set[int] = set()
    with suppress(EOFError):
        while True:
            what, pid = pipe.recv()
            (groups.add if what == "add" else groups.discard)(pid)
    for group in groups:
        _kill_group(group)


def _kill_group(leader: int) -> None:
    """Kill a child and what is of its group; on Windows, which has no groups, what it started."""
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(leader, signal.SIGKILL)
        return
    with suppress(psutil.Error):
        process = psutil.Process(leader)
        for member in (*process.children(recursive=True), process):
            with suppress(psutil.Error):
                member.kill()


def _end_orphans() -> None:
    """Kill what dead children have left to this process: they bear its mark, and it did not start
    them itself."""
    if not LINUX:
        return
    ours = {child.pid for child in multiprocessing.active_children()} | _servers()
    with suppress(psutil.Error):
        for child in psutil.Process().children():
            with suppress(psutil.Error, OSError):
                if child.pid not in ours and child.environ().get(MARK) == str(os.getpid()):
                    for process in (*child.children(recursive=True), child):
                        process.kill()
                    os.waitpid(child.pid, 0)


def _servers() -> set[int]:
    """The pids of multiprocessing's own helpers."""
    from multiprocessing import forkserver, resource_tracker

    helpers = (
        getattr(forkserver, "_forkserver", None),
        getattr(resource_tracker, "_resource_tracker", None),
    )
    pids = (getattr(h, name, None) for h in helpers for name in ("_forkserver_pid", "_pid"))
    return {pid for pid in pids if isinstance(pid, int)}


def _prctl(option: int, value: int) -> None:
    if LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
