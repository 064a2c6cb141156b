"""What the verbs of the command line are told: each argument and option, with its help."""

from pathlib import Path
from typing import Annotated

import typer

from coldbench import __version__


def _version(asked: bool) -> None:
    if asked:
        print(f"coldbench {__version__}")
        raise typer.Exit


Argument, Option = typer.Argument, typer.Option
Room = Annotated[str, Argument(help="methods, datasets, protocols, metrics, encoders or reports")]
OneOf = Annotated[str | None, Argument(metavar="NAME", help="All that is said of this one.")]
Version = Annotated[
    bool, Option("--version", help="Which coldbench this is.", callback=_version, is_eager=True)
]
Json = Annotated[bool, Option("--json", help="One JSON document and nothing else.")]
Include = Annotated[
    list[Path] | None, Option("--include", help="A file with a method of your own; repeatable.")
]
GridFile = Annotated[str | None, Argument(help="A TOML file, or the name of a ready one: quick")]
Datasets = Annotated[
    list[str] | None,
    Option("-d", help="Without a grid: datasets; by commas, repeatable. A file is one."),
]
With = Annotated[
    list[str] | None, Option("--with", help="key=value: a parameter of the dataset; repeatable.")
]
Named = Annotated[str, Argument(metavar="NAME-or-FILE")]
Files = Annotated[list[str], Argument(metavar="FILE...")]
Figure = Annotated[Path | None, Option("--figure", help="Draw it too: FILE.png, .svg or .pdf.")]
Methods = Annotated[
    list[str] | None, Option("-m", help="Without a grid: methods; by commas, repeatable.")
]
Name = Annotated[str | None, Option(help="Of the run: its folder below runs/.")]
Change = Annotated[
    list[str] | None, Option("--set", help="key=value laid over the grid; repeatable.")
]
Limit = Annotated[int | None, Option(help="So many judged users only; stamps LIMITED.")]
Device = Annotated[str, Option(help="auto, cpu, cuda, cuda:1")]
Jobs = Annotated[int, Option("-j", help="Cells side by side; 0: one a core.")]
Timeout = Annotated[
    float | None, Option(help="Seconds that a cell may take; else the grid's, or 900.")
]
DryRun = Annotated[bool, Option("--dry-run", help="Show the grid and its cells; run nothing.")]
DryJson = Annotated[bool, Option("--json", help="With --dry-run: one JSON document.")]
NoTiming = Annotated[bool, Option("--no-timing", help="Leave out what methods cost: quicker.")]
Retry = Annotated[bool, Option("--retry-failed", help="Run failed cells again.")]
Track = Annotated[str, Option(help="Tell them too, by commas: tensorboard, wandb (offline).")]
Offline = Annotated[bool, Option("--offline", help="Ask no address: what is here must do.")]
Checked = Annotated[list[str] | None, Argument(metavar="NAME-or-FILE...")]
All = Annotated[bool, Option("--all", help="Every method there is.")]
Anchors = Annotated[list[str] | None, Argument(metavar="NAME-or-FILE...")]
Workers = Annotated[int, Option("-j", help="Splits side by side; 0: one a core.")]
Output = Annotated[Path | None, Option(help="Write the table here too, as Markdown.")]
Run = Annotated[Path, Argument(metavar="RUN", help="A run's folder, or its name: quick")]
Several = Annotated[list[Path], Argument(metavar="RUN...", help="Folders or names of runs.")]
Folder = Annotated[Path | None, Option("--output", help="Write there; else RUN/report.")]
Formats = Annotated[str, Option("--format", help="By commas: html,md,tex,csv,png; all of them.")]
Metrics = Annotated[str, Option(help="By commas: ndcg@10,auc; `list metrics`. The usual ones.")]
Open = Annotated[bool, Option("--open", help="Show the page in the browser.")]
Searched = Annotated[str, Argument(metavar="METHOD", help="By commas: equal budgets each.")]
Tried = Annotated[str, Option("-d", help="The dataset: a name or a file.")]
Trials = Annotated[int | None, Option(help="Of each method; 50 where --seconds is not given.")]
Seconds = Annotated[float | None, Option(help="Of each method's own trials.")]
Seed = Annotated[int, Option(help="Of the split, of training and of what is tried.")]
Preset = Annotated[str, Option(help="A protocol's name; its fields by --set protocol.x=y.")]
Metric = Annotated[str, Option(help="Per user, on valid users: log-loss, auc, ndcg@5, ...")]
CellName = Annotated[str, Argument(metavar="CELL", help='Of its fingerprint, or "ridge 0".')]
User = Annotated[int, Option(help="A judged user's number, as in scores.parquet.")]
Item = Annotated[int, Option(help="An item's number, asked for in the query or not.")]
Shots = Annotated[int | None, Option(help="K; the largest where not given.")]
