"""A cell at work: its processes, since when, and what they died of."""

import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

from . import processes
from .job import Job


@dataclass(frozen=True)
class Running:
    """A cell at work: its method's process, or its judge's."""

    job: Job
    process: BaseProcess
    begun: float  # of the cell
    judge_since: float = 0.0  # 0: the method's process runs
    answerer: BaseProcess | None = None  # who holds the labels that an asker asks for

    def processes(self) -> list[BaseProcess]:
        return [process for process in (self.process, self.answerer) if process is not None]

    def death(self, limit: float) -> str | None:
        """Why its process is at its end, by itself or after `limit` seconds; None: it may go on."""
        if not self.process.is_alive():
            return processes.death(self.process.exitcode)
        late = time.monotonic() - (self.judge_since or self.begun) > limit
        return f"no result within {limit:.0f} s" if late else None
