"""What a run found: every metric with its interval, every gain with its test, every cost.

Read from the cells alone, so that a new metric reruns nothing. The unit is an evaluated user:
a user under one seed. Intervals resample users, each under all their seeds; differences pair rows.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import torch
from threadpoolctl import threadpool_limits

from coldbench import RUNS
from coldbench.cell import Cell, read_runs
from coldbench.metrics.statistics import RESAMPLES
from coldbench.results import elicitation, interquartile, levels, rolling
from coldbench.results.schema import KEYS
from coldbench.results.setting import Analysis, Setting, headline
from coldbench.results.trials import curve, read_trials

DEFAULT_METRICS = tuple(
    "ndcg@10 ndcg@5 ndcg-binary@5 auc auc-matched auc-pooled accuracy f1 precision recall mrr "
    "hit@5 recall@5 mae rmse log-loss ece".split()
)


def _analyses() -> Iterator[tuple[str, Analysis]]:
    """Of every file of this folder that states a FRAME: its name and the module that makes it."""
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        stated = re.search(r'^FRAME = "(\w+)"$', path.read_text(encoding="utf-8"), re.M)
        if stated:
            module: Any = import_module(f"coldbench.results.{path.stem}")
            yield stated[1], module


ANALYSES = dict(_analyses())
# A third of the work, without polars: made in forks (coldbench/meanwhile.py), and asked for last.
MEANWHILE: tuple[Any, ...] = (levels, interquartile)
SCHEMAS = {name: KEYS | analysis.SCHEMA for name, analysis in ANALYSES.items()}
ACROSS = {"rolling": rolling, "elicitation": elicitation}  # of several protocols side by side
SCHEMAS |= {name: {"dataset": pl.String} | module.SCHEMA for name, module in ACROSS.items()}


@dataclass(frozen=True, eq=False)
class Results:
    """Frames of one run. Rows follow the order of its grid."""

    name: str
    cells: list[Cell]
    metrics: tuple[str, ...]
    users: pl.DataFrame  # dataset, protocol, method, seed, user, shots, one column a metric
    frames: dict[str, pl.DataFrame]  # by ANALYSES, with the columns of SCHEMAS

    def __getattr__(self, name: str) -> pl.DataFrame:
        """A frame by its name: `results.table` is what levels.py makes."""
        if name in SCHEMAS:
            return self.frames[name]
        raise AttributeError(f"no frame {name!r}; there are users, trials, {', '.join(SCHEMAS)}")

    @cached_property
    def limit(self) -> int | None:
        """How many evaluated users the run was limited to: such numbers are a trial."""
        return next((c.spec.limit for c in self.cells if c.spec.limit is not None), None)

    @cached_property
    def settings(self) -> list[tuple[str, str]]:
        """(dataset, protocol) of each setting of the run."""
        return list(dict.fromkeys((c.spec.dataset, c.spec.protocol) for c in self.cells))

    @cached_property
    def trials(self) -> pl.DataFrame:
        """Of `coldbench tune` in the runs' folders, with the columns of results/trials.py."""
        folders = dict.fromkeys(cell.folder.parents[1] for cell in self.cells)
        return pl.concat([curve([]), *(curve(read_trials(folder)) for folder in folders)])

    @property
    def headline(self) -> str:
        """The metric that verdicts are about."""
        return headline(self.metrics)


def find_run(run: str | Path) -> Path:
    """A run by its path, or by its name below runs/."""
    path = Path(run)
    return path if path.exists() or not (RUNS / path).exists() else RUNS / path


def read(
    run: Path | list[Path], metrics: tuple[str, ...] = DEFAULT_METRICS, resamples: int = RESAMPLES
) -> Results:
    """Measure a run, or several together (see read_runs). A metric that does not exist, or no
    per-user metric, is a UserError."""
    runs = run if isinstance(run, list) else [run]
    cells = read_runs(runs)
    by_frame: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
    users: list[pl.DataFrame] = []
    groups: dict[tuple[str, str], dict[str, list[Cell]]] = {}
    for cell in cells:
        key = cell.spec.dataset, cell.spec.protocol
        groups.setdefault(key, {}).setdefault(cell.name, []).append(cell)
    settings: dict[str, list[Setting]] = {}
    with _one_thread():
        for (dataset, protocol), methods in groups.items():
            setting = Setting(metrics, resamples, methods)
            settings.setdefault(dataset, []).append(setting)
            key_columns: dict[str, Any] = {"dataset": dataset, "protocol": protocol}
            for analysis in MEANWHILE:
                setting.begin(analysis)
            for name, analysis in sorted(ANALYSES.items(), key=lambda of: of[1] in MEANWHILE):
                by_frame[name] += [key_columns | row for row in setting.rows(analysis)]
            keyed = [pl.lit(text).alias(column) for column, text in key_columns.items()]
            if setting.scores:
                users.append(setting.users().select(*keyed, pl.all()))
        for dataset, of_dataset in settings.items():
            for name, module in ACROSS.items():
                by_frame[name] += [{"dataset": dataset} | row for row in module.rows(of_dataset)]
    text: dict[str, Any] = {name: pl.String for name in ("dataset", "protocol", "method")}
    return Results(
        " + ".join(folder.resolve().name for folder in runs),
        cells,
        metrics,
        pl.concat(users) if users else pl.DataFrame(schema=text),
        {name: pl.DataFrame(rows, SCHEMAS[name]) for name, rows in by_frame.items()},
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Arrays here are small: threads cost more than they save, and change the order of sums."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, "blas"):
            yield
    finally:
        torch.set_num_threads(threads)
