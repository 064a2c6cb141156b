"""Who a worker is: on which machine, which process of it, by whose order."""

import os
import socket
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import psutil

JOB_NAMES = {"SLURM_ARRAY_JOB_ID": "SLURM_ARRAY_TASK_ID", "SLURM_JOB_ID": "SLURM_STEP_ID"}


@dataclass(frozen=True)
class Worker:
    """What a worker's file says of it."""

    name: str  # of its file, and at the end of its unfinished cells
    host: str
    machine: str  # where its pid means something
    pid: int
    born: int  # of the process, in the system's ticks: a pid is used again
    job: str  # "slurm 17_3", "" where nobody scheduled it
    jobs: int  # cells side by side

    @classmethod
    def this(cls, jobs: int) -> Self:
        pid = os.getpid()
        name = f"{pid}-{uuid.uuid4().hex[:12]}"
        return cls(name, socket.gethostname(), _machine(), pid, _born(pid), _job(), jobs)

    @property
    def gone(self) -> bool:
        """Its process has ended, as far as this machine can know."""
        return self.machine == _machine() and _born(self.pid) != self.born


@cache
def _machine() -> str:
    """This boot of this machine, and where its process numbers count."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode()}"


def _born(pid: int) -> int:
    """When the process began; 0 where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        state, *rest = fields.rpartition(")")[2].split()
        return 0 if state in "ZX" else int(rest[18])
    except FileNotFoundError:
        pass
    except (OSError, ValueError):
        return 0
    try:
        return int(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0


def _job() -> str:
    """What a scheduler calls this worker."""
    for name, part in JOB_NAMES.items():
        if number := os.environ.get(name):
            task = os.environ.get(part, "")
            return f"slurm {number}_{task}" if task else f"slurm {number}"
    return f"ray {node}" if (node := os.environ.get("COLDBENCH_RAY_NODE")) else ""
