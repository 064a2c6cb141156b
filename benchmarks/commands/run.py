"""What `coldbench run` does and shows, from a grid to its exit code."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coldbench.cell import Cell, Spec
from coldbench.errors import DONE, SOME_FAILED, UserError, printable

from ..claims import Claims
from ..executor import LOCAL, named
from ..gpus import gpus_of
from ..grid import Grid
from ..plan import device_of
from ..run import Run
from ..tracking import Tracking
from ..work import RunOptions
from .command import document, one_document
from .grid_options import plan, show_plan
from .progress import Progress


@dataclass(frozen=True)
class How:
    """What `run` was asked for beside its options."""

    track: str = ""
    executor: str = LOCAL
    part: str = ""
    prepare: bool = False


def run_options(
    grid: Grid,
    device: str,
    jobs: int,
    timeout: float | None,
    include: tuple[str, ...],
    *,
    retry_failed: bool,
    timing: bool,
) -> RunOptions:
    """jobs = 0: one a core, or one where there is a GPU. timeout = None: the grid's."""
    if jobs < 0 or (timeout is not None and timeout <= 0):
        raise UserError("-j must be 0 or more, and --timeout more than 0 seconds")
    return RunOptions(
        device, side_by_side(jobs, device), timeout or grid.timeout, retry_failed, include, timing
    )


def side_by_side(jobs: int, device: str) -> int:
    """How many cells at once where so many are asked for; 0: one a core, or one a GPU."""
    if jobs < 0:
        raise UserError("-j must be 0 or more")
    gpus = len(gpus_of(device_of(device)))
    return jobs or gpus or min(os.cpu_count() or 1, 8)


def run_grid(grid: Grid, folder: Path, options: RunOptions, how: How) -> int:
    """Run the grid's missing cells; returns the exit code."""
    wants = part_of(how.part)
    if how.executor != LOCAL:
        named(how.executor)
    with Run(grid, folder, options, wants) as run:
        if how.prepare:
            return _prepared(run)
        return ended(_run(run, how), folder)


def part_of(words: str) -> Callable[[Spec], bool]:
    """Whether a cell is of the part "1/3", the first of three: by its fingerprint, so that every
    machine says the same."""
    if not words:
        return lambda _: True
    number, _, many = words.partition("/")
    if not (number.isdecimal() and many.isdecimal() and 1 <= int(number) <= int(many)):
        raise UserError(f"--part {words!r} is no part: 1/3 is the first of three")
    return lambda spec: int(spec.fingerprint, 16) % int(many) == int(number) - 1


def _prepared(run: Run) -> int:
    with Claims(run.folder, 0) as claims:
        lost = run.prepare(claims)
    _note(run)
    for reason in dict.fromkeys(reason for _, reason in lost.values()):
        print(printable(f"cannot be run: {reason}"))
    print(
        f"{run.shown}: {len(run.missing())} of {len(run.read())} cells are ready to be run", end=""
    )
    print(f"; next, anywhere: coldbench work {run.shown}")
    return SOME_FAILED if lost else DONE


def show_grid(grid: Grid, folder: Path, options: RunOptions, *, as_json: bool) -> None:
    """Show what would be run."""
    with one_document(as_json), Run(grid, folder, options) as run:
        specs = run.specs
        _note(run)
    document(plan(grid, specs, folder)) if as_json else show_plan(grid, specs, folder)


def _run(run: Run, how: How) -> list[Cell]:
    waiting, options = len(run.missing()), run.options
    local = how.executor == LOCAL
    _note(run)
    where = f"{options.jobs} side by side" if local else f"by {how.executor}"
    print(f"{run.shown}: {len(run.read())} cells, {waiting} to run, {where}", end="")
    print(f", each within {options.timeout:.0f} s (--timeout)" if waiting else "", flush=True)
    with Progress(run.specs, waiting) as shown, Tracking(run.folder, how.track) as tracked:

        def on_event(event: str, spec: Spec, seconds: float) -> None:
            shown(event, spec, seconds)
            if seconds or event == "start":  # another run tracks what it has done
                tracked(event, spec, seconds)

        return run.cells(on_event) if local else run.cells_by(how.executor, on_event)


def _note(run: Run) -> None:
    for note in run.plan.notes:
        print(printable(note), file=sys.stderr)


def ended(cells: list[Cell], folder: Path) -> int:
    """Say what is not done, and where to read on."""
    bad = [cell for cell in cells if cell.status != "done"]
    for cell in bad:
        print(printable(f"{cell.status}: {cell.spec.title}: {cell.stage}: {cell.reason}"))
    failed = [cell for cell in bad if cell.status != "unavailable"]
    logs = [cell.folder / "log.txt" for cell in failed if cell.log()]
    if logs:
        print(f"more is said in {logs[0]}" + (f" and {len(logs) - 1} more" if logs[1:] else ""))
    print(f"{len(cells) - len(bad)} of {len(cells)} cells done; next: coldbench report {folder}")
    return SOME_FAILED if failed else DONE
