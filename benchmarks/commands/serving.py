"""The verbs of a trained method at work: export, recommend, refit, serve."""

import sys

import typer

from coldbench.errors import SOME_FAILED

from . import options as o
from .command import Command, document

app = typer.Typer()  # cli.py takes its verbs


@app.command(cls=Command)
def export(
    folder: o.Run,
    cell: o.CellName,
    target: o.Target,
    dataset: o.OfDataset = "",
    protocol: o.OfProtocol = "",
    onnx: o.Onnx = False,
    as_json: o.Json = False,
    include: o.Include = None,
) -> None:
    """A cell's trained method as a folder that serves: `export quick "ridge 0" model`."""
    from coldbench.results.results import find_run

    from . import export as command
    from .bench import find_cell

    chosen = find_cell(find_run(folder), cell, dataset, protocol)
    done = command.export(chosen, target, as_onnx=onnx)
    document(done) if as_json else command.show(done)


@app.command(cls=Command)
def recommend(
    model: o.Model,
    ratings: o.Rated,
    top: o.Top = 10,
    explain: o.Why = False,
    as_json: o.Json = False,
    include: o.Include = None,
) -> None:
    """The best items for whoever made these ratings, by an exported model."""
    from coldbench.recommend.recommender import Recommender

    from . import recommend as command

    rec = Recommender.load(model)
    answers = command.recommend(rec, ratings, top, explain=explain)
    document(answers) if as_json else command.show(answers, rec.card)


@app.command(cls=Command)
def refit(
    folder: o.ServedFolder,
    file: o.NewRatings = None,
    with_: o.With = None,
    since: o.Since = None,
    margin: o.Margin = 0.01,
    start: o.Start = None,
    rollback: o.Rollback = False,
    history: o.History = False,
    include: o.Include = None,
    as_json: o.Json = False,
) -> None:
    """Train a served model again on new ratings; it serves where it is not worse: `refit shop
    new.csv`."""
    from . import refit as command

    asked = command.Asked(folder, file, with_, since, margin, start, rollback, history)
    if not command.refit(asked, as_json=as_json):
        sys.exit(SOME_FAILED)


@app.command(cls=Command)
def serve(
    folder: o.Served,
    host: o.Host = "127.0.0.1",
    port: o.Port = 8000,
    batch: o.Batch = 64,
    device: o.Device = "auto",
    include: o.Include = None,
    as_json: o.Json = False,
) -> None:
    """A model over HTTP, and a page to try it: `serve model`; COLDBENCH_API_KEY asks for a key."""
    from .serve import serve as command

    command(folder, host, port, batch, device, as_json=as_json)
