"""What `coldbench run` does and shows, from a grid to its exit code."""

import os
import sys
from enum import Enum
from pathlib import Path

from coldbench.cell import Cell, Spec
from coldbench.errors import DONE, SOME_FAILED, UserError, printable

from ..grid import Grid
from ..plan import device_of
from ..run import Run, RunOptions
from ..tracking import Tracking
from .command import document, one_document
from .grid_options import plan, show_plan
from .progress import Progress

FINE = ("done", "unavailable")  # what is no failure


class Say(Enum):
    """How much a run says of itself."""

    QUIET, USUAL, VERBOSE = "only what failed", "progress", "and the whole log of what failed"

    @classmethod
    def of(cls, *, quiet: bool, verbose: bool) -> "Say":
        if quiet and verbose:
            raise UserError("--quiet and --verbose: leave one out")
        return cls.QUIET if quiet else cls.VERBOSE if verbose else cls.USUAL


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
    one_a_core = 1 if device_of(device).type == "cuda" else min(os.cpu_count() or 1, 8)
    return RunOptions(
        device, jobs or one_a_core, timeout or grid.timeout, retry_failed, include, timing
    )


def run_grid(grid: Grid, folder: Path, options: RunOptions, track: str, say: Say) -> list[Cell]:
    """Run the grid's missing cells; returns all of them."""
    with Run(grid, folder, options) as run:
        cells = _run(run, track, say)
    _ended(cells, folder, say)
    return cells


def run_as_asked(
    grid: Grid, folder: Path, options: RunOptions, track: str, say: Say, *, as_json: bool
) -> int:
    """The same for a command; returns its exit code."""
    with one_document(as_json):
        cells = run_grid(grid, folder, options, track, say)
    if as_json:
        document(plan(grid, [cell.spec for cell in cells], folder))
    return SOME_FAILED if any(cell.status not in FINE for cell in cells) else DONE


def show_grid(grid: Grid, folder: Path, options: RunOptions, *, as_json: bool) -> None:
    """Show what would be run."""
    with one_document(as_json), Run(grid, folder, options) as run:
        specs = run.specs
        _note(run)
    document(plan(grid, specs, folder)) if as_json else show_plan(grid, specs, folder)


def _run(run: Run, track: str, say: Say) -> list[Cell]:
    waiting, options, quiet = len(run.missing()), run.options, say is Say.QUIET
    if not quiet:
        _note(run)
        within = f", each within {options.timeout:.0f} s (--timeout)" if waiting else ""
        what = f"{len(run.specs)} cells, {waiting} to run, {options.jobs} side by side"
        print(f"{run.shown}: {what}{within}", flush=True)
    with Progress(run.specs, waiting, quiet) as shown, Tracking(run.folder, track) as tracked:

        def on_event(event: str, spec: Spec, seconds: float) -> None:
            shown(event, spec, seconds)
            tracked(event, spec, seconds)

        return run.cells(on_event)


def _note(run: Run) -> None:
    for note in run.plan.notes:
        print(printable(note), file=sys.stderr)


def _ended(cells: list[Cell], folder: Path, say: Say) -> None:
    """Say what is not done, and where to read on."""
    bad = [cell for cell in cells if cell.status != "done"]
    for cell in bad:
        print(printable(f"{cell.status}: {cell.spec.title}: {cell.stage}: {cell.reason}"))
        if say is Say.VERBOSE:
            print(printable(cell.log()).rstrip())
    logs = [cell.folder / "log.txt" for cell in bad if cell.status not in FINE and cell.log()]
    if logs:
        print(f"more is said in {logs[0]}" + (f" and {len(logs) - 1} more" if logs[1:] else ""))
    if say is not Say.QUIET:
        print(
            f"{len(cells) - len(bad)} of {len(cells)} cells done; next: coldbench report {folder}"
        )
