"""The arguments and options of every command, each with its help text."""

from pathlib import Path
from typing import Annotated

import typer

from coldbench import __version__, registry

from . import completion


def _version(asked: bool) -> None:
    if asked:
        print(f"coldbench {__version__}")
        raise typer.Exit


def _include(files: list[Path] | None) -> list[Path]:
    """Register methods of the user's own before the verb runs."""
    for file in files or []:
        registry.include(file)
    return files or []


Argument, Option = typer.Argument, typer.Option
METHODS, DATASETS = completion.of_room("methods"), completion.of_room("datasets")
Room = Annotated[
    str,
    Argument(
        help="methods, datasets, protocols, metrics, encoders or reports",
        autocompletion=completion.rooms,
    ),
]
OneOf = Annotated[str | None, Argument(metavar="NAME", help="Show all about this one.")]
Version = Annotated[
    bool, Option("--version", help="Show the version.", callback=_version, is_eager=True)
]
Json = Annotated[bool, Option("--json", help="Print one JSON document and nothing else.")]
Include = Annotated[
    list[Path] | None,
    Option("--include", help="A file with a method of your own; repeatable.", callback=_include),
]
GridFile = Annotated[
    str | None,
    Argument(
        help="A TOML file, or the name of a ready grid: quick", autocompletion=completion.grids
    ),
]
Datasets = Annotated[
    list[str] | None,
    Option(
        *("-d", "--datasets"),
        help="Datasets, without a grid: names or files; comma-separated or repeated.",
        autocompletion=DATASETS,
    ),
]
With = Annotated[
    list[str] | None, Option("--with", help="key=value: a parameter of the dataset; repeatable.")
]
Named = Annotated[str, Argument(metavar="NAME-or-FILE", autocompletion=DATASETS)]
Files = Annotated[list[str], Argument(metavar="FILE...")]
Figure = Annotated[Path | None, Option("--figure", help="Draw it, too: FILE.png, .svg or .pdf.")]
Methods = Annotated[
    list[str] | None,
    Option(
        *("-m", "--methods"),
        help="Methods, without a grid; comma-separated or repeated.",
        autocompletion=METHODS,
    ),
]
Name = Annotated[str | None, Option(help="Name of the run: its folder in runs/.")]
RunFolder = Annotated[
    Path | None, Option("--output", "-o", help="The folder to write, rather than one in runs/.")
]
MethodFolder = Annotated[
    Path, Option("--output", "-o", help="The folder that NAME.py is written into; by default here.")
]
Change = Annotated[
    list[str] | None, Option("--set", help="key=value: change a setting of the grid; repeatable.")
]
Limit = Annotated[
    int | None, Option(help="Evaluate only so many users; the report is stamped LIMITED.")
]
Device = Annotated[str, Option(help="auto, cpu, cuda or cuda:1.")]
Jobs = Annotated[int, Option("-j", "--jobs", help="Cells run in parallel; 0: one per core.")]
Timeout = Annotated[
    float | None, Option(help="Seconds that a cell may take; by default the grid's, or 900.")
]
DryRun = Annotated[bool, Option("--dry-run", help="Show the grid and its cells; run nothing.")]
ShotsList = Annotated[
    str | None, Option("--shots", metavar="0,4,16", help="How many ratings a new user has: each K.")
]
Seeds = Annotated[
    str | None, Option("--seeds", metavar="N", help="How many: 3 is 0,1,2; or 0,7: these.")
]
Quiet = Annotated[bool, Option("--quiet", "-q", help="Say only what failed.")]
Verbose = Annotated[bool, Option("--verbose", "-v", help="Say all there is, of what failed too.")]
NoTiming = Annotated[bool, Option("--no-timing", help="Do not measure what methods cost: faster.")]
KeepModels = Annotated[
    bool, Option("--keep-models", help="Keep each trained method beside its cell, for an export.")
]
Executor = Annotated[
    str, Option(help="Who has cells done: local, slurm[:PARTITION], ray[:ADDRESS].")
]
Part = Annotated[
    str, Option(help="Only this part of the cells, such as 1/2; `merge` joins the parts.")
]
Prepare = Annotated[
    bool, Option("--prepare", help="Store plan, splits and vectors, for `work`; run no cell.")
]
Retry = Annotated[bool, Option("--retry-failed", help="Run failed cells again.")]
Track = Annotated[
    str, Option(help="Log there, too: tensorboard, wandb (offline); comma-separated.")
]
Offline = Annotated[bool, Option("--offline", help="Use only files that are on this machine.")]
Checked = Annotated[list[str] | None, Argument(metavar="NAME-or-FILE...", autocompletion=METHODS)]
NewMethod = Annotated[str, Argument(metavar="NAME", help="Its name; the file is NAME.py, here.")]
All = Annotated[bool, Option("--all", help="All methods.")]
Anchors = Annotated[list[str] | None, Argument(metavar="NAME-or-FILE...")]
Workers = Annotated[int, Option("-j", "--jobs", help="Splits run in parallel; 0: one per core.")]
Output = Annotated[
    Path | None,
    Option("--output", "-o", help="Write the table to this file, too, as Markdown."),
]
Run = Annotated[
    Path,
    Argument(
        metavar="RUN",
        help="A run: its folder, or its name: quick",
        autocompletion=completion.runs,
    ),
]
Several = Annotated[
    list[Path],
    Argument(metavar="RUN...", help="Runs: folders or names.", autocompletion=completion.runs),
]
Folder = Annotated[
    Path | None, Option("--output", "-o", help="Write to this folder; by default RUN/report.")
]
Formats = Annotated[str, Option("--format", help="html,md,tex,csv,png; by default all of them.")]
Metrics = Annotated[
    str, Option(help="Such as ndcg@10,auc (see `list metrics`); by default the usual ones.")
]
Other = Annotated[
    str | None, Argument(help="Such as item-bias; without it every method is compared with METHOD.")
]
Compared = Annotated[
    str, Option("--metrics", help="Such as ndcg@10,auc: of users; by default the usual ones.")
]
Open = Annotated[bool, Option("--open", help="Show the page in the browser.")]
Searched = Annotated[
    str,
    Argument(
        metavar="METHOD",
        help="Methods, comma-separated; each gets the same budget.",
        autocompletion=METHODS,
    ),
]
Tried = Annotated[
    str, Option("-d", "--datasets", help="The dataset: a name or a file.", autocompletion=DATASETS)
]
Trials = Annotated[
    int | None, Option(help="Trials of each method; 50 where --seconds is not given.")
]
Seconds = Annotated[float | None, Option(help="Seconds for the trials of each method.")]
Seed = Annotated[int, Option(help="Seed of the split, of training and of the search.")]
Preset = Annotated[str, Option(help="A protocol; change its fields by --set protocol.x=y.")]
Metric = Annotated[
    str,
    Option(
        help="What to optimise, on valid users: log-loss, auc, ndcg@5 or another per-user metric."
    ),
]
CellName = Annotated[
    str,
    Argument(
        metavar="CELL",
        help='A cell: the beginning of its fingerprint, or words of its title, "ridge 0".',
    ),
]
User = Annotated[int, Option(help="An evaluated user's number, as in scores.parquet.")]
Item = Annotated[int, Option(help="An item's number, in the query or not.")]
Shots = Annotated[int | None, Option(help="K; by default the largest.")]
Target = Annotated[Path, Argument(metavar="DIR", help="The folder to write; not there yet.")]
Model = Annotated[Path, Argument(metavar="DIR", help="A folder that `coldbench export` wrote.")]
OfDataset = Annotated[str, Option("--dataset", help="Of this dataset's cells alone.")]
OfProtocol = Annotated[str, Option("--protocol", help="Of this protocol's cells alone.")]
Onnx = Annotated[bool, Option("--onnx", help="With model.onnx, where the score is a plain graph.")]
Rated = Annotated[
    Path,
    Argument(metavar="RATINGS", help="A CSV of item (an id or a title), rating[, time][, user]."),
]
Served = Annotated[
    Path, Argument(metavar="DIR", help="A folder that `coldbench export` or `refit` wrote.")
]
Host = Annotated[str, Option(help="The address to listen on; 0.0.0.0: every machine may ask.")]
Port = Annotated[int, Option(help="0: any that is free.")]
Batch = Annotated[int, Option(help="Requests computed together at most; 1: one at a time.")]
Top = Annotated[int, Option("--top", help="How many items to recommend.")]
Why = Annotated[bool, Option("--explain", help="Say what each rating adds, where it is exact.")]
ServedFolder = Annotated[Path, Argument(metavar="DIR", help="A served folder; see --start.")]
NewRatings = Annotated[
    str | None, Argument(metavar="FILE", help="New ratings: a file of your own, such as new.csv.")
]
Since = Annotated[
    str | None, Option(help="Only ratings from then on: ISO 8601, or seconds since 1970.")
]
Margin = Annotated[float, Option(help="By how much NDCG@5 may be worse and the new one serves.")]
Start = Annotated[
    Path | None,
    Option(metavar="MODEL", help="Make the folder, of a model that `coldbench export` wrote."),
]
Rollback = Annotated[bool, Option("--rollback", help="Serve the version before this one again.")]
History = Annotated[bool, Option("--history", help="Show every decision.")]
