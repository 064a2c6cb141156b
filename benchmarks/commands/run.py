"""What `coldbench run` does and shows, from a grid to its exit code."""

import os
import sys
from pathlib import Path

from coldbench.cell import Cell, Spec
from coldbench.errors import DONE, SOME_FAILED, UserError, printable

from ..devices import device_type
from ..grid import Grid
from ..run import Run, RunOptions
from ..tracking import Tracking
from .command import document, one_document
from .grid_options import plan, show_plan
from .progress import Progress


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
    one_a_core = 1 if device_type(device) == "cuda" else min(os.cpu_count() or 1, 8)
    return RunOptions(
        device, jobs or one_a_core, timeout or grid.timeout, retry_failed, include, timing
    )


def run_grid(grid: Grid, folder: Path, options: RunOptions, track: str) -> int:
    """Run the grid's missing cells; returns the exit code."""
    with Run(grid, folder, options) as run:
        return _ended(_run(run, track), folder)


def show_grid(grid: Grid, folder: Path, options: RunOptions, *, as_json: bool) -> None:
    """Show what would be run."""
    with one_document(as_json), Run(grid, folder, options, only_plan=True) as run:
        specs = run.specs
        _note(run)
    document(plan(grid, specs, folder)) if as_json else show_plan(grid, specs, folder)


def _run(run: Run, track: str) -> list[Cell]:
    waiting, options = len(run.missing()), run.options
    _note(run)
    print(
        f"{run.shown}: {len(run.specs)} cells, {waiting} to run, {options.jobs} side by side",
        end="",
    )
    print(f", each within {options.timeout:.0f} s (--timeout)" if waiting else "", flush=True)
    with Progress(run.specs, waiting) as shown, Tracking(run.folder, track, run.measure) as tracked:

        def on_event(event: str, spec: Spec, seconds: float) -> None:
            shown(event, spec, seconds)
            tracked(event, spec, seconds)

        return run.cells(on_event)


def _note(run: Run) -> None:
    for note in run.plan.notes:
        print(printable(note), file=sys.stderr)


def _ended(cells: list[Cell], folder: Path) -> int:
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
