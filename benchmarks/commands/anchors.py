"""`coldbench anchors`: published numbers beside chance and ours."""

import sys
from pathlib import Path

from coldbench import RUNS
from coldbench.errors import printable

from ..anchors._anchor import named
from ..anchors.replay import replay
from ..anchors.show import Line, plain
from .command import document, one_document
from .verbosity import Verbosity


def anchors(
    names: list[str], jobs: int, output: Path | None, say: Verbosity, *, as_json: bool
) -> bool:
    """Replay anchors by name or file, all where none is named; whether every one was measured."""
    chosen, folder = named(names), output or RUNS / "anchors"
    quiet, verbose = say is Verbosity.QUIET, say is Verbosity.VERBOSE
    with one_document(as_json), Line(quiet=quiet) as tell:
        rows, failed = replay(chosen, folder, jobs, tell, whole=verbose)
    if as_json:
        document([row.as_json() for row in rows])
    elif not quiet:
        print(printable(f"{plain(rows)}\n\n{folder / 'anchors.md'}"))
    for line in failed:
        print(printable(line), file=sys.stderr)
    return not failed
