"""What a task of an executor runs: `coldbench cell`, in a process of its own. Imports nothing of
coldbench, so that a task costs its scheduler's process little."""

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def one_cell(run: str, name: str, **more: str) -> int:
    """The command's exit code: 0, or 1 where the cell is a row that says why. Raises RuntimeError
    at any other."""
    command = [str(Path(sys.executable).with_name("coldbench")), "cell", name, "--run", run]
    environment = os.environ | more
    ended = subprocess.run(command, env=environment, preexec_fn=_end_with_parent, check=False)
    if ended.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)} ended with code {ended.returncode}")
    return ended.returncode


def _end_with_parent() -> None:
    """A scheduler that ends a task may kill the task's process alone. Its warning (SIGUSR2) is for
    that process, and would end this one."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def one_cell_by_ray(run: str, name: str) -> int:
    """A task of Ray; `coldbench status` shows its node."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    return one_cell(run, name, COLDBENCH_RAY_NODE=node[:8])


class CellTask:
    """What submitit runs in a task; where SLURM preempts it, it is queued again as it is."""

    def __init__(self, run: str) -> None:
        self.run = run

    def __call__(self, name: str) -> int:
        return one_cell(self.run, name)

    def checkpoint(self, name: str) -> Any:
        import submitit

        return submitit.helpers.DelayedSubmission(self, name)
