"""What `coldbench work` and `coldbench cell` do and show."""

import json
import re
from dataclasses import replace
from pathlib import Path

from coldbench import registry
from coldbench.cell import KEPT, Cell, Spec, read_cells, read_plan
from coldbench.errors import DONE, SOME_FAILED, UserError

from ..job import SHARDS
from ..work import RunOptions, shards_of, work_on
from .bench import named
from .progress import Progress
from .run import ended, exit_code, side_by_side

SHARD = re.compile(r"([0-9a-f]{16})\.(\d{1,6})of(\d{1,6})")  # as `coldbench status --json` says


def work(run: Path, jobs: int, device: str) -> int:
    """Do what is left; returns the exit code."""
    return _work(run, read_plan(run), jobs, device)


def cell(run: Path, words: str, device: str) -> int:
    """Do one, or one shard of it; returns the exit code."""
    named_shard = SHARD.fullmatch(words)
    if not named_shard:
        return _work(run, [_spec(run, words)], 1, device)
    spec, number, count = _spec(run, named_shard[1]), int(named_shard[2]), int(named_shard[3])
    (shards,) = shards_of(run, [spec], RunOptions.read(run)[0])
    if shards != count or not 1 <= number <= count > 1:
        has = f"{shards} shards" if shards > 1 else "no shards"
        raise UserError(f"{words}: the cell has {has}; `coldbench status {run} --json` names them")
    return _work(run, [spec], 1, device, words)


def _work(run: Path, specs: list[Spec], jobs: int, device: str, shard: str = "") -> int:
    options, _ = RunOptions.read(run)
    for path in options.include:
        registry.include(Path(path))
    device = specs[0].device if device == "auto" else device
    options = replace(options, device=device, jobs=side_by_side(jobs, device))
    waiting = sum(left.status not in KEPT for left in read_cells(run, specs))
    print(f"{run}: {waiting} of {len(specs)} cells left, {options.jobs} side by side", flush=True)
    if waiting:
        with Progress(specs, waiting) as shown:
            number = int(SHARD.sub(r"\2", shard) or 0)
            work_on(run.resolve(), specs, options, shown, number)
    cells = read_cells(run, specs)
    if shard and cells[0].status == "missing":
        state = Cell.read(specs[0], run / SHARDS / shard).status
        print(f"{run}: shard {shard}: {state}; whoever does the last one makes the cell of them")
        return DONE if state in KEPT else SOME_FAILED
    ended(cells, run)
    return exit_code(cells)


def _spec(run: Path, words: str) -> Spec:
    specs = read_plan(run)
    if not Path(words).is_file():
        return named(run, read_cells(run, specs), words).spec
    try:
        asked = Spec(**json.loads(Path(words).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        wrong = (
            f"{words} holds no cell ({type(error).__name__}); an entry of {run}/plan.json is one"
        )
        raise UserError(wrong) from None
    for spec in specs:
        if spec.fingerprint == asked.fingerprint:
            return spec
    raise UserError(f"{words}: its cell {asked.fingerprint} is not in the plan of {run}")
