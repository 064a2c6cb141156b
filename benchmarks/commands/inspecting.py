"""The verbs that look before a run: list, fetch, describe, validate, doctor. Each imports what it
does."""

import sys

import typer

from coldbench.errors import WRONG_USE

from . import options as o
from .command import Command, document
from .verbosity import Verbosity

app = typer.Typer()  # cli.py takes its verbs


@app.command("list", cls=Command)
def list_(
    room: o.Room, name: o.OneOf = None, as_json: o.Json = False, include: o.Include = None
) -> None:
    """What there is, by name, a line each: `list methods`; all of one: `list methods maml`."""
    from . import listing

    rows = listing.rows(room, name)
    if as_json:
        document(rows)
    elif name is None:
        listing.show(room, rows)
    else:
        listing.show_one(rows[0])


@app.command(cls=Command)
def fetch(
    names: list[str],
    offline: o.Offline = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    as_json: o.Json = False,
) -> None:
    """Find datasets on this machine or download them; shows licence and source before."""
    from .fetch import fetch as fetched

    say = Verbosity.of(quiet=quiet, verbose=verbose)
    if not fetched(names, say, offline=offline, as_json=as_json):
        sys.exit(WRONG_USE)


@app.command(cls=Command)
def describe(
    name: o.Named, with_: o.With = None, as_json: o.Json = False, figure: o.Figure = None
) -> None:
    """What a dataset or your own file holds: `describe ml-100k`, `describe ratings.csv`."""
    from ..dataset_names import Source, options
    from . import describe as command

    source = Source.of(name, options(with_))
    dataset = source.dataset()
    facts = command.describe(source.display_name, dataset)
    document(facts) if as_json else command.show(facts)
    if figure:
        from .describe_figure import draw

        draw(source.display_name, dataset, figure)
        print(figure, file=sys.stderr)


@app.command(cls=Command)
def validate(files: o.Files, with_: o.With = None, as_json: o.Json = False) -> None:
    """Every problem of your own files, a line each; ends with 2 where there is one."""
    from ..dataset_names import options
    from .validate import validate as command

    if not command(files, options(with_), as_json=as_json):
        sys.exit(WRONG_USE)


@app.command(cls=Command)
def doctor(as_json: o.Json = False) -> None:
    """Versions, device, threads, cache, disk, what is installed."""
    from .doctor import facts, show

    document(facts()) if as_json else show(facts())
