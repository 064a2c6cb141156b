"""`coldbench.benchmark(...)`: what `coldbench run` does, from Python, with its results at hand.

The same engine and the same folder below runs/, so the same cells: what the command line has run
is not run again here, nor the other way round.
"""

import inspect
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from coldbench import RUNS, registry
from coldbench.errors import UserError
from coldbench.method import Method
from coldbench.results.results import DEFAULT_METRICS, read
from coldbench.results.setting import headline

from .. import run_names
from ..grid import Grid
from .benchmarked import Benchmark
from .grid_options import names
from .run import Request, run_grid, run_options
from .verbosity import Verbosity

SHOWN = ("ndcg@5", "auc", "log-loss")  # in a table, where no metrics were asked for
Named = str | Path | type[Method[Any]]


def benchmark(
    methods: Named | Sequence[Named],
    datasets: str | Path | Sequence[str | Path],
    shots: int | Iterable[int] | None = None,
    seeds: int | Iterable[int] = 1,
    metrics: str | Sequence[str] = (),
    *,
    name: str | None = None,
    device: str = "auto",
    jobs: int = 0,
    timing: bool = True,
    quiet: bool = False,
    **grid: Any,
) -> Benchmark:
    """Run methods on datasets, all that is not done yet, and return what was found.

    methods: names as of `coldbench list methods` ("melu:paper": with a preset), files with a method
        of your own ("taste.py"), or the class of such a file.
    datasets: names as of `coldbench list datasets`, or files of your own ("shop.csv").
    shots: K, how many ratings a new user has: [0, 4, 16]. By default the protocol's.
    seeds: how many splits (3 is 0, 1, 2), or which: [0, 7].
    metrics: columns of the table, such as ["ndcg@10", "auc"]; the first is the one that gains are
        about, and must be one per user.
    name: of the run, its folder in runs/; by default made of datasets and methods.
    device, jobs, timing: as --device, -j and --no-timing of `coldbench run`. quiet: say only what
        failed.
    grid: what else a grid may state: protocol="item-cold", encoder="vectors", limit=50,
        params={"ridge": {"strength": 1.0}}, dataset_params={"shop.csv": {"items": "items.csv"}}.

    A method that fails is a row with its reason (`cells`), no exception. Wrong use is a UserError.
    """
    measured = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    main = headline(measured or DEFAULT_METRICS)
    if measured and measured[0] != main:
        raise UserError(f"the first metric must be one per user: put {main} in front")
    named, files = _named(_several(methods))
    settings = dict(grid)
    settings["seeds"] = list(range(seeds)) if isinstance(seeds, int) else _whole("seeds", seeds)
    if shots is not None:
        asked = settings.get("protocol", "user-cold")
        table = {"preset": asked} if isinstance(asked, str) else dict(asked)
        several = [shots] if isinstance(shots, int) else _whole("shots", shots)
        settings["protocol"] = table | {"shots": several}
    where = [str(dataset) for dataset in _several(datasets)]
    what = Grid.of(settings | {"datasets": where, "methods": named})
    run_name = run_names.made([*(source.display_name for source in what.sources()), *named])
    folder = RUNS / (run_name if name is None else run_names.checked(name))
    options = run_options(what, device, jobs, None, files, retry_failed=False, timing=timing)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # tqdm's, of a bar nobody shows
        cells = run_grid(
            what, folder, options, Request(say=Verbosity.QUIET if quiet else Verbosity.USUAL)
        )
    results = read(folder, measured or DEFAULT_METRICS)
    return Benchmark(folder, cells, results, measured or SHOWN)


def _several(given: Any) -> list[Any]:
    """Each of a list; of a text each name between commas, as on the command line."""
    if isinstance(given, str):
        return names([given])
    return list(given) if isinstance(given, list | tuple) else [given]


def _whole(what: str, given: Any) -> list[int]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise UserError(f"{what} must be a whole number or a list of them, not {given!r}")
    return list(given)


def _named(methods: Sequence[Any]) -> tuple[list[str], list[Path]]:
    """Names for a grid, and the files that are to be included."""
    named, files = [], []
    for given in methods:
        is_class = isinstance(given, type) and issubclass(given, Method)
        where = _home(given) if is_class else given
        if isinstance(where, Path) or (isinstance(where, str) and where.endswith(".py")):
            files.append(Path(where))
            where = registry.include(files[-1])
        if not isinstance(where, str):
            right = "a name, a file such as 'taste.py', or a class of Method"
            raise UserError(f"methods holds {given!r}; each must be {right}")
        named.append(where)
    return named, files


def _home(method: type[Method[Any]]) -> str | Path:
    """The name or the file that a class is found by."""
    try:
        path = Path(inspect.getsourcefile(method) or "")
    except (TypeError, OSError):  # of a class that was typed in
        path = Path()
    if method.__module__ == "__main__" or not path.is_file():
        called = f"{method.__name__.lower()}.py"
        raise UserError(
            f"{method.__name__} is defined here, where the processes that run it cannot read it: "
            f"write its class and imports into {called} (in a notebook: %%writefile {called} as "
            f"the first line of its cell), and name that file, methods=[{called!r}]"
        )
    name = path.stem.replace("_", "-")
    ours = name in registry.names("methods") and registry.source("methods", name) == path
    return name if ours else path
