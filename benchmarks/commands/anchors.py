"""`coldbench anchors`: published numbers beside chance and ours."""

import sys

from coldbench import RUNS
from coldbench.errors import printable

from ..anchors._anchor import named
from ..anchors.replay import replay
from ..anchors.show import Line, plain
from .command import document, one_document


def anchors(names: list[str], jobs: int, *, as_json: bool) -> bool:
    """Replay anchors by name or file, all where none is named; whether every one was measured."""
    chosen, folder = named(names), RUNS / "anchors"
    with one_document(as_json), Line() as tell:
        rows, failed = replay(chosen, folder, jobs, tell)
    if as_json:
        document([row.as_json() for row in rows])
    else:
        print(printable(f"{plain(rows)}\n\n{folder / 'anchors.md'}"))
    for line in failed:
        print(printable(line), file=sys.stderr)
    return not failed
