"""What a run found: every metric with its interval, every gain with its test, every cost.

Read from the cells alone, so that a new metric reruns nothing. The unit is a block: one judged user
under one seed. Intervals resample users, each with all their blocks; differences pair blocks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import torch

from coldbench import RUNS
from coldbench.cell import Cell, read_runs
from coldbench.results.controls import CHANGES
from coldbench.results.setting import Section, headline
from coldbench.results.trials import curve, read_trials

DEFAULT_METRICS = tuple(
    "ndcg@10 ndcg@5 ndcg-binary@5 auc auc-pooled accuracy f1 precision recall mrr hit@5 recall@5 "
    "mae rmse log-loss ece".split()
)
TEXT, WHOLE, REAL = pl.String, pl.Int64, pl.Float64
KEYS: dict[str, Any] = {"dataset": TEXT, "protocol": TEXT}


def _schema(text: str = "", whole: str = "", real: str = "", **more: Any) -> dict[str, Any]:
    kinds = ((text, TEXT), (whole, WHOLE), (real, REAL))
    return KEYS | {name: kind for names, kind in kinds for name in names.split()} | more


SCHEMAS: dict[str, dict[str, Any]] = {
    "table": {  # in the order of results.csv
        **KEYS, "method": TEXT, "shots": WHOLE, "metric": TEXT, "value": REAL, "low": REAL,
        "high": REAL, "users": WHOLE, "seeds": WHOLE, "status": TEXT,
    },
    "gains": _schema(
        "method metric against", "shots users seeds",
        "mean low high p p_holm helped harmed detectable",
    ),
    "moved": _schema("method verdict", "shots", "moved"),
    "costs": _schema(
        "method family",
        "shots peak_memory_bytes trained_parameters done failed unavailable missing damaged",
        "adapt_ms_p50 adapt_ms_p95 score_ms_p50 idle_ms_p50 adapt_users_per_second "
        "score_items_per_second state_bytes_per_user meta_train_seconds",
        by_batch=pl.List(pl.Struct({"users": pl.Int64, "users_per_second": pl.Float64})),
    ),
    "reports": _schema("method report", "shots"),
    "pairs": _schema(
        "method other metric", "shots users", "mean low high p p_holm helped harmed detectable"
    ),
    "profiles": _schema("method", "", "threshold share low high"),
    "middle": _schema("method", "", "iqm iqm_low iqm_high"),
    "reliability": _schema("method", "shots bin predictions", "score label"),
    "pooled": _schema("method", "", "pooled within between share level"),
    "buckets": _schema(
        "method kind bucket", "shots meetings", "value low high gain gain_low gain_high"
    ),
    "exposure": _schema("method", "", "popularity coverage gini"),
    "controls": _schema(
        "method metric", "shots",
        " ".join(f"{x} {x}_low {x}_high {x}_p" for x in CHANGES),
    ),
    "leaks": _schema("says who", "checked broken tied"),
    "steps": _schema("method", "step", "support_loss query_loss value"),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Results:
    """Frames of one run. Rows follow the order of its grid."""

    name: str
    cells: list[Cell]
    metrics: tuple[str, ...]
    users: pl.DataFrame  # dataset, protocol, method, seed, user, shots, one column a metric
    # the others have the columns of SCHEMAS; unless said, they are at the largest K
    table: pl.DataFrame  # results.csv, every K; the method "chance" holds exact expectations
    gains: pl.DataFrame  # every K: method minus `against`, in the metric's own unit
    moved: pl.DataFrame  # every K: mean |score - score at K = 0| in 0..1, and a verdict in words
    costs: pl.DataFrame  # from the one timed cell of a method
    reports: pl.DataFrame  # scikit-learn's classification report
    pairs: pl.DataFrame  # method minus other, by the headline metric
    profiles: pl.DataFrame  # share of users above each threshold of the headline metric
    middle: pl.DataFrame  # the headline metric's interquartile mean
    reliability: pl.DataFrame  # mean label of the scores in a bin, before and after adapting
    pooled: pl.DataFrame  # the pooled AUC and its parts
    buckets: pl.DataFrame  # level and gain over K = 0 of groups of items and users
    exposure: pl.DataFrame  # how popular, and how unequally, what is recommended is
    controls: pl.DataFrame  # gain over K = 0 by own labels, by another user's, by own shuffled
    leaks: pl.DataFrame  # facts that must hold: on how many things checked, broken by whom
    steps: pl.DataFrame  # after each step of an inner loop

    @cached_property
    def limit(self) -> int | None:
        """How many judged users the run was limited to: such numbers are a trial."""
        return next((c.spec.limit for c in self.cells if c.spec.limit is not None), None)

    @cached_property
    def sections(self) -> list[tuple[str, str]]:
        """The (dataset, protocol) pairs of the run."""
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
    run: Path | list[Path], metrics: tuple[str, ...] = DEFAULT_METRICS, resamples: int = 2000
) -> Results:
    """Measure a run, or several together (see read_runs). A metric that does not exist, or no
    per-user metric, is a UserError."""
    runs = run if isinstance(run, list) else [run]
    cells = read_runs(runs)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
    users: list[pl.DataFrame] = []
    groups: dict[tuple[str, str], dict[str, list[Cell]]] = {}
    for cell in cells:
        key = cell.spec.dataset, cell.spec.protocol
        groups.setdefault(key, {}).setdefault(cell.name, []).append(cell)
    with _one_thread():
        for (dataset, protocol), methods in groups.items():
            section = Section(metrics, resamples, methods)
            key_columns: dict[str, Any] = {"dataset": dataset, "protocol": protocol}
            for name in found:
                rows: list[dict[str, Any]] = getattr(section, name)()
                found[name] += [key_columns | row for row in rows]
            keyed = [pl.lit(text).alias(column) for column, text in key_columns.items()]
            users += [frame.select(*keyed, pl.all()) for frame in section.users()]
    text: dict[str, Any] = {name: pl.String for name in ("dataset", "protocol", "method")}
    return Results(
        " + ".join(one.resolve().name for one in runs),
        cells,
        metrics,
        pl.concat(users) if users else pl.DataFrame(schema=text),
        **{name: pl.DataFrame(rows, SCHEMAS[name]) for name, rows in found.items()},
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Arrays here are small: threads cost more than they save, and change the order of sums."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
