"""What `coldbench tune` does and shows, from its options to its exit code."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coldbench import RUNS
from coldbench.errors import DONE, SOME_FAILED, printable

from .. import run_names
from ..dataset_names import Source
from ..grid import Grid
from ..plan import resolve
from ..tuning.report import Found, drawn, found, write
from ..tuning.search import Budget, Progress, studies
from ..tuning.search import tune as search
from .command import document, one_document
from .grid_options import dataset_options, names
from .verbosity import Verbosity


@dataclass(frozen=True)
class Request:
    """What `tune` was asked for beside what it searches."""

    include: Sequence[Path] = ()
    say: Verbosity = Verbosity.USUAL


def grid_of(
    method: str,
    dataset: str,
    protocol: str,
    seed: int,
    with_: list[str] | None,
    name: str | None,
    changes: list[str] | None,
) -> tuple[Grid, Path]:
    """The grid of what is searched, and the folder of its trials."""
    methods = names([method])
    settings = {
        "datasets": [dataset], "methods": methods, "protocol": protocol, "seeds": [seed],
    }  # fmt: skip
    dataset_options(settings, with_)
    grid = Grid.of(settings, changes)
    default = f"tune-{Source.of(dataset).display_name}-{'+'.join(methods)}"
    return grid, RUNS / (run_names.made([default]) if name is None else run_names.checked(name))


def tune(
    grid: Grid,
    device: str,
    metric: str,
    folder: Path,
    budget: Budget,
    request: Request,
    *,
    as_json: bool,
) -> int:
    """Search each method and write what was found; returns the exit code."""
    with one_document(as_json):
        searched = studies(grid, resolve(grid, device), metric)
        if request.say is not Verbosity.QUIET:
            methods = ", ".join(study.spec.name for study in searched)
            print(f"{folder}: {methods}, {budget} each, by {metric} on valid users")
        tell = Progress(budget, failures=request.say is Verbosity.QUIET)
        request.say.listen()
        trials = search(searched, metric, folder, budget, tell)
        results = found(searched, trials, budget)
        written = _write(grid, results, metric, folder, request)
    if as_json:
        methods_json = [result.as_dict() for result in results]
        document({"grid": written and str(written), "methods": methods_json})
    return DONE if all(result.best for result in results) else SOME_FAILED


def _write(
    grid: Grid, results: list[Found], metric: str, folder: Path, request: Request
) -> Path | None:
    """Draw the search and write the tuned grid; None where no trial was done."""
    quiet = request.say is Verbosity.QUIET
    for path in drawn(results, folder):
        if not quiet:
            print(path)
    for result in results:
        if not (quiet and result.best):
            print(printable(f"{result.study.spec.name}: {result.words()}; ended by {result.ended}"))
    if not any(result.best for result in results):
        reason = printable(results[0].trials[-1].reason)
        print(f"coldbench: no trial was done: {reason}", file=sys.stderr)
        return None
    written = write(grid, results, metric, folder)
    if not quiet:
        options = "".join(f" --include {path}" for path in request.include)
        print(f"next: coldbench run {written}{options}")
    return written
