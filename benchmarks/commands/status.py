"""What `coldbench status` shows."""

from pathlib import Path
from typing import Any

from coldbench.cell import KEPT
from coldbench.errors import printable

from ..status import Running, Status

SHOWN = 20  # cells that run, and that failed, on the screen


def status(run: Path) -> dict[str, Any]:
    """cells, counts, running, workers, failed, left, seconds_left."""
    now = Status.read(run)
    bad = [cell for cell in now.cells if cell.status in KEPT and cell.status != "done"]
    return {
        "run": str(run),
        "cells": len(now.cells),
        "counts": dict(now.counts),
        "running": [_running(running) for running in now.running],
        "workers": [
            {"host": w.host, "pid": w.pid, "job": w.job, "jobs": w.jobs} for w in now.workers
        ],
        "failed": [
            {"cell": cell.spec.fingerprint, "title": cell.spec.title, "status": cell.status,
             "stage": cell.stage, "reason": cell.reason}
            for cell in bad
        ],
        "left": now.left,
        "seconds_left": now.seconds_left(),
    }  # fmt: skip


def _running(cell: Running) -> dict[str, Any]:
    worker = cell.worker
    return {
        "cell": cell.spec.fingerprint, "shard": cell.name.partition(".")[2],
        "title": cell.spec.title, "alive": cell.alive,
        "host": worker.host if worker else "?", "pid": worker.pid if worker else 0,
        "job": worker.job if worker else "", "seconds": round(cell.seconds, 1), "stage": cell.stage,
    }  # fmt: skip


def show(run: Path, status: dict[str, Any]) -> None:
    """The same for people."""
    counts = status["counts"]
    states = ("done", "running", "failed", "unavailable", "damaged")
    words = [f"{counts[state]} {state}" for state in states if counts.get(state)]
    begun = {row["cell"] for row in status["running"] if row["alive"]}
    left = {name.partition(".")[0] for name in status["left"]} - begun
    words.append(f"{len(left)} left")
    print(f"{run}: {status['cells']} cells: {', '.join(words)}")
    slots = sum(worker["jobs"] for worker in status["workers"])
    if status["seconds_left"] is not None and (status["left"] or status["running"]):
        print(f"about {_time(status['seconds_left'])} with {slots} side by side")
    elif status["left"] and not status["workers"]:
        print(f"nobody is at work; next: coldbench work {run}")
    for row in status["running"][:SHOWN]:
        where = f"{row['host']} {row['pid']}" + (f" ({row['job']})" if row["job"] else "")
        title = f"{row['title']} {row['shard']}".strip()
        if row["alive"]:
            line = f"{title}: {row['stage'] or 'start'} for {_time(row['seconds'])} on {where}"
        else:
            line = f"{title}: its worker is gone: {where}"
        print(printable(line))
    for row in status["failed"][:SHOWN]:
        print(printable(f"{row['status']}: {row['title']}: {row['stage']}: {row['reason']}"))
    for key in ("running", "failed"):
        if len(status[key]) > SHOWN:
            print(f"and {len(status[key]) - SHOWN} more {key}: --json")


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
