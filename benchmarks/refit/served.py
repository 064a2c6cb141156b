"""A served folder: trained models side by side, and a link to the one that serves.

    current -> versions/0002
    versions/0001/, 0002/      exported models: coldbench/recommend/artefact.py
    logs/0001/, 0002/          what each was trained on: growth.py
    history.jsonl              a line for each decision, oldest first

The history is the truth. A version that it does not name was left by a refit that was killed, and
is removed; a link that lags behind its last line is moved. Everything else appears in one rename,
so whatever is killed, and whenever, one whole model serves.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from coldbench import store
from coldbench.errors import UserError
from coldbench.recommend.recommender import Recommender

CURRENT, HISTORY = "current", "history.jsonl"
FIRST = "0001"
GATE = ".gate-"  # folders of a refit at work: what the models said
Line = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """The folder; nothing is read before it is asked for."""

    folder: Path

    def model(self, version: str) -> Path:
        return self.folder / "versions" / version

    def log(self, version: str) -> Path:
        return self.folder / "logs" / version

    def history(self) -> list[Line]:
        """Every decision, oldest first. Raises UserError where the folder is no served one."""
        path = self.folder / HISTORY
        if not path.is_file():
            raise UserError(
                f"{self.folder} is no served folder: it has no {HISTORY}; make one of an exported "
                f"model: coldbench refit {self.folder} --start MODEL"
            )
        try:
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            return [line | {"serves": str(line["serves"])} for line in lines]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(f"{path} is damaged ({error}): mend the line or restore it") from None

    @contextmanager
    def held(self) -> Iterator[Line | None]:
        """The folder is this process's alone, and what a killed one left is put right. Gives the
        decision that was made and not yet carried out, None where there is none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise UserError(f"{self.folder}: another refit is at work here; wait for it") from None
        try:
            yield self._put_right()
        finally:
            lock.release()

    def _put_right(self) -> Line | None:
        lines = self.history() if (self.folder / HISTORY).is_file() else []
        known = {line["version"] for line in lines}
        for room in ("versions", "logs"):
            for path in (self.folder / room).glob("*"):
                if path.name not in known and path.name != "damaged":
                    store.remove(path)
        for path in self.folder.glob(f"{GATE}*"):
            store.remove(path)
        if not lines or self._linked() == lines[-1]["serves"]:
            return None
        self._switch(lines[-1]["serves"])
        return lines[-1]

    def decide(self, line: Line) -> Line:
        """Write a decision down, then carry it out; it holds from the line on."""
        dated = {"time": datetime.now(UTC).isoformat(timespec="seconds")} | line
        path = self.folder / HISTORY
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        store.write(path, before + json.dumps(dated) + "\n")
        self._switch(line["serves"])
        return dated

    def add_model(self, source: Path, version: str) -> None:
        """A copy of an exported model, whole or not there."""
        partial = self.model(f".{version}")
        store.remove(partial)
        partial.parent.mkdir(exist_ok=True)
        shutil.copytree(source, partial, ignore=shutil.ignore_patterns(".*"))
        Recommender.load(partial)  # torn on the way, or before: a UserError
        partial.rename(self.model(version))

    def _linked(self) -> str:
        link = self.folder / CURRENT
        return os.path.basename(os.readlink(link)) if link.is_symlink() else ""

    def _switch(self, version: str) -> None:
        """The link is moved in one rename: a reader finds the old model or the new one."""
        if self._linked() == version:
            return
        partial = self.folder / f".{CURRENT}"
        store.remove(partial)
        partial.symlink_to(Path("versions") / version)
        partial.replace(self.folder / CURRENT)
