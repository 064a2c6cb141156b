"""Ray: a task a cell, on a cluster by its address or on a new one on this machine."""

import logging
import os
from pathlib import Path
from typing import Any

from coldbench.errors import UserError

from ..executor import Executor, Task
from ._task import one_cell_by_ray

RETRIES = 3  # of a task whose node is lost, by Ray itself


class Ray(Executor):
    """Where: the cluster's address, or "auto"; else RAY_ADDRESS, else a new one here."""

    def __init__(self, run: Path, where: str) -> None:
        super().__init__(run, where)
        self._tasks: dict[Any, str] = {}  # Ray's reference -> name
        try:
            import ray
        except ImportError:
            raise UserError("pip install 'coldbench[ray]' for --executor ray") from None
        self._ray = ray
        address = where or os.environ.get("RAY_ADDRESS") or "local"
        try:
            ray.init(
                address, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UserError(f"no Ray cluster at {address}: {str(error).splitlines()[0]}") from None

    def submit(self, tasks: list[Task]) -> None:
        remote = self._ray.remote(one_cell_by_ray)
        for task in tasks:
            asked = task.resources
            options = {
                "num_cpus": asked.cpus,
                "num_gpus": asked.gpus,
                "memory": int(asked.memory_gb * 1e9),
                "max_retries": RETRIES,
                "name": task.title,
            }
            reference = remote.options(**options).remote(str(self.run), task.name)
            self._tasks[reference] = task.name

    def over(self) -> dict[str, str]:
        ended: dict[str, str] = {}
        if not self._tasks:
            return ended
        ready, _ = self._ray.wait([*self._tasks], num_returns=len(self._tasks), timeout=0)
        for reference in ready:
            try:
                self._ray.get(reference)
                how = "Ray's task ended"
            except self._ray.exceptions.RayError as error:
                how = f"Ray's task: {type(error).__name__}: {(str(error).splitlines() or [''])[-1]}"
            ended[self._tasks.pop(reference)] = how
        return ended

    def cancel(self, names: set[str]) -> None:
        for reference, name in self._tasks.items():
            if name in names:
                self._ray.cancel(reference, force=True)

    def close(self) -> None:
        self._ray.shutdown()


EXECUTOR = Ray
