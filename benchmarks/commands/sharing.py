"""The verbs that share results: archive and verify. Each imports what it does."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from coldbench.errors import SOME_FAILED

from . import options as o
from .command import Command

app = typer.Typer()  # cli.py takes its verbs

ArchiveFile = Annotated[Path, typer.Argument(metavar="FILE", help="What `archive` wrote.")]
ArchiveOutput = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The file to write; by default RUN.coldbench.zip here."),
]
Rerun = Annotated[int, typer.Option(help="Run so many cells again, drawn at random.")]


@app.command(cls=Command)
def archive(folder: o.Run, output: ArchiveOutput = None, as_json: o.Json = False) -> None:
    """A run's evidence in one file, without a row of the data: scores, splits' hashes, figures."""
    from coldbench.results.results import find_run

    from .archive import archive as command

    command(find_run(folder), output, as_json=as_json)


@app.command(cls=Command)
def verify(
    file: ArchiveFile,
    rerun: Rerun = 0,
    jobs: o.Jobs = 0,
    device: o.Device = "cpu",
    include: o.Include = None,
    as_json: o.Json = False,
) -> None:
    """Make every figure of an archive again from its scores and the data; ends with 1 where one
    differs."""
    from ..grid import Grid
    from .archive import verify as command
    from .run import run_options

    options = run_options(
        Grid(), device, jobs, None, include or (), retry_failed=False, timing=False
    )
    if not command(file, rerun, options, as_json=as_json):
        sys.exit(SOME_FAILED)


Shared = Annotated[
    list[Path], typer.Argument(metavar="RESULTS...", help="Runs, or files that `archive` wrote.")
]
SiteFolder = Annotated[
    Path, typer.Option("--output", "-o", help="The folder to write; made where missing.")
]
Docs = Annotated[
    Path | None, typer.Option("--docs", help="A folder of Markdown to render as well.")
]


@app.command(cls=Command)
def site(shared: Shared, output: SiteFolder, docs: Docs = None, as_json: o.Json = False) -> None:
    """A static site: leaderboard, a page a method and a data set: `site quick -o site`."""
    from .site import site as command

    command(shared, output, docs, as_json=as_json)
