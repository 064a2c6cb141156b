"""What a run shows while it works: a live table on a terminal, plain lines elsewhere."""

import time
from collections import Counter
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from coldbench.cell import Spec

SIGNS = {"done": "green", "failed": "red", "unavailable": "yellow", "missing": "dim"}


class Progress:
    """Told of every event of a run; a context, so that the table is left in order."""

    def __init__(self, planned: list[Spec], waiting: int, jobs: int) -> None:
        self._console = Console()
        self._planned = Counter((spec.dataset, spec.protocol, spec.name) for spec in planned)
        self._ended: dict[tuple[str, str, str], Counter[str]] = {}
        self._running: dict[str, float] = {}
        self._waiting, self._jobs, self._count = waiting, jobs, waiting
        self._begun = 0.0  # of the first cell: texts are read before it
        self._live = Live(console=self._console, refresh_per_second=2, get_renderable=self._table)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: object,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def __call__(self, event: str, spec: Spec, seconds: float) -> None:
        if event == "start":
            self._begun = self._begun or time.monotonic()
            self._running[spec.title] = time.monotonic()
            return
        self._running.pop(spec.title, None)
        self._waiting -= 1
        row = (spec.dataset, spec.protocol, spec.name)
        self._ended.setdefault(row, Counter())[event] += 1
        if not self._console.is_terminal:
            done = self._count - self._waiting
            left = f", {self._left()} left" if self._waiting else ""
            print(
                f"[{done}/{self._count}{left}] {spec.title}: {event} ({seconds:.1f} s)", flush=True
            )

    def _left(self) -> str:
        """An estimate of the time left, from the cells that have ended."""
        ended = self._count - self._waiting
        if not ended:
            return "?"
        seconds = (time.monotonic() - self._begun) / ended * self._waiting
        return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"

    def _table(self) -> Table:
        ended = self._count - self._waiting
        spent = time.monotonic() - self._begun if self._begun else 0.0
        table = Table(title=f"{ended} of {self._count} cells, {spent:.0f} s, {self._left()} left")
        for column in ("dataset", "protocol", "method", "cells"):
            table.add_column(column)
        running = {tuple(title.split(" ")[:3]) for title in self._running}
        for row, planned in self._planned.items():
            counts = self._ended.get(row, Counter())
            if row in running or counts["failed"] or counts["unavailable"]:
                words = [f"[{SIGNS[s]}]{n} {s}[/]" for s, n in counts.items() if n]
                words += ["[cyan]running[/]"] if row in running else []
                table.add_row(*row, f"{', '.join(words)} of {planned}")
        return table
