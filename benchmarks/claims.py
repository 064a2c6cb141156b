"""Who works on what, where many machines share a run's folder: claims that expire.

A worker is a file in RUN/workers/ that says who it is. A claim is a hard link to that file, in
RUN/claims/: a name is linked once, on NFS too, and one touch of the file every few seconds shows
that all of the worker's claims are alive. A claim is taken over where its worker is gone: its
process, if that was on this machine, else after EXPIRY seconds without a touch by the file system's
own clock, which is the same for all. A worker that was only slow finds that its claim is another's
and drops its cell; should both finish, both have written the same bytes.
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from coldbench import store
from coldbench.errors import UserError

from .identity import Worker

WORKERS, CLAIMS = "workers", "claims"
BEAT = 10.0  # seconds between two touches
EXPIRY = 120.0  # seconds without one: the machine, or its network, is gone (NFS shows times late)


@dataclass(frozen=True)
class Claim:
    """A claim, or a worker's file, as it was seen."""

    worker: Worker | None  # None: torn
    identity: tuple[int, int, int]  # device, inode, time of the last touch
    touched: float

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """None where it is not there. The file is opened: so NFS asks its server."""
        try:
            with path.open("rb") as file:
                text, stat = file.read(1 << 16), os.fstat(file.fileno())
        except OSError:
            return None
        try:
            worker = Worker(**json.loads(text))
        except (ValueError, TypeError):
            worker = None
        return cls(worker, (stat.st_dev, stat.st_ino, stat.st_mtime_ns), stat.st_mtime)


class Claims:
    """A worker's claims in a run's folder; a context, at whose end all of them are given back."""

    def __init__(self, run: Path, jobs: int = 1, expiry: float = EXPIRY) -> None:
        self._run, self._jobs, self._expiry = run, jobs, expiry
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        for room in (WORKERS, CLAIMS):
            (self._run / room).mkdir(parents=True, exist_ok=True)
        self._register()
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for name in self.taken():
            self.release(name)
        store.remove(self._own)

    @property
    def name(self) -> str:
        """The worker's own."""
        return self._own.name

    def take(self, name: str) -> bool:
        """True: the claim is this worker's now. False: another has it, and is alive."""
        for _ in range(3):
            if self._link(name) or self.holds(name):
                return True
            claim = Claim.read(self._place(name))
            if claim and (self._alive(claim) or not self._bury(name, claim)):
                return False
        return False

    def holds(self, name: str) -> bool:
        """Whether the claim is (still) this worker's."""
        try:
            return os.path.samefile(self._place(name), self._own)
        except OSError:
            return False

    def release(self, name: str) -> None:
        if self.holds(name):
            store.remove(self._place(name))

    def taken(self) -> set[str]:
        """Every claim there is, of the dead too."""
        with suppress(OSError):
            return {name for name in os.listdir(self._run / CLAIMS) if not name.startswith(".")}
        return set()

    def others(self) -> list[Worker]:
        """The workers that are alive, but for this one."""
        return [worker for worker in workers(self._run, self._now(), self._expiry)
                if worker.name != self.name]  # fmt: skip

    def sweep(self) -> set[str]:
        """Remove the claims and files of workers that are gone; returns the names of the others."""
        for name in self.taken():
            claim = Claim.read(self._place(name))
            if claim and not self._alive(claim):
                self._bury(name, claim)
        alive = {self.name}
        for path in (self._run / WORKERS).glob("[!.]*"):
            claim = Claim.read(path)
            if claim and self._alive(claim):
                alive.add(path.name)
            elif claim:
                store.remove(path)
        return alive

    def _place(self, name: str) -> Path:
        return self._run / CLAIMS / name

    def _register(self) -> None:
        worker = Worker.this(self._jobs)
        self._own = self._run / WORKERS / worker.name
        store.write(self._own, json.dumps(asdict(worker)))

    def _link(self, name: str) -> bool:
        for _ in range(2):
            try:
                os.link(self._own, self._place(name))
                return True
            except FileExistsError:
                return False
            except FileNotFoundError:  # taken for dead, or the folder was deleted
                self._place(name).parent.mkdir(parents=True, exist_ok=True)
                self._own.parent.mkdir(exist_ok=True)
                if not self._own.exists():
                    self._register()
            except OSError as error:
                raise UserError(
                    f"{self._run}: its file system has no hard links ({error.strerror}), by which "
                    "workers claim cells: run where there are, and copy the folder afterwards"
                ) from None
        return False

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with suppress(OSError):
                os.utime(self._own)

    def _now(self) -> float:
        """By the file system's clock, which is the server's: that of a machine may be wrong."""
        with suppress(OSError):
            os.utime(self._own)
            return self._own.stat().st_mtime
        return 0.0

    def _alive(self, claim: Claim) -> bool:
        return is_alive(claim, self._now(), self._expiry)

    def _bury(self, name: str, seen: Claim) -> bool:
        """Take away a dead worker's claim. Of several who try one succeeds; whoever moves away a
        claim that is newer than the one it saw puts it back."""
        tomb = self._run / CLAIMS / f".{name}-{self.name}"
        try:
            self._place(name).rename(tomb)
        except OSError:
            return True  # another was first: whose it is now is asked again
        moved = Claim.read(tomb)
        same = moved is not None and moved.identity == seen.identity
        if not same:
            with suppress(OSError):
                os.link(tomb, self._place(name))
        store.remove(tomb)
        return same


def is_alive(claim: Claim, now: float, expiry: float = EXPIRY) -> bool:
    """Whether the claim's worker is at work. now: by the file system's clock."""
    gone = claim.worker is not None and claim.worker.gone
    return not gone and now - claim.touched <= expiry


def workers(run: Path, now: float, expiry: float = EXPIRY) -> Iterator[Worker]:
    """Those of a run that are alive."""
    for path in sorted((run / WORKERS).glob("[!.]*")):
        claim = Claim.read(path)
        if claim and claim.worker and is_alive(claim, now, expiry):
            yield claim.worker
