"""A cell before it is whole: its partial folder, and what a full disk or a killed worker leaves."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from coldbench import store
from coldbench.cell import KEPT, MODELS, Cell

from .claims import Claims
from .job import RESULT, SHARDS, Job

AGAIN = ("failed", "unavailable")  # what --retry-failed runs again
FULL = (errno.ENOSPC, errno.EDQUOT)
LITTLE = 64 << 20  # bytes: a disk with less free is full
LOG_MOST = 64 << 20  # bytes that a running cell's log may have before it is cut
RETRIED = "retried"  # the room of rows that failed, until there is another in their place
BEGUN = ".begun"  # a file of the partial folder: when it was made, by the file system's clock


def result_of(folder: Path) -> dict[str, Any] | None:
    """What a method's process said of its end; None where it said nothing that can be read."""
    try:
        path = folder / RESULT
        if path.is_symlink() or path.stat().st_size > store.LARGEST:
            return None
        result = json.loads(path.read_text(encoding="utf-8"))
        texts = all(isinstance(result[key], str) for key in ("status", "stage", "reason"))
        known = result["status"] in KEPT and isinstance(result["facts"], dict)
        return result if texts and known and "errno" in result else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def partial(job: Job, worker: str) -> Path:
    """Where a worker has a cell before it is whole."""
    return job.whole.with_name(f".{job.name}-{worker}")


def fresh(folder: Path, keep: tuple[str, ...] = ()) -> Path:
    """The partial folder, empty but for what is kept, whatever lies there."""
    for place in (folder.parent, folder):
        if os.path.lexists(place) and (place.is_symlink() or not place.is_dir()):
            place.unlink()
        place.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in keep or path.is_symlink() or not path.is_file():
            store.remove(path)
    return folder


def cut_log(log: Path) -> None:
    """A flood of output must not fill the disk."""
    with suppress(OSError):
        if log.stat().st_size > LOG_MOST and not log.is_symlink():
            os.truncate(log, 0)


def not_full(folder: Path) -> None:
    """Raises OSError where the disk is full: no cell can help that, so none is recorded."""
    with suppress(FileNotFoundError):
        if shutil.disk_usage(folder).free < LITTLE:
            raise OSError(errno.ENOSPC, "no room left on the disk", str(folder))


def clear(run: Path, *rooms: str) -> None:
    """Remove what nobody can be at work on from rooms that one worker at a time writes to."""
    for room in rooms:
        for half in (run / room).glob(".*"):
            store.remove(half)


def clear_of(run: Path, worker: str) -> None:
    """Remove the unfinished cells of a worker."""
    for half in _halves(run, f".*-{worker}"):
        store.remove(half)


def clear_dead(run: Path, claims: Claims) -> None:
    """Remove the unfinished cells of workers that are gone, their claims, and shards of cells that
    are there."""
    halves = _halves(run, ".*")  # before the living are asked: a worker has a name before a cell
    alive = claims.sweep()
    for half in halves:
        if half.name[1:].partition("-")[2] not in alive:
            store.remove(half)
    for shard in (run / SHARDS).glob("[!.]*"):
        if os.path.lexists(run / "cells" / shard.name.partition(".")[0]):
            store.remove(shard)


def clear_failed(run: Path, cells: list[Cell], claims: Claims) -> None:
    """Set aside those of the cells that failed, and remove their shards that did: they are to be
    done again. What another worker has is left."""
    for cell in cells:
        shards = (run / SHARDS).glob(f"{cell.spec.fingerprint}.*")
        for place in (cell.folder, *shards):
            if claims.take(place.name):
                if Cell.read(cell.spec, place).status in AGAIN:
                    if place == cell.folder:
                        _set_aside(run, place)
                    store.remove(place)
                claims.release(place.name)


def _set_aside(run: Path, row: Path) -> None:
    there = run / RETRIED / row.name
    store.remove(there)
    there.parent.mkdir(exist_ok=True)
    row.rename(there)


@contextmanager
def failures_kept(run: Path, claims: Claims) -> Iterator[None]:
    """At the end, however it comes, a row that was set aside and has not been done is back: one
    that failed says why, one that is missing says nothing. After a kill it is at the next start."""
    if not claims.others():
        _put_back(run, claims)
    try:
        yield
    finally:
        _put_back(run, claims)


def _put_back(run: Path, claims: Claims) -> None:
    """What was set aside, where nothing has come or is coming in its place."""
    for row in (run / RETRIED).glob("*"):
        if claims.take(row.name):
            whole = run / "cells" / row.name
            if os.path.lexists(whole):
                store.remove(row)
            else:
                row.rename(whole)
            claims.release(row.name)
    with suppress(OSError):
        (run / RETRIED).rmdir()


def shards_left(job: Job) -> list[Job]:
    """Those of a cell's shards that are not there; where all are, those that are torn."""
    absent = [part for part in job.parts if not os.path.lexists(part.whole)]
    return absent or [part for part in job.parts if _status(part) not in KEPT]


def _status(part: Job) -> str:
    return Cell.read(part.spec, part.whole).status


def clear_shards(job: Job) -> None:
    """Remove the shards of a cell that has some."""
    for shard in (Path(job.run) / SHARDS).glob(f"{job.spec.fingerprint}.*") if job.parts else ():
        store.remove(shard)


def _halves(run: Path, pattern: str) -> list[Path]:
    return [half for room in ("cells", SHARDS, MODELS) for half in (run / room).glob(pattern)]
