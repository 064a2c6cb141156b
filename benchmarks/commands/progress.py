"""What a run shows while it works: a live table on a terminal, plain lines elsewhere."""

import time
from collections import Counter
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from coldbench.cell import Spec

SIGNS = {"done": "green", "failed": "red", "unavailable": "yellow", "missing": "dim"}
EVERY = 30.0  # seconds after which a cell that still runs has another line, off a terminal


class Progress:
    """Called with every event of a run; a context, so that the table is left in order."""

    def __init__(self, planned: list[Spec], waiting: int, quiet: bool = False) -> None:
        self._console = Console(quiet=quiet)
        self._planned = Counter(_row(spec) for spec in planned)
        self._ended: dict[tuple[str, str, str], Counter[str]] = {}
        self._running: dict[str, tuple[Spec, float]] = {}  # fingerprint -> since when
        self._shown: dict[str, float] = {}  # fingerprint -> seconds it had run at its last line
        self._waiting, self._count = waiting, waiting
        self._begun = 0.0  # of the first cell: texts are read before it
        self._live = Live(
            console=self._console, refresh_per_second=2, get_renderable=self._table, transient=True
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.quiet:
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
            self._running[spec.fingerprint] = spec, time.monotonic()
            self._line(f"{spec.title}: started")
        elif event == "running":
            if seconds - self._shown.get(spec.fingerprint, 0.0) >= EVERY:
                self._shown[spec.fingerprint] = seconds
                self._line(f"{spec.title}: running for {seconds:.0f} s")
        else:
            self._running.pop(spec.fingerprint, None)
            self._waiting -= 1
            self._ended.setdefault(_row(spec), Counter())[event] += 1
            done = self._count - self._waiting
            left = f", {self._left()} left" if self._waiting else ""
            took = f"{seconds:.1f} s" if seconds else "by another worker"
            self._line(f"[{done}/{self._count}{left}] {spec.title}: {event} ({took})")

    def _line(self, words: str) -> None:
        if not self._console.is_terminal and not self._console.quiet:
            print(words, flush=True)

    def _left(self) -> str:
        """An estimate of the time left, from the cells that have ended."""
        ended = self._count - self._waiting
        if not ended or not self._begun:
            return "?"
        seconds = (time.monotonic() - self._begun) / ended * self._waiting
        return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"

    def _table(self) -> Table:
        ended = self._count - self._waiting
        spent = time.monotonic() - self._begun if self._begun else 0.0
        table = Table(title=f"{ended} of {self._count} cells, {spent:.0f} s, {self._left()} left")
        for column in ("dataset", "protocol", "method", "cells"):
            table.add_column(column)
        now = time.monotonic()
        for row, planned in self._planned.items():
            counts = self._ended.get(row, Counter())
            since = [at for spec, at in self._running.values() if _row(spec) == row]
            if since or counts["failed"] or counts["unavailable"]:
                words = [f"[{SIGNS[s]}]{n} {s}[/]" for s, n in counts.items() if n]
                words += [f"[cyan]running for {now - at:.0f} s[/]" for at in since]
                table.add_row(*row, f"{', '.join(words)} of {planned}")
        return table


def _row(spec: Spec) -> tuple[str, str, str]:
    return spec.dataset, spec.protocol, spec.name
