"""What a cell's task asks of a scheduler: a grid's table `[resources]`, else what cells took."""

from dataclasses import dataclass, fields
from math import ceil
from typing import Any

from coldbench.cell import Cell, Spec
from coldbench.errors import UserError, unknown

SPARE = 120  # seconds of a task beside its cell: the start, the wait for a dead worker's claim
SLACK = 3  # how much longer than earlier cells of its row a cell may take
MEMORY = 4.0  # GB of a cell of which nothing is known


@dataclass(frozen=True)
class Resources:
    """What a task asks for, as the grid's table `[resources]` says by row or as `default`."""

    minutes: int = 0  # 0: by earlier cells of the row, else by --timeout
    memory_gb: float = 0.0  # 0: by earlier cells of the row, else 4
    cpus: int = 0  # 0: the grid's threads
    gpus: int = -1  # -1: one where the device is cuda
    partition: str = ""  # of SLURM

    @classmethod
    def of(
        cls, spec: Spec, tables: dict[str, dict[str, Any]], done: list[Cell], timeout: float
    ) -> "Resources":
        """Of a cell; done: finished cells, whose timings are known."""
        asked = cls(**tables.get("default", {}) | tables.get(spec.name, {}))
        timings = [cell.timing() for cell in done if cell.spec.name == spec.name]
        spent = [t.get("meta_train_seconds", 0) + t.get("evaluate_seconds", 0) for t in timings]
        limit = min(timeout, max(spent) * SLACK + SPARE) if spent else timeout
        peak = max((t.get("peak_memory_bytes") or 0 for t in timings), default=0)
        return cls(
            asked.minutes or ceil((limit + SPARE) / 60),
            asked.memory_gb or (ceil(peak * 1.5 / 1e9) + 1.0 if peak else MEMORY),
            asked.cpus or spec.threads,
            asked.gpus if asked.gpus >= 0 else int(spec.device == "cuda"),
            asked.partition,
        )


def checked(tables: dict[str, Any]) -> None:
    """Raises UserError where the grid's resources hold what Resources does not."""
    kinds = {field.name: field.type for field in fields(Resources)}
    for row, table in tables.items():
        for key, value in table.items():
            if key not in kinds:
                raise unknown("resource", key, kinds, "docs/scale.md")
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if (kinds[key] is str) is number or (number and value < 0):
                raise UserError(f"resources.{row}.{key} cannot be {value!r} (docs/scale.md)")
