"""Work for another core, done in a fork of this process: a report's drawings, its levels.

A fork has one thread, so none of those that polars and torch compute with: what is done there may
use matplotlib, numpy and torch set to one thread. Only Linux forks; elsewhere, and where a fork
fails, dies or says nothing, the work is done here, when it is asked for.
"""

import gc
import os
import pickle
import select
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

Answer = TypeVar("Answer")
PATIENCE = 600.0  # seconds that a fork is waited for
CORES = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
_running: list["_Fork"] = []


def begun(make: Callable[[], Answer]) -> Callable[[], Answer]:
    """`make`, at work from now on where there is a second core; its answer is pickled."""
    if CORES < 2:
        return cache(make)
    while len(_running) >= CORES:
        _running.pop(0).wait()
    try:
        fork = _Fork(make)
    except OSError:
        return cache(make)
    _running.append(fork)

    @cache
    def answer() -> Answer:
        known: Answer = pickle.loads(fork.wait()) if fork.wait() else make()
        return known

    return answer


class _Fork:
    def __init__(self, make: Callable[[], Any]) -> None:
        self._answer = os.memfd_create("answer")
        self._end, end = os.pipe()  # closed by the system where the fork ends
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads beside: see above
            self._pid = os.fork()
        if not self._pid:
            _child(make, self._answer)
        os.close(end)

    def wait(self) -> bytes:
        """What it has answered; b"" where it has not."""
        if self._pid:
            if not select.select([self._end], [], [], PATIENCE)[0]:
                os.kill(self._pid, signal.SIGKILL)
            status = 1
            with suppress(ChildProcessError):  # whoever ignores SIGCHLD has no children
                _, status = os.waitpid(self._pid, 0)
            os.close(self._end)
            with open(self._answer, "rb") as file:
                file.seek(0)
                self._said = b"" if status else file.read()
            self._pid = 0
        return self._said


def _child(make: Callable[[], Any], answer: int) -> None:
    """Never returns, and takes nothing down that is the parent's."""
    code = 1
    try:
        gc.disable()  # else what others allocated would be freed here
        with open(answer, "wb") as file:
            pickle.dump(make(), file)
        code = 0
    finally:
        os._exit(code)
