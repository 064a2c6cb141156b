"""SLURM, by array jobs that submitit writes: one for all cells that ask for the same resources."""

import subprocess
import time
from pathlib import Path
from typing import Any

from coldbench.errors import UserError

from ..executor import Executor, Task
from ..resources import Resources
from ._task import CellTask

PAUSE = 5.0  # seconds between two questions to the controller
MOST = 1000  # tasks of an array: SLURM's MaxArraySize is 1001 where nobody has changed it
LOST = 3  # questions in a row after which a task that SLURM does not list is over


class Slurm(Executor):
    """Where: the partition, for tasks whose resources name none."""

    cluster = "slurm"  # submitit's "local" runs tasks here, for tests

    def __init__(self, run: Path, where: str) -> None:
        super().__init__(run, where)
        self._jobs: dict[str, Any] = {}  # name -> submitit's job
        self._unseen: dict[str, int] = {}  # name -> how often SLURM did not list it
        self._asked = 0.0
        try:
            import submitit  # noqa: F401
        except ImportError:
            raise UserError("pip install 'coldbench[slurm]' for --executor slurm") from None

    def submit(self, tasks: list[Task]) -> None:
        by_resources: dict[Resources, list[str]] = {}
        for task in tasks:
            by_resources.setdefault(task.resources, []).append(task.name)
        for resources, names in by_resources.items():
            for at in range(0, len(names), MOST):
                part = names[at : at + MOST]
                jobs = self._submit(resources, part)
                self._jobs.update(zip(part, jobs, strict=True))
                self._unseen.update(dict.fromkeys(part, 0))
        self._asked = time.monotonic()

    def _submit(self, resources: Resources, part: list[str]) -> list[Any]:
        from submitit.core.utils import FailedJobError

        try:
            jobs: list[Any] = self._executor(resources).map_array(CellTask(str(self.run)), part)
        except FailedJobError as error:
            reason = " ".join(str(error).split()) or "no reason given"
            raise UserError(
                f"SLURM takes no job: {reason}; see [resources] in docs/scale.md"
            ) from None
        return jobs

    def _executor(self, resources: Resources) -> Any:
        import submitit

        try:
            executor = submitit.AutoExecutor(self.run / "slurm", cluster=self.cluster)
        except RuntimeError as error:
            raise UserError(f"{error}; --executor slurm is for a machine with sbatch") from None
        executor.update_parameters(
            name=f"coldbench-{self.run.name}",
            timeout_min=resources.minutes,
            mem_gb=resources.memory_gb,
            cpus_per_task=resources.cpus,
            **({"gpus_per_node": resources.gpus} if resources.gpus else {}),
        )
        if self.cluster == "slurm":
            partition = resources.partition or self.where
            executor.update_parameters(
                slurm_array_parallelism=MOST,
                **({"slurm_partition": partition} if partition else {}),
            )
        return executor

    def over(self) -> dict[str, str]:
        if time.monotonic() - self._asked < PAUSE:
            return {}
        self._asked = time.monotonic()
        listed = self._listed()
        if listed is None:
            return {}
        for name, job in self._jobs.items():
            self._unseen[name] = 0 if job.job_id in listed else self._unseen[name] + 1
        return {
            name: f"SLURM's job {job.job_id} is over, and the cell is not there: {job.paths.stderr}"
            for name, job in self._jobs.items()
            if self._unseen[name] >= LOST
        }

    def _listed(self) -> set[str] | None:
        """The jobs that wait or run; None where the controller does not answer."""
        if self.cluster != "slurm":
            return {job.job_id for job in self._jobs.values() if not job.done()}
        ask = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
        try:
            queue = subprocess.run(ask, capture_output=True, text=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return {f"{line}" for line in queue.stdout.split()}

    def cancel(self, names: set[str]) -> None:
        ids = [self._jobs[name].job_id for name in names if name in self._jobs]
        if self.cluster != "slurm":
            for name in names & self._jobs.keys():
                self._jobs[name].cancel()
            return
        for at in range(0, len(ids), MOST):
            subprocess.run(["scancel", "--quiet", *ids[at : at + MOST]], check=False)


EXECUTOR = Slurm
