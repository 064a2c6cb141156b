"""The verbs of a run that outgrew one machine: work, cell, status, merge. Each imports what it
does."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from coldbench.errors import UserError

from . import options as o
from .command import Command, document
from .verbosity import Verbosity

app = typer.Typer()  # cli.py takes its verbs

Device = Annotated[str, typer.Option(help="auto: the plan's; cpu, cuda or cuda:1.")]
AnyCell = Annotated[
    str,
    typer.Argument(
        metavar="CELL",
        help='A cell: its fingerprint, words of its title, "ridge 0", or a file with its Spec.',
    ),
]
InRun = Annotated[Path, typer.Option("--run", metavar="DIR", help="The run's folder, or its name.")]
Parts = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs of one grid.")]
Merged = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="The run to write; not there yet.")
]


@app.command(cls=Command)
def work(
    folder: o.Run,
    jobs: o.Jobs = 0,
    device: Device = "auto",
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    as_json: o.Json = False,
) -> None:
    """Do what is left of a run's cells, beside whoever else does: on any machine that sees DIR."""
    from coldbench.results.results import find_run

    from . import working_at as command

    say = Verbosity.of(quiet=quiet, verbose=verbose)
    sys.exit(command.work(find_run(folder), jobs, device, say, as_json=as_json))


@app.command(cls=Command)
def cell(
    name: AnyCell,
    run: InRun,
    device: Device = "auto",
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    as_json: o.Json = False,
) -> None:
    """Do one cell of a prepared run: what a scheduler, xargs, make or a container executes."""
    from coldbench.results.results import find_run

    from . import working_at as command

    say = Verbosity.of(quiet=quiet, verbose=verbose)
    sys.exit(command.cell(find_run(run), name, device, say, as_json=as_json))


@app.command(cls=Command)
def status(folder: o.Run, as_json: o.Json = False) -> None:
    """What of a run is done, what runs where and since when, what failed, when it will end."""
    from coldbench.results.results import find_run

    from . import status as command

    run = find_run(folder)
    state = command.status(run)
    document(state) if as_json else command.show(run, state)


@app.command(cls=Command)
def merge(parts: Parts, output: Merged, as_json: o.Json = False) -> None:
    """One run of several folders that were planned from the same grid on machines without a
    common disk; results that differ are named."""
    from coldbench.results.results import find_run

    from ..merge import merge as command

    if output.name.startswith(".") or not output.name:
        raise UserError(f"{output}: a run's folder has a name that begins with no dot")
    cells = command([find_run(part) for part in parts], output)
    if as_json:
        from .grid_options import cell_rows

        document({"run": str(output), "cells": cell_rows(cells)})
        return
    done = sum(cell.status == "done" for cell in cells)
    print(f"{output}: {done} of {len(cells)} cells done; next: coldbench report {output}")
