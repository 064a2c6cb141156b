"""What `coldbench status` shows."""

from pathlib import Path
from typing import Any

from coldbench.cell import KEPT
from coldbench.errors import printable

from ..status import Running, Status

SHOWN = 20  # cells that run, and that failed, on the screen


def status(run: Path) -> dict[str, Any]:
    """cells, counts, running, workers, failed, left, seconds_left."""
    found = Status.read(run)
    bad = [cell for cell in found.cells if cell.status in KEPT and cell.status != "done"]
    return {
        "run": str(run),
        "cells": len(found.cells),
        "counts": dict(found.counts),
        "running": [_running(one) for one in found.running],
        "workers": [
            {"host": w.host, "pid": w.pid, "job": w.job, "jobs": w.jobs} for w in found.workers
        ],
        "failed": [
            {"cell": cell.spec.fingerprint, "title": cell.spec.title, "status": cell.status,
             "stage": cell.stage, "reason": cell.reason}
            for cell in bad
        ],
        "left": [cell.spec.fingerprint for cell in found.left],
        "seconds_left": found.seconds_left(),
    }  # fmt: skip


def _running(one: Running) -> dict[str, Any]:
    worker = one.worker
    return {
        "cell": one.spec.fingerprint, "title": one.spec.title, "alive": one.alive,
        "host": worker.host if worker else "?", "pid": worker.pid if worker else 0,
        "job": worker.job if worker else "", "seconds": round(one.seconds, 1), "stage": one.stage,
    }  # fmt: skip


def show(run: Path, found: dict[str, Any]) -> None:
    """The same for people."""
    counts = found["counts"]
    states = ("done", "running", "failed", "unavailable", "damaged")
    words = [f"{counts[state]} {state}" for state in states if counts.get(state)]
    words.append(f"{len(found['left'])} left")
    print(f"{run}: {found['cells']} cells: {', '.join(words)}")
    slots = sum(worker["jobs"] for worker in found["workers"])
    if found["seconds_left"] is not None and (found["left"] or found["running"]):
        print(f"about {_time(found['seconds_left'])} with {slots} side by side")
    elif found["left"] and not found["workers"]:
        print(f"nobody is at work; next: coldbench work {run}")
    for one in found["running"][:SHOWN]:
        where = f"{one['host']} {one['pid']}" + (f" ({one['job']})" if one["job"] else "")
        if one["alive"]:
            said = (
                f"{one['title']}: {one['stage'] or 'start'} for {_time(one['seconds'])} on {where}"
            )
        else:
            said = f"{one['title']}: its worker is gone: {where}"
        print(printable(said))
    for one in found["failed"][:SHOWN]:
        print(printable(f"{one['status']}: {one['title']}: {one['stage']}: {one['reason']}"))
    for key in ("running", "failed"):
        if len(found[key]) > SHOWN:
            print(f"and {len(found[key]) - SHOWN} more {key}: --json")


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
