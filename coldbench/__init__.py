"""A benchmark of cold-start recommendation: quality and cost of methods for new users.

The folders `datasets`, `methods`, `benchmarks` and `reports` are beside this one in a checkout, and
inside it in an installed copy. Datasets, methods and reports are found by name: coldbench.registry.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coldbench.recommend.recommender import Recommender as Recommender
    from coldbench.results.results import Results

__version__ = "0.1.0"

RUNS = Path("runs")  # a run is a folder below it, where the command is given
_house = Path(__file__).resolve().parent.parent
if (_house / "pyproject.toml").is_file():
    __path__.append(str(_house))


def load(*runs: str | Path) -> "Results":
    """A run, or several side by side, as frames (polars; `.to_pandas()` with coldbench[notebook]).

    runs: folders, or names below runs/: `coldbench.load("quick").table`. See Results for all frames
    and coldbench.plot for figures. A folder that is no run is a UserError.
    """
    from coldbench.results.results import find_run, read

    return read([find_run(run) for run in runs])


def __getattr__(name: str) -> Any:
    if name == "plot":  # draws with matplotlib, which nothing else here needs
        return import_module("coldbench.plot")
    if name == "benchmark":  # the engine, which reading results does without
        return import_module("coldbench.benchmarks.commands.benchmark").benchmark
    if name == "Recommender":
        return import_module("coldbench.recommend.recommender").Recommender
    raise AttributeError(f"module 'coldbench' has no attribute {name!r}")
