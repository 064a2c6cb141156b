"""Every way of dying x every stage: the run ends, others are whole, the row says why.

COLDBENCH_ATTACKS=all has every hang at every stage (make nightly).
"""

import os
import runpy
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from coldbench.cell import Cell, read_run
from tests import console

TABLE: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("table.py")))
EVERY = os.environ.get("COLDBENCH_ATTACKS") == "all"
LIMIT = 8  # seconds of a cell
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400 if EVERY else 900)]


def run(
    folder: Path,
    methods: list[str],
    files: dict[str, Path] | None = None,
    *,
    code: int,
    jobs: int = 8,
) -> str:
    """What a run of these methods says; files: those of them that are included."""
    folder.mkdir(exist_ok=True)
    words = console.small_run(",".join(methods), "--timeout", str(LIMIT), "-j", str(jobs))
    words += [word for path in (files or {}).values() for word in ("--include", str(path))]
    done = console.ran(console.SCRIPT, *words, "--set", "seeds=[0]", cwd=folder, code=code)
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    return done.stdout


def content(cell: Cell) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in cell.folder.iterdir() if p.name not in console.VOLATILE}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """item-bias's cell, where nothing runs beside it."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, ["item-bias"], code=0)
    return content(read_run(folder / "runs/r")[0])


def living(folder: Path) -> list[int]:
    """What the methods have noted as left running, and runs still."""
    noted = folder / "pids"
    pids = [int(line) for line in noted.read_text().split()] if noted.is_file() else []
    return [
        pid for pid in pids
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A run of the attacks at some of the stages, beside item-bias."""

    folder: Path
    stages: tuple[str, ...]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(stage, kind) of each row."""
        return [(at, kind) for at in self.stages for kind in TABLE["kinds"](at, every=EVERY)]

    def run(self) -> str:
        files: dict[str, Path] = {}
        for stage in self.stages:
            kinds = TABLE["kinds"](stage, every=EVERY)
            files |= TABLE["write"](self.folder / "attacks", stage, kinds)
        return run(self.folder, [*files, "item-bias"], files, code=1, jobs=4)


def test_every_way_of_dying_at_every_stage_is_a_row_with_its_reason(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    stages = TABLE["STAGES"]
    planned = Part(tmp_path / "planned", stages[:3])  # here the plan itself waits for what hangs
    at_work = Part(tmp_path / "at-work", stages[3:])
    parts = (planned, at_work)
    with ThreadPoolExecutor() as side_by_side:
        outputs = list(side_by_side.map(Part.run, parts))
    for part, words in zip(parts, outputs, strict=True):
        _is_told(part, words, whole)


def _is_told(part: Part, output: str, whole: dict[str, bytes]) -> None:
    *attacks, bystander = read_run(part.folder / "runs/r")
    assert content(bystander) == whole
    wrong = []
    for (stage, kind), cell in zip(part.pairs, attacks, strict=True):
        status, words, stages = TABLE["expected"](kind, stage)
        if cell.status != status or words not in cell.reason or cell.stage not in stages:
            wrong.append(f"{kind} at {stage}: {cell.status} at {cell.stage}: {cell.reason}")
    assert not wrong, "\n".join(wrong)
    hung = {cell.reason for cell in attacks if cell.name == "hang-at-meta-train"}
    assert hung <= {f"no result within {LIMIT} s"}
    floods = [len(cell.log()) for cell in attacks if cell.name.startswith("flood-at-")]
    assert all(100_000 < length < 210_000 for length in floods) and "of no use" not in output
    time.sleep(0.2)
    assert not living(part.folder / "attacks"), "what a method started was left running"
    assert f"{sum(c.status == 'done' for c in attacks) + 1} of {len(attacks) + 1} cells" in output
    done = console.coldbench(part.folder, *"report r --format csv,md,html".split(), timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    text = (part.folder / "runs/r/report/report.md").read_text(encoding="utf-8")
    assert "\x1b" not in text
    rows_told = {tuple(line.split(" | ")[:4]) for line in text.splitlines()}
    failed = [cell for cell in attacks if cell.status == "failed"]
    rows = {(f"| {cell.name}", "0", "failed", cell.stage): cell for cell in failed}
    assert rows.keys() <= rows_told, "a failed row's stage is not in the report"


def test_a_method_that_deletes_every_cell_ends_no_run_and_they_are_made_again(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    files = TABLE["write"](tmp_path / "attacks", "meta-train", [TABLE["ALONE"]])
    assert "missing: synthetic" in run(tmp_path, ["item-bias", *files], files, code=1, jobs=1)
    run(tmp_path, ["item-bias"], code=0)
    assert content(read_run(tmp_path / "runs/r")[0]) == whole
