"""The command line. Prints; the library returns. Heavy packages are imported by the verbs alone."""

import errno
import os
import sys
from pathlib import Path
from typing import Any

import typer

from coldbench import RUNS
from coldbench.errors import SOME_FAILED, WRONG_USE, UserError, printable, unknown

from . import run_names
from .commands import options as o
from .commands.command import Command, document, one_document

CODES = "Ends with 0: all done; 1: some failed; 2: wrong use or bad input; 130: stopped by Ctrl-C."
FILE_ERRORS = (
    *(errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
)  # of the place that a user named; all others are ours

app = typer.Typer(
    help="Which method serves a new user best from a few ratings, at what cost, is the gain real?",
    epilog=CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The console script: a UserError is one line and code 2."""
    for stream in (sys.stdout, sys.stderr):  # what a terminal cannot show is escaped, not an end
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except UserError as error:
        _end(str(error))
    except OSError as error:
        if error.errno not in FILE_ERRORS:
            raise
        _end(f"{error}; make room or choose another place")


def _end(told: str) -> None:
    print(f"coldbench: {printable(' '.join(told.splitlines()))}", file=sys.stderr)
    sys.exit(WRONG_USE)


@app.callback()
def _options(version: o.Version = False) -> None:
    pass


@app.command("list", cls=Command)
def list_(
    room: o.Room, name: o.OneOf = None, as_json: o.Json = False, include: o.Include = None
) -> None:
    """What there is, by name, a line each: `list methods`; all of one: `list methods maml`."""
    from .commands import listing
    from .commands.grid_options import take

    take(include)
    rows = listing.rows(room, name)
    if as_json:
        document(rows)
    elif name is None:
        listing.show(room, rows)
    else:
        listing.show_one(rows[0])


@app.command(cls=Command)
def fetch(names: list[str], offline: o.Offline = False, as_json: o.Json = False) -> None:
    """Find datasets on this machine or download them; shows licence and source before."""
    from .commands.fetch import fetch as fetched

    if not fetched(names, offline=offline, as_json=as_json):
        sys.exit(WRONG_USE)


@app.command(cls=Command)
def describe(
    name: o.Named, with_: o.With = None, as_json: o.Json = False, figure: o.Figure = None
) -> None:
    """What a dataset or your own file holds: `describe ml-100k`, `describe ratings.csv`."""
    from .commands import describe as about
    from .dataset_names import dataset, label, options

    found = dataset(name, options(with_))
    told = about.describe(label(name), found)
    document(told) if as_json else about.show(told)
    if figure:
        about.draw(label(name), found, figure)
        print(figure, file=sys.stderr)


@app.command(cls=Command)
def validate(files: o.Files, with_: o.With = None, as_json: o.Json = False) -> None:
    """Every problem of your own files, a line each; ends with 2 where there is one."""
    from dataclasses import asdict

    from coldbench.errors import Problem
    from coldbench.files.delimited import MOST

    from .commands.validate import lines_of, problems_of, summary
    from .dataset_names import dataset, options

    told = []
    for name in files:
        found = dataset(name, options(with_))
        wrong = problems_of(found)
        more = " or more" if len(wrong) >= MOST else ""
        says = f"{name}: {len(wrong):,} problems{more}" if wrong else summary(name, found)
        if not as_json:
            print(printable("\n".join([*lines_of(wrong), says])))
        problems = [asdict(p) if isinstance(p, Problem) else {"says": p} for p in wrong]
        told.append({"file": name, "sound": not wrong, "says": says, "problems": problems})
    if as_json:
        document(told)
    if not all(one["sound"] for one in told):
        sys.exit(WRONG_USE)


@app.command(cls=Command)
def run(
    grid: o.GridFile = None,
    dataset: o.Datasets = None,
    method: o.Methods = None,
    with_: o.With = None,
    name: o.Name = None,
    change: o.Change = None,
    limit: o.Limit = None,
    device: o.Device = "auto",
    jobs: o.Jobs = 0,
    timeout: o.Timeout = None,
    dry_run: o.DryRun = False,
    retry_failed: o.Retry = False,
    no_timing: o.NoTiming = False,
    track: o.Track = "",
    include: o.Include = None,
    as_json: o.DryJson = False,
) -> None:
    """Run a grid's missing cells: `run quick`, or `run -d ml-100k -m maml,ridge`."""
    from . import processes

    processes.context()  # its server loads torch while this process finds out what to run
    from .commands.grid_options import lay_options, stated_by, take, words
    from .commands.run import run_grid, show_grid
    from .grid import Grid
    from .plan import device_of
    from .run import How

    take(include)
    if name is not None:
        run_names.checked(name)
    stated, stem = stated_by(grid, words(dataset), words(method))
    lay_options(stated, with_)
    if limit is not None:
        stated["limit"] = limit
    if jobs < 0 or (timeout is not None and timeout <= 0):
        raise UserError("-j must be 0 or more, and --timeout more than 0 seconds")
    if as_json and not dry_run:
        raise UserError("--json goes with --dry-run here; of what was run: coldbench report RUN")
    made = Grid.of(stated, change)
    one_a_core = 1 if device_of(device).type == "cuda" else min(os.cpu_count() or 1, 8)
    files = tuple(str(path.resolve()) for path in include or [])
    how = How(
        device, jobs or one_a_core, timeout or made.timeout, retry_failed, files, not no_timing
    )
    into = RUNS / (name or stem)
    if dry_run:
        show_grid(made, into, how, as_json=as_json)
    else:
        raise typer.Exit(run_grid(made, into, how, track))


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
    device: o.Device = "auto",
    include: o.Include = None,
    as_json: o.Json = False,
) -> None:
    """Search parameters on valid users: `tune maml,ridge -d ml-100k --trials 50`."""
    from .commands.grid_options import lay_options, take, words
    from .dataset_names import label
    from .grid import Grid
    from .plan import resolve
    from .tuning import report as tuned
    from .tuning.search import Budget, Progress, studies
    from .tuning.search import tune as search

    take(include)
    budget, methods = Budget.of(trials, seconds), words([method])
    stated: dict[str, Any] = {
        "datasets": [dataset], "methods": methods, "protocol": protocol, "seeds": [seed],
    }  # fmt: skip
    lay_options(stated, with_)
    grid = Grid.of(stated, change)
    own = f"tune-{label(dataset)}-{'+'.join(methods)}"
    folder = RUNS / (run_names.made([own]) if name is None else run_names.checked(name))
    with one_document(as_json):
        searched = studies(grid, resolve(grid, device), metric)
        print(f"{folder}: {', '.join(methods)}, {budget} each, by {metric} on valid users")
        told = search(searched, metric, folder, budget, Progress(budget))
        results = tuned.found(searched, told, budget)
        for path in tuned.drawn(results, folder):
            print(path)
        for one in results:
            print(printable(f"{one.study.spec.name}: {one.words()}; ended by {one.ended}"))
        best = [one for one in results if one.best]
        written = tuned.write(grid, results, metric, folder) if best else None
        if written:
            more = "".join(f" --include {path}" for path in include or [])
            print(f"next: coldbench run {written}{more}")
        else:
            reason = printable(results[0].trials[-1].reason)
            print(f"coldbench: no trial was done: {reason}", file=sys.stderr)
    if as_json:
        document({"grid": written and str(written), "methods": [one.as_dict() for one in results]})
    if len(best) < len(results):
        sys.exit(SOME_FAILED)


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
    from .commands import explain as why
    from .commands.grid_options import take

    take(include)
    told = why.explain(why.find_cell(_run(folder), cell), user, item, shots)
    document(told) if as_json else why.show(told)
    if not told["agrees"]:
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
    from coldbench import registry
    from coldbench.results.results import DEFAULT_METRICS, read

    known = {entry.facts["format"]: entry.name for entry in registry.entries("reports")}
    chosen = _words(formats) or list(known)
    for each in chosen:
        if each not in known:
            raise unknown("format", each, known, "coldbench list reports")
    runs = [_run(folder) for folder in folders]
    joined = run_names.made((one.resolve().name for one in runs), run_names.LONGEST)
    into = output or (runs[0] if len(runs) == 1 else runs[0].with_name(joined)) / "report"
    measured = tuple(dict.fromkeys(_words(metrics))) or DEFAULT_METRICS
    written = []
    with one_document(as_json):
        results = read(runs, measured)
        for each in chosen:
            for path in registry.find("reports", known[each])().write(results, into):
                written.append(str(path))
                if path.parent == into:
                    print(path)
    if as_json:
        document({"report": str(into), "metrics": measured, "files": written})
    if open_:
        import webbrowser

        webbrowser.open((into / "index.html").resolve().as_uri())


@app.command(cls=Command)
def compare(folder: o.Run, one: str, other: str) -> None:
    """Two methods of a run, paired by user: difference, interval, p, who is better off."""
    from .commands.compare import compare as compared

    print(compared(_run(folder), one, other))


@app.command(cls=Command)
def check(
    methods: o.Checked = None,
    all_: o.All = False,
    jobs: o.Workers = 0,
    output: o.Output = None,
    as_json: o.Json = False,
) -> None:
    """Hold methods to what every method promises; ends with 1 where one breaks a promise."""
    from coldbench import registry
    from coldbench.testing.check_method import as_rows, to_table

    from .commands.conform import conform, progress

    if not methods and not all_:
        raise UserError("name methods or files to check, or say --all")
    if jobs < 0:
        raise UserError("-j must be 0 or more")
    files = [Path(one) for one in methods or [] if one.endswith(".py")]
    own = {str(path): registry.include(path) for path in files}
    chosen = registry.names("methods") if all_ else [own.get(n, n) for n in methods or []]
    for name in chosen:
        registry.find("methods", name)  # a misspelt one is said before any is checked
    with progress(len(chosen)) as tell, one_document(as_json):
        outcomes = conform(chosen, files, jobs or os.cpu_count() or 1, tell)
    table = to_table(outcomes)
    document(as_rows(outcomes)) if as_json else print(printable(table), end="")
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(table, encoding="utf-8", errors="backslashreplace")
    if not all(outcome.ok for found in outcomes.values() for outcome in found):
        sys.exit(SOME_FAILED)


@app.command(cls=Command)
def anchors(names: o.Anchors = None, jobs: o.Workers = 0, as_json: o.Json = False) -> None:
    """Published numbers beside chance and ours, by their own protocols; all: takes a while."""
    from .anchors._anchor import named
    from .anchors.replay import replay
    from .anchors.show import Line, plain

    if jobs < 0:
        raise UserError("-j must be 0 or more")
    chosen, folder = named(names or []), RUNS / "anchors"
    with one_document(as_json), Line() as tell:
        rows, failed = replay(chosen, folder, jobs or os.cpu_count() or 1, tell)
    if as_json:
        document([row.as_json() for row in rows])
    else:
        print(printable(f"{plain(rows)}\n\n{folder / 'anchors.md'}"))
    for line in failed:
        print(printable(line), file=sys.stderr)
    if failed:
        sys.exit(SOME_FAILED)


@app.command(cls=Command)
def doctor(as_json: o.Json = False) -> None:
    """Versions, device, threads, cache, disk, what is installed."""
    from .commands.doctor import facts, show

    document(facts()) if as_json else show(facts())


def _run(folder: Path) -> Path:
    from coldbench.results.results import find_run

    return find_run(folder)


def _words(given: str) -> list[str]:
    return [word.strip() for word in given.split(",") if word.strip()]
