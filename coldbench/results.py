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

from coldbench.cell import Cell, read_run
from coldbench.section import Section, headline

DEFAULT_METRICS = tuple(
    "ndcg@10 ndcg@5 ndcg-binary@5 auc auc-pooled accuracy f1 precision recall mrr hit@5 recall@5 "
    "mae rmse log-loss ece".split()
)
TABLE: dict[str, Any] = {
    "dataset": pl.String, "protocol": pl.String, "method": pl.String, "shots": pl.Int64,
    "metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64,
    "users": pl.Int64, "seeds": pl.Int64, "status": pl.String,
}  # fmt: skip
GAINS: dict[str, Any] = {
    "dataset": pl.String, "protocol": pl.String, "method": pl.String, "shots": pl.Int64,
    "metric": pl.String, "against": pl.String, "mean": pl.Float64, "low": pl.Float64,
    "high": pl.Float64, "p": pl.Float64, "p_holm": pl.Float64, "helped": pl.Float64,
    "harmed": pl.Float64, "detectable": pl.Float64, "users": pl.Int64, "seeds": pl.Int64,
}  # fmt: skip
MOVED: dict[str, Any] = {
    "dataset": pl.String, "protocol": pl.String, "method": pl.String, "shots": pl.Int64,
    "moved": pl.Float64, "verdict": pl.String,
}  # fmt: skip
COSTS: dict[str, Any] = {
    "dataset": pl.String, "protocol": pl.String, "method": pl.String, "family": pl.String,
    "shots": pl.Int64, "adapt_ms_p50": pl.Float64, "adapt_ms_p95": pl.Float64,
    "adapt_users_per_second": pl.Float64, "score_items_per_second": pl.Float64,
    "state_bytes_per_user": pl.Float64, "peak_memory_bytes": pl.Int64,
    "trained_parameters": pl.Int64, "meta_train_seconds": pl.Float64, "done": pl.Int64,
    "failed": pl.Int64, "unavailable": pl.Int64, "missing": pl.Int64,
    "by_batch": pl.List(pl.Struct({"users": pl.Int64, "users_per_second": pl.Float64})),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Results:
    """Frames of one run. Rows follow the order of its grid."""

    name: str
    cells: list[Cell]
    metrics: tuple[str, ...]
    users: pl.DataFrame  # dataset, protocol, method, seed, user, shots, one column a metric
    table: pl.DataFrame  # TABLE: results.csv; the method "chance" holds exact expectations
    gains: pl.DataFrame  # GAINS: method minus `against`, in the metric's own unit
    moved: pl.DataFrame  # MOVED: mean |score - score at K = 0| in 0..1, and a verdict in words
    costs: pl.DataFrame  # COSTS: from the one timed cell of a method
    reports: pl.DataFrame  # dataset, protocol, method, shots, report: scikit-learn's, at max K

    @cached_property
    def limit(self) -> int | None:
        """How many judged users the run was limited to: such numbers are a trial."""
        return next((c.spec.limit for c in self.cells if c.spec.limit is not None), None)

    @cached_property
    def sections(self) -> list[tuple[str, str]]:
        """The (dataset, protocol) pairs of the run."""
        return list(dict.fromkeys((c.spec.dataset, c.spec.protocol) for c in self.cells))

    @property
    def headline(self) -> str:
        """The metric that verdicts are about."""
        return headline(self.metrics)


def read(run: Path, metrics: tuple[str, ...] = DEFAULT_METRICS, resamples: int = 2000) -> Results:
    """Measure a run. A metric that does not exist, or no per-user metric, is a UserError."""
    cells = read_run(run)
    found: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("table", "gains", "moved", "costs", "reports")
    }
    users: list[pl.DataFrame] = []
    groups: dict[tuple[str, str], dict[str, list[Cell]]] = {}
    for cell in cells:
        key = cell.spec.dataset, cell.spec.protocol
        groups.setdefault(key, {}).setdefault(cell.spec.method, []).append(cell)
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
        run.resolve().name,
        cells,
        metrics,
        pl.concat(users) if users else pl.DataFrame(schema=text),
        pl.DataFrame(found["table"], TABLE),
        pl.DataFrame(found["gains"], GAINS),
        pl.DataFrame(found["moved"], MOVED),
        pl.DataFrame(found["costs"], COSTS),
        pl.DataFrame(found["reports"], text | {"shots": pl.Int64, "report": pl.String}),
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
