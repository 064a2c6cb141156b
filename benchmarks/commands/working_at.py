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
from .command import document, one_document
from .grid_options import cell_rows
from .progress import Progress
from .run import ended, exit_code, side_by_side
from .verbosity import Verbosity

SHARD = re.compile(r"([0-9a-f]{16})\.(\d{1,6})of(\d{1,6})")  # as `coldbench status --json` says


def work(run: Path, jobs: int, device: str, say: Verbosity, *, as_json: bool) -> int:
    """Do what is left; returns the exit code."""
    return _shown(run, read_plan(run), (jobs, device), say, as_json=as_json)


def cell(run: Path, words: str, device: str, say: Verbosity, *, as_json: bool) -> int:
    """Do one, or one shard of it; returns the exit code."""
    named_shard = SHARD.fullmatch(words)
    if not named_shard:
        return _shown(run, [_spec(run, words)], (1, device), say, as_json=as_json)
    spec, number, count = _spec(run, named_shard[1]), int(named_shard[2]), int(named_shard[3])
    (shards,) = shards_of(run, [spec], RunOptions.read(run)[0])
    if shards != count or not 1 <= number <= count > 1:
        has = f"{shards} shards" if shards > 1 else "no shards"
        raise UserError(f"{words}: the cell has {has}; `coldbench status {run} --json` names them")
    return _shown(run, [spec], (1, device), say, as_json=as_json, shard=words)


def _shown(
    run: Path,
    specs: list[Spec],
    where: tuple[int, str],
    say: Verbosity,
    *,
    as_json: bool,
    shard: str = "",
) -> int:
    with one_document(as_json):
        cells = _work(run, specs, where, say, int(SHARD.sub(r"\2", shard) or 0))
        waits = bool(shard) and cells[0].status == "missing"
        state = Cell.read(specs[0], run / SHARDS / shard).status if waits else ""
        if not waits:
            ended(cells, run, say)
        elif say is not Verbosity.QUIET:
            print(f"{run}: shard {shard}: {state}; the last one makes the cell of them")
    if as_json:
        of_shard = {"shard": shard, "status": state} if waits else {}
        document({"run": str(run), "cells": cell_rows(cells), **of_shard})
    if waits:
        return DONE if state in KEPT else SOME_FAILED
    return exit_code(cells)


def _work(
    run: Path, specs: list[Spec], where: tuple[int, str], say: Verbosity, shard: int
) -> list[Cell]:
    jobs, device = where
    options, _ = RunOptions.read(run)
    for path in options.include:
        registry.include(Path(path))
    device = specs[0].device if device == "auto" else device
    options = replace(options, device=device, jobs=side_by_side(jobs, device))
    waiting = sum(left.status not in KEPT for left in read_cells(run, specs))
    quiet = say is Verbosity.QUIET
    if not quiet:
        left = f"{waiting} of {len(specs)} cells left"
        print(f"{run}: {left}, {options.jobs} side by side", flush=True)
    if waiting:
        with Progress(specs, waiting, quiet) as shown:
            work_on(run.resolve(), specs, options, shown, shard)
    return read_cells(run, specs)


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
