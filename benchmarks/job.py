"""A cell to run, as its parent and its two processes know it: the job, where the method's process
is, and how a folder becomes the cell. Imports no torch: a run's parent does without.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coldbench import store
from coldbench.cell import RECORD, Spec, record

RESULT = "result.json"  # status, stage, reason and facts, for the judge
STAGE = ".stage"
LOG_BYTES = 200_000  # of a cell's log that are kept: the end
BATCH = 256  # users adapted to at once; a shard has whole batches
SHARDS = "shards"  # in the run's folder: those of cells that are not whole yet


@dataclass(frozen=True)
class Job:
    """A cell to run, or a shard of it, and what its numbers do not depend on."""

    spec: Spec
    run: str  # the run's folder, absolute
    device: str  # "cpu", "cuda:1"
    timed: bool  # one seed of a method is enough
    include: tuple[str, ...]  # files of the user's own methods
    jobs: int  # cells side by side, noted beside the timings
    provenance: dict[str, str]  # hardware and commit
    keep_model: bool = False  # for an export
    gpu: str = ""  # the only one that its process sees
    shards: int = 1  # that the judged users are shared out to
    shard: int = 0  # which of them, from 1; 0: the cell

    @property
    def split(self) -> Path:
        return Path(self.run) / "splits" / self.spec.split_key

    @property
    def name(self) -> str:
        """Of its claim and its folder: the cell's fingerprint, of a shard "<fingerprint>.2of4"."""
        return ".".join(filter(None, (self.spec.fingerprint, self.part)))

    @property
    def part(self) -> str:
        """Of a shard "2of4", else ""."""
        return f"{self.shard}of{self.shards}" if self.shard else ""

    @property
    def whole(self) -> Path:
        """Where the cell, or the shard, is to stand."""
        return Path(self.run) / (SHARDS if self.shard else "cells") / self.name

    @property
    def parts(self) -> "list[Job]":
        """The shards of a cell that has some; the first is timed and keeps the model."""
        if self.shard or self.shards == 1:
            return []
        first = replace(self, shard=1)
        rest = replace(self, timed=False, keep_model=False)
        return [first, *(replace(rest, shard=number) for number in range(2, self.shards + 1))]

    def users(self, count: int) -> slice:
        """Which of so many judged users are its own: whole batches, but for the last."""
        if not self.shard:
            return slice(count)
        batches = batches_of(count)
        begin, end = (batches * n // self.shards * BATCH for n in (self.shard - 1, self.shard))
        return slice(begin, min(end, count))


def batches_of(users: int) -> int:
    return -(-users // BATCH)


class Stage:
    """Where the process is, for its parent to read should it die."""

    def __init__(self, folder: Path) -> None:
        self.name = "start"
        self._fd = os.open(folder / STAGE, os.O_WRONLY | os.O_CREAT, 0o644)

    def __call__(self, name: str) -> None:
        if name != self.name:
            self.name = name
            os.pwrite(self._fd, name.ljust(16).encode(), 0)

    @staticmethod
    def left(folder: Path) -> str:
        """What a process that died was at."""
        try:
            return (folder / STAGE).read_bytes()[:16].decode("utf-8", "replace").strip() or "start"
        except OSError:
            return "start"


def commit_cell(folder: Path, whole: Path, result: dict[str, Any]) -> None:
    """The folder, with its log cut to the end, becomes the cell. One that stands there already was
    written by a method, since a run clears a cell's place: it is set aside."""
    if os.path.lexists(whole):
        store.set_aside(whole)
    log = folder / "log.txt"
    if log.is_file() and log.stat().st_size > LOG_BYTES:
        with log.open("rb") as file:
            file.seek(-LOG_BYTES, 2)
            end = file.read()
        log.write_bytes(b"[the beginning was cut]\n" + end)
    store.seal(folder, RECORD, record(**result), whole)
