"""The command line. Prints; the library returns. Heavy packages are imported by the verbs alone."""

import errno
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from coldbench import RUNS
from coldbench.errors import UserError, unknown

from . import _options as o

if TYPE_CHECKING:
    from coldbench.cell import Spec

app = typer.Typer(
    help="Which method serves a new user best from a few ratings, at what cost, is the gain real?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The console script: a UserError is one line and code 2."""
    try:
        app()
    except (UserError, PermissionError) as error:
        print(f"coldbench: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EROFS):
            raise
        print(f"coldbench: {error}; make room or choose another folder", file=sys.stderr)
        sys.exit(2)


@app.command("list")
def list_(room: o.Room, as_json: o.Json = False, include: o.Include = None) -> None:
    """What there is, by name."""
    from . import listing

    _take(include)
    rows = listing.rows(room)
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        listing.show(room, rows)


@app.command()
def fetch(names: list[str], offline: o.Offline = False, as_json: o.Json = False) -> None:
    """Find datasets on this machine or download them; shows licence and source before."""
    from .fetch import fetch as fetched

    if not fetched(names, offline=offline, as_json=as_json):
        sys.exit(2)


@app.command()
def describe(
    name: o.Named, with_: o.With = None, as_json: o.Json = False, figure: o.Figure = None
) -> None:
    """What a dataset or your own file holds: `describe ml-100k`, `describe ratings.csv`."""
    from . import describe as about
    from .source import dataset, label, options

    found = dataset(name, options(with_))
    told = about.describe(label(name), found)
    print(json.dumps(told, indent=1)) if as_json else about.show(told)
    if figure:
        about.draw(label(name), found, figure)
        print(figure, file=sys.stderr)


@app.command()
def validate(files: o.Files, with_: o.With = None) -> None:
    """Every problem of your own files, a line each; ends with 2 where there is one."""
    from coldbench.reader import MOST

    from .source import dataset, options
    from .validate import lines_of, problems_of, summary

    bad = 0
    for name in files:
        found = dataset(name, options(with_))
        wrong = problems_of(found)
        for line in lines_of(wrong):
            print(line)
        more = " or more" if len(wrong) >= MOST else ""
        print(f"{name}: {len(wrong):,} problems{more}" if wrong else summary(name, found))
        bad += bool(wrong)
    if bad:
        sys.exit(2)


@app.command()
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
    timeout: o.Timeout = 3600.0,
    dry_run: o.DryRun = False,
    retry_failed: o.Retry = False,
    no_timing: o.NoTiming = False,
    track: o.Track = "",
    include: o.Include = None,
) -> None:
    """Run a grid's missing cells: `run quick`, or `run -d ml-100k -m maml,ridge`."""
    from .grid import Grid
    from .plan import device_of, resolve
    from .progress import Progress
    from .run import How
    from .run import run as run_cells
    from .source import left_alone
    from .track import Tracking

    _take(include)
    stated, stem = _stated(grid, dataset, method)
    _lay_options(stated, with_)
    if limit is not None:
        stated["limit"] = limit
    if jobs < 0 or timeout <= 0:
        raise UserError("-j must be 0 or more, and --timeout more than 0 seconds")
    made = Grid.of(stated, change)
    one_a_core = 1 if device_of(device).type == "cuda" else min(os.cpu_count() or 1, 8)
    files = tuple(map(str, include or []))
    how = How(device, jobs or one_a_core, timeout, retry_failed, files, not no_timing)
    folder = RUNS / (name or stem)
    specs = resolve(made, device)
    for line in left_alone(made.datasets, made.dataset_params):
        print(line, file=sys.stderr)
    missing = [spec for spec in specs if not (folder / "cells" / spec.fingerprint).exists()]
    if dry_run:
        print(made.toml(), end="")
        for spec in specs:
            state = "to run" if spec in missing else "there"
            print(f"# {spec.fingerprint} {spec.title}: {state}")
        return
    waiting = len(specs) if retry_failed else len(missing)
    print(f"{folder}: {len(specs)} cells, {len(missing)} to run, {how.jobs} side by side")
    try:
        with Progress(specs, waiting, how.jobs) as shown, Tracking(folder, track) as tracked:

            def tell(event: str, spec: "Spec", seconds: float) -> None:
                shown(event, spec, seconds)
                tracked(event, spec, seconds)

            cells = run_cells(made, specs, folder, how, tell)
    except KeyboardInterrupt:
        print("coldbench: stopped; the same command goes on where it stopped", file=sys.stderr)
        raise typer.Exit(130) from None
    bad = [cell for cell in cells if cell.status != "done"]
    for cell in bad:
        print(f"{cell.status}: {cell.spec.title}: {cell.stage}: {cell.reason}")
    print(f"{len(cells) - len(bad)} of {len(cells)} cells done; next: coldbench report {folder}")


@app.command()
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
) -> None:
    """Search parameters on valid users: `tune maml,ridge -d ml-100k --trials 50`."""
    from . import _tuned as tuned
    from .grid import Grid
    from .plan import resolve
    from .source import label
    from .tune import Budget, Progress, studies
    from .tune import tune as search

    _take(include)
    budget = Budget.of(trials, seconds)
    methods = [word.strip() for word in method.split(",") if word.strip()]
    stated: dict[str, Any] = {
        "datasets": [dataset], "methods": methods, "protocol": protocol, "seeds": [seed],
    }  # fmt: skip
    _lay_options(stated, with_)
    grid = Grid.of(stated, change)
    searched = studies(grid, resolve(grid, device), metric)
    folder = RUNS / (name or f"tune-{label(dataset)}-{'+'.join(methods)}".replace(":", "-")[:60])
    print(f"{folder}: {', '.join(methods)}, {budget} each, by {metric} on valid users")
    try:
        told = search(searched, metric, folder, budget, Progress(budget))
    except KeyboardInterrupt:
        print("coldbench: stopped; the same command goes on where it stopped", file=sys.stderr)
        raise typer.Exit(130) from None
    results = tuned.found(searched, told, budget)
    for path in tuned.drawn(results, folder):
        print(path)
    for one in results:
        print(f"{one.study.spec.name}: {one.words()}; ended by {one.ended}")
    if not any(one.best for one in results):
        raise UserError(f"no trial was done: {results[0].trials[-1].reason}")
    more = "".join(f" --include {path}" for path in include or [])
    print(f"next: coldbench run {tuned.write(grid, results, metric, folder)}{more}")


@app.command()
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
    from . import explain as why

    _take(include)
    told = why.explain(why.find_cell(_run(folder), cell), user, item, shots)
    print(json.dumps(told, indent=1)) if as_json else why.show(told)
    if not told["agrees"]:
        sys.exit(1)


@app.command()
def report(
    folders: o.Several, formats: o.Formats = "", output: o.Folder = None, open_: o.Open = False
) -> None:
    """Tables, figures and the page of a run, or of several side by side, into RUN/report/."""
    from coldbench import registry
    from coldbench.results import read

    known = {entry.facts["format"]: entry.name for entry in registry.entries("reports")}
    chosen = [f.strip() for f in formats.split(",") if f.strip()] or list(known)
    for each in chosen:
        if each not in known:
            raise unknown("format", each, known, "coldbench list reports")
    runs = [_run(folder) for folder in folders]
    joined = runs[0].with_name("+".join(one.resolve().name for one in runs))
    into = output or (runs[0] if len(runs) == 1 else joined) / "report"
    results = read(runs)
    for each in chosen:
        for path in registry.find("reports", known[each])().write(results, into):
            if path.parent == into:
                print(path)
    if open_:
        import webbrowser

        webbrowser.open((into / "index.html").resolve().as_uri())


@app.command()
def compare(folder: o.Run, one: str, other: str) -> None:
    """Two methods of a run, paired by user: difference, interval, p, who is better off."""
    from .compare import compare as compared

    print(compared(_run(folder), one, other))


@app.command()
def check(
    methods: o.Checked = None,
    all_: o.All = False,
    jobs: o.Workers = 0,
    output: o.Output = None,
    as_json: o.Json = False,
) -> None:
    """Hold methods to what every method promises; ends with 1 where one breaks a promise."""
    from coldbench import registry
    from coldbench.testing import as_rows, to_table

    from .conform import conform, progress

    if not methods and not all_:
        raise UserError("name methods or files to check, or say --all")
    if jobs < 0:
        raise UserError("-j must be 0 or more")
    files = [Path(one) for one in methods or [] if one.endswith(".py")]
    own = {str(path): registry.include(path) for path in files}
    chosen = registry.names("methods") if all_ else [own.get(n, n) for n in methods or []]
    for name in chosen:
        registry.find("methods", name)  # a misspelt one is said before any is checked
    try:
        with progress(len(chosen)) as tell:
            outcomes = conform(chosen, files, jobs or os.cpu_count() or 1, tell)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    table = to_table(outcomes)
    print(json.dumps(as_rows(outcomes), indent=1) if as_json else table, end="")
    if output:
        output.write_text(table, encoding="utf-8")
    if not all(outcome.ok for found in outcomes.values() for outcome in found):
        sys.exit(1)


@app.command()
def anchors(names: o.Anchors = None, jobs: o.Workers = 0) -> None:
    """Published numbers beside chance and ours, by their own protocols; all: takes a while."""
    from .anchors._anchor import named
    from .anchors.replay import replay
    from .anchors.show import Line, plain

    if jobs < 0:
        raise UserError("-j must be 0 or more")
    chosen, folder = named(names or []), RUNS / "anchors"
    try:
        with Line() as tell:
            rows, failed = replay(chosen, folder, jobs or os.cpu_count() or 1, tell)
    except KeyboardInterrupt:
        print("coldbench: stopped; the same command goes on where it stopped", file=sys.stderr)
        raise typer.Exit(130) from None
    print(f"{plain(rows)}\n\n{folder / 'anchors.md'}")
    for line in failed:
        print(line, file=sys.stderr)
    if failed:
        sys.exit(1)


@app.command()
def doctor() -> None:
    """Versions, device, threads, cache, disk, what is installed."""
    from .doctor import show

    show()


@app.command(hidden=True)
def cell(spec: Path) -> None:
    """Run one cell from its JSON, as a cluster's worker does."""
    from .work import Job, work

    words: dict[str, Any] = json.loads(spec.read_text(encoding="utf-8"))
    job = Job.of(words)
    work(job, Path(words["cells"]))


def _lay_options(stated: dict[str, Any], with_: list[str] | None) -> None:
    """`--with` goes to the one dataset there is."""
    from .source import options

    if not with_:
        return
    names = stated.get("datasets", [])
    if len(names) != 1:
        raise UserError("--with is for one dataset; state several in a grid, as dataset_params")
    own = stated.setdefault("dataset_params", {}).setdefault(names[0], {})
    own.update(options(with_))


def _take(include: list[Path] | None) -> None:
    from coldbench import registry

    for path in include or []:
        registry.include(path)


def _run(folder: Path) -> Path:
    from coldbench.results import find_run

    return find_run(folder)


def _stated(
    grid: str | None, dataset: str | None, method: str | None
) -> tuple[dict[str, Any], str]:
    """What the grid file or the options state, and the run's name."""
    from .grid import Grid
    from .source import label, several

    stated: dict[str, Any] = {}
    if grid is not None:
        ready = Path(__file__).parent / f"{grid}.toml"
        path = ready if ready.is_file() else Path(grid)
        stated, stem = Grid.read(path), path.stem
        if path.resolve().parent.parent == RUNS.resolve():  # a run's own: it goes on there
            stem = path.resolve().parent.name
    elif dataset and method:
        stem = "+".join([*map(label, several(dataset)), method])
        stem = stem.replace(",", "+").replace(">", "-to-").replace(":", "-")[:60]
    else:
        raise UserError("name a grid (`coldbench run quick`), or datasets by -d and methods by -m")
    if method:
        stated.pop("without", None)
    if dataset:
        stated["datasets"] = several(dataset)
    if method:
        stated["methods"] = [word.strip() for word in method.split(",") if word.strip()]
    return stated, stem
