"""What `coldbench run` does and shows, from a grid to its exit code."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from coldbench.cell import Cell, Spec
from coldbench.errors import DONE, SOME_FAILED, UserError, printable

from ..claims import Claims
from ..devices import device_name
from ..executor import LOCAL, named
from ..gpus import gpus_of
from ..grid import Grid
from ..run import Run
from ..tracking import Tracking
from ..work import RunOptions
from .command import document, one_document
from .grid_options import plan, show_plan
from .progress import Progress
from .verbosity import Verbosity

FINE = ("done", "unavailable")  # what is no failure


@dataclass(frozen=True)
class Request:
    """What `run` was asked for beside its options."""

    track: str = ""
    executor: str = LOCAL
    part: str = ""
    prepare: bool = False
    say: Verbosity = Verbosity.USUAL


def run_options(
    grid: Grid,
    device: str,
    jobs: int,
    timeout: float | None,
    include: Sequence[Path],
    *,
    retry_failed: bool,
    timing: bool,
) -> RunOptions:
    """jobs = 0: one a core, or one where there is a GPU. timeout = None: the grid's."""
    if jobs < 0 or (timeout is not None and timeout <= 0):
        raise UserError("-j must be 0 or more, and --timeout more than 0 seconds")
    side, files = side_by_side(jobs, device), tuple(str(path.resolve()) for path in include)
    limit, shards = timeout or grid.timeout, grid.shards
    return RunOptions(device, side, limit, retry_failed, files, timing, shards=shards)


def side_by_side(jobs: int, device: str) -> int:
    """How many cells at once where so many are asked for; 0: one a core, or one a GPU."""
    if jobs < 0:
        raise UserError("-j must be 0 or more")
    gpus = len(gpus_of(device_name(device)))
    return jobs or gpus or min(os.cpu_count() or 1, 8)


def run_grid(grid: Grid, folder: Path, options: RunOptions, request: Request) -> list[Cell]:
    """Run the grid's missing cells; returns all of them."""
    wants = part_of(request.part)
    if request.executor != LOCAL:
        named(request.executor)
    with Run(grid, folder, options, wants) as run:
        cells = _run(run, request)
    ended(cells, folder, request.say)
    return cells


def run_as_asked(
    grid: Grid, folder: Path, options: RunOptions, request: Request, *, as_json: bool
) -> int:
    """The same for a command; returns its exit code."""
    with one_document(as_json):
        if request.prepare:
            with Run(grid, folder, options, part_of(request.part)) as run:
                specs, code = run.specs, _prepared(run, request.say)
        else:
            cells = run_grid(grid, folder, options, request)
            specs, code = [cell.spec for cell in cells], exit_code(cells)
    if as_json:
        document(plan(grid, specs, folder))
    return code


def exit_code(cells: list[Cell]) -> int:
    return SOME_FAILED if any(cell.status not in FINE for cell in cells) else DONE


def part_of(words: str) -> Callable[[Spec], bool]:
    """Whether a cell is of the part "1/3", the first of three: by its fingerprint, so that every
    machine says the same."""
    if not words:
        return lambda _: True
    number, _, many = words.partition("/")
    if not (number.isdecimal() and many.isdecimal() and 1 <= int(number) <= int(many)):
        raise UserError(f"--part {words!r} is no part: 1/3 is the first of three")
    return lambda spec: int(spec.fingerprint, 16) % int(many) == int(number) - 1


def _prepared(run: Run, say: Verbosity) -> int:
    with Claims(run.folder, 0) as claims:
        lost = run.prepare(claims)
    if say is not Verbosity.QUIET:
        _note(run)
    for reason in dict.fromkeys(reason for _, reason in lost.values()):
        print(printable(f"cannot be run: {reason}"))
    if say is not Verbosity.QUIET:
        ready = f"{len(run.missing())} of {len(run.read())} cells are ready to be run"
        print(f"{run.shown}: {ready}; next, anywhere: coldbench work {run.shown}")
    return SOME_FAILED if lost else DONE


def show_grid(grid: Grid, folder: Path, options: RunOptions, *, as_json: bool) -> None:
    """Show what would be run."""
    with one_document(as_json), Run(grid, folder, options, only_plan=True) as run:
        specs = run.specs
        _note(run)
    document(plan(grid, specs, folder)) if as_json else show_plan(grid, specs, folder)


def _run(run: Run, request: Request) -> list[Cell]:
    waiting, options, quiet = len(run.missing()), run.options, request.say is Verbosity.QUIET
    local = request.executor == LOCAL
    if not quiet:
        _note(run)
        where = f"{options.jobs} side by side" if local else f"by {request.executor}"
        within = f", each within {options.timeout:.0f} s (--timeout)" if waiting else ""
        what = f"{len(run.read())} cells, {waiting} to run, {where}"
        print(f"{run.shown}: {what}{within}", flush=True)
    with (
        Progress(run.specs, waiting, quiet) as shown,
        Tracking(run.folder, request.track, run.measure) as tracked,
    ):

        def on_event(event: str, spec: Spec, seconds: float) -> None:
            shown(event, spec, seconds)
            if seconds or event == "start":  # another run tracks what it has done
                tracked(event, spec, seconds)

        return run.cells(on_event) if local else run.cells_by(request.executor, on_event)


def _note(run: Run) -> None:
    for note in run.plan.notes:
        print(printable(note), file=sys.stderr)


def ended(cells: list[Cell], folder: Path, say: Verbosity = Verbosity.USUAL) -> None:
    """Say what is not done, and where to read on."""
    bad = [cell for cell in cells if cell.status != "done"]
    for cell in bad:
        print(printable(f"{cell.status}: {cell.spec.title}: {cell.stage}: {cell.reason}"))
        if say is Verbosity.VERBOSE:
            print(printable(cell.log()).rstrip())
    logs = [cell.folder / "log.txt" for cell in bad if cell.status not in FINE and cell.log()]
    if logs:
        print(f"more is said in {logs[0]}" + (f" and {len(logs) - 1} more" if logs[1:] else ""))
    if say is not Verbosity.QUIET:
        print(
            f"{len(cells) - len(bad)} of {len(cells)} cells done; next: coldbench report {folder}"
        )
