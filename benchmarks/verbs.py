"""What `coldbench run` does and shows, from a grid to its exit code."""

import sys
from pathlib import Path

from coldbench.cell import Cell, Spec

from .grid import Grid
from .progress import Progress
from .run import How, Run
from .track import Tracking

DONE, SOME_FAILED, INTERRUPTED = 0, 1, 130  # exit codes; 2, wrong use, is that of a UserError


def run_grid(grid: Grid, folder: Path, how: How, track: str, *, dry_run: bool) -> int:
    """Run the grid's missing cells, or show them; returns the exit code."""
    try:
        with Run(grid, folder, how) as run:
            if dry_run:
                _show(run)
                return DONE
            return _ended(_run(run, track), folder)
    except KeyboardInterrupt:
        print("coldbench: stopped; the same command goes on where it stopped", file=sys.stderr)
        return INTERRUPTED


def _run(run: Run, track: str) -> list[Cell]:
    waiting, how = len(run.missing()), run.how
    print(f"{run.shown}: {len(run.specs)} cells, {waiting} to run, {how.jobs} side by side", end="")
    print(f", each within {how.timeout:.0f} s (--timeout)" if waiting else "", flush=True)
    with Progress(run.specs, waiting) as shown, Tracking(run.folder, track) as tracked:

        def tell(event: str, spec: Spec, seconds: float) -> None:
            shown(event, spec, seconds)
            tracked(event, spec, seconds)

        return run.cells(tell)


def _show(run: Run) -> None:
    """The resolved grid, and as comments its cells and what would be done."""
    missing = {spec.fingerprint for spec in run.missing()}
    print(run.grid.toml(), end="")
    for spec in run.specs:
        state = "to run" if spec.fingerprint in missing else "there"
        print(f"# {spec.fingerprint} {spec.title}: {state}")


def _ended(cells: list[Cell], folder: Path) -> int:
    """Say what is not done, and where to read on."""
    bad = [cell for cell in cells if cell.status != "done"]
    for cell in bad:
        print(f"{cell.status}: {cell.spec.title}: {cell.stage}: {cell.reason}")
    failed = [cell for cell in bad if cell.status != "unavailable"]
    logs = [cell.folder / "log.txt" for cell in failed if cell.log()]
    if logs:
        print(f"more is said in {logs[0]}" + (f" and {len(logs) - 1} more" if logs[1:] else ""))
    print(f"{len(cells) - len(bad)} of {len(cells)} cells done; next: coldbench report {folder}")
    return SOME_FAILED if failed else DONE
