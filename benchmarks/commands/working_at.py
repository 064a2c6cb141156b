"""What `coldbench work` and `coldbench cell` do and show."""

import json
from dataclasses import replace
from pathlib import Path

from coldbench import registry
from coldbench.cell import KEPT, Cell, Spec, read_cells, read_plan
from coldbench.errors import UserError

from ..work import RunOptions, work_on
from .bench import named
from .command import document, one_document
from .grid_options import cell_rows
from .progress import Progress
from .run import ended, exit_code, side_by_side
from .verbosity import Verbosity


def work(run: Path, jobs: int, device: str, say: Verbosity, *, as_json: bool) -> int:
    """Do what is left; returns the exit code."""
    return _shown(run, read_plan(run), (jobs, device), say, as_json=as_json)


def cell(run: Path, words: str, device: str, say: Verbosity, *, as_json: bool) -> int:
    """Do one; returns the exit code."""
    return _shown(run, [_spec(run, words)], (1, device), say, as_json=as_json)


def _shown(
    run: Path, specs: list[Spec], where: tuple[int, str], say: Verbosity, *, as_json: bool
) -> int:
    with one_document(as_json):
        cells = _work(run, specs, *where, say)
    if as_json:
        document({"run": str(run), "cells": cell_rows(cells)})
    return exit_code(cells)


def _work(run: Path, specs: list[Spec], jobs: int, device: str, say: Verbosity) -> list[Cell]:
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
            work_on(run.resolve(), specs, options, shown)
    cells = read_cells(run, specs)
    ended(cells, run, say)
    return cells


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
