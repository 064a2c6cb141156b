"""The verbs and their options. Each imports what it does from commands/: --help loads little."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import typer

from coldbench.errors import SOME_FAILED, UserError

from .commands import inspecting, serving, sharing, working
from .commands import options as o
from .commands.command import Command, document, run_app
from .commands.verbosity import Verbosity

CODES = "Ends with 0: all done; 1: some failed; 2: wrong use or bad input; 130: stopped by Ctrl-C."
app = typer.Typer(
    help="Which method serves a new user best from a few ratings, at what cost, is the gain real?",
    epilog=CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(inspecting.app)
app.add_typer(serving.app)
app.add_typer(sharing.app)
app.add_typer(working.app)


def main() -> None:
    """The console script."""
    if sys.argv[1:2] in (["--show-completion"], ["--install-completion"]) and sys.argv[2:]:
        # a shell is named: without this typer takes the one it runs in, whatever is named
        os.environ["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    run_app(app)


@app.callback()
def _options(version: o.Version = False) -> None:
    pass


@app.command(cls=Command)
def run(
    grid: o.GridFile = None,
    dataset: o.Datasets = None,
    method: o.Methods = None,
    with_: o.With = None,
    name: o.Name = None,
    output: o.RunFolder = None,
    change: o.Change = None,
    shots: o.ShotsList = None,
    seeds: o.Seeds = None,
    limit: o.Limit = None,
    device: o.Device = "auto",
    jobs: o.Jobs = 0,
    timeout: o.Timeout = None,
    dry_run: o.DryRun = False,
    retry_failed: o.Retry = False,
    no_timing: o.NoTiming = False,
    keep_models: o.KeepModels = False,
    track: o.Track = "",
    executor: o.Executor = "local",
    part: o.Part = "",
    prepare: o.Prepare = False,
    include: o.Include = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    as_json: o.Json = False,
) -> None:
    """Run a grid's missing cells: `run quick`, or `run -d ml-100k -m maml,ridge --seeds 3`."""
    from . import processes

    # its server imports while this process does; a grid of ours has many rows that train
    processes.context(only_plan=dry_run, many_train=grid is not None)
    from .commands.grid_options import grid_of, placed, usual
    from .commands.run import Request, run_as_asked, run_options, show_grid

    changes = [*usual(shots, seeds), *(change or [])]
    what, folder = grid_of(grid, dataset, method, with_, name, changes, limit)
    folder = folder if output is None else placed(output, name)
    options = run_options(
        what, device, jobs, timeout, include or (), retry_failed=retry_failed, timing=not no_timing
    )
    options = replace(options, keep_models=keep_models)
    if dry_run:
        show_grid(what, folder, options, as_json=as_json)
    else:
        request = Request(
            track, executor, part, prepare, Verbosity.of(quiet=quiet, verbose=verbose)
        )
        sys.exit(run_as_asked(what, folder, options, request, as_json=as_json))


@app.command(cls=Command)
def tune(
    method: o.Searched,
    dataset: o.Tried,
    trials: o.Trials = None,
    seconds: o.Seconds = None,
    seed: o.Seed = 0,
    protocol: o.Preset = "user-cold",
    metric: o.Metric = "log-loss",
    name: o.Name = None,
    change: o.Change = None,
    with_: o.With = None,
    output: o.RunFolder = None,
    device: o.Device = "auto",
    include: o.Include = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    as_json: o.Json = False,
) -> None:
    """Search parameters on valid users: `tune maml,ridge -d ml-100k --trials 50`."""
    from .commands import tune as command
    from .commands.grid_options import placed
    from .tuning.search import Budget

    budget = Budget.of(trials, seconds)
    grid, folder = command.grid_of(method, dataset, protocol, seed, with_, name, change)
    folder = folder if output is None else placed(output, name, "tune.json")
    request = command.Request(include or [], Verbosity.of(quiet=quiet, verbose=verbose))
    sys.exit(command.tune(grid, device, metric, folder, budget, request, as_json=as_json))


@app.command(cls=Command)
def explain(
    folder: o.Run,
    cell: o.CellName,
    user: o.User,
    item: o.Item,
    shots: o.Shots = None,
    as_json: o.Json = False,
    include: o.Include = None,
) -> None:
    """Why an item scores as it does for a user: what each label adds, exactly."""
    from .commands import explain as command
    from .commands.bench import find_cell

    explanation = command.explain(find_cell(_run(folder), cell), user, item, shots)
    document(explanation) if as_json else command.show(explanation)
    if not explanation["agrees"]:
        sys.exit(SOME_FAILED)


@app.command(cls=Command)
def report(
    folders: o.Several,
    formats: o.Formats = "",
    metrics: o.Metrics = "",
    output: o.Folder = None,
    open_: o.Open = False,
    as_json: o.Json = False,
) -> None:
    """Tables, figures and the page of a run, or of several side by side, into RUN/report/."""
    from .commands.report import report as command

    runs = [_run(folder) for folder in folders]
    page = command(runs, _words(formats), _words(metrics), output, as_json=as_json)
    if open_:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())


@app.command(cls=Command)
def compare(
    folder: o.Run,
    method: str,
    other: o.Other = None,
    metrics: o.Compared = "",
    as_json: o.Json = False,
) -> None:
    """Two methods of a run, paired by user: difference, interval, p, who is better off. With one
    name: every method of the run beside that one, on every set."""
    if other is None:
        from .commands import against

        rows = against.against(_run(folder), method, _words(metrics) or [against.METRIC])
        document(rows) if as_json else print(against.words(rows))
        return
    from .commands import compare as command

    wanted = _run(folder), method, other, _words(metrics)
    document(command.comparisons(*wanted)) if as_json else print(command.compare(*wanted))


@app.command(cls=Command)
def check(
    methods: o.Checked = None,
    all_: o.All = False,
    jobs: o.Workers = 0,
    output: o.Output = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    as_json: o.Json = False,
) -> None:
    """Test methods against the contract of every method; ends with 1 where one breaks it."""
    from .commands.check import check as command

    say, asked = Verbosity.of(quiet=quiet, verbose=verbose), None if all_ else methods or []
    if not command(asked, _cores(jobs), output, say, as_json=as_json):
        sys.exit(SOME_FAILED)


@app.command("init-method", cls=Command)
def init_method(
    name: o.NewMethod, output: o.MethodFolder = Path(), as_json: o.Json = False
) -> None:
    """Write a method's file to begin with, which passes `check` as it is: `init-method mine`."""
    from .commands.init_method import init_method as command

    done = command(name, output)
    document(done) if as_json else print(done["file"], *done["next"], sep="\nnext: ")


@app.command(cls=Command)
def anchors(
    names: o.Anchors = None,
    jobs: o.Workers = 0,
    output: o.RunFolder = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
    as_json: o.Json = False,
) -> None:
    """Published numbers beside chance and ours, by their own protocols; all: takes a while."""
    from .commands.anchors import anchors as command

    say = Verbosity.of(quiet=quiet, verbose=verbose)
    if not command(names or [], _cores(jobs), output, say, as_json=as_json):
        sys.exit(SOME_FAILED)


def _run(folder: Path) -> Path:
    from coldbench.results.results import find_run

    return find_run(folder)


def _cores(jobs: int) -> int:
    if jobs < 0:
        raise UserError("-j must be 0 or more")
    return jobs or os.cpu_count() or 1


def _words(given: str) -> list[str]:
    return [word.strip() for word in given.split(",") if word.strip()]
