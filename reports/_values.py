"""What a table is made of: values, not how they are set."""

from dataclasses import dataclass, replace
from typing import Any

from coldbench.metrics.compute import parse_metric
from coldbench.results.paired import ALPHA
from coldbench.results.rounding import plain

NAMES = {
    "auc": "AUC per user", "auc-pooled": "AUC pooled", "auc-matched": "AUC matched",
    "accuracy": "accuracy", "f1": "F1",
    "mae": "MAE", "rmse": "RMSE", "log-loss": "log-loss", "ece": "ECE", "precision": "precision",
    "recall": "recall",
}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A cell: a number with its interval, or words."""

    text: str  # "" where there is nothing to say
    number: float | None = None  # what it is sorted by
    interval: str = ""  # "[.775, .803]"
    mark: str = ""  # "better" or "worse": significant after Holm's correction
    p: str = ""  # "p .012": after Holm's correction, beside the mark it decides on
    best: bool = False  # of its column, among the methods
    tied: bool = False  # not told apart from the best of its column
    few: str = ""  # "1 of 5 seeds": of other users than the rows with all


@dataclass(frozen=True)
class Row:
    name: str
    cells: tuple[Value, ...]
    note: str = ""  # instead of cells: why the row has none

    @property
    def few(self) -> str:
        """Said once, beside the name, whatever of its cells it is true of."""
        return next((value.few for value in self.cells if value.few), "")


@dataclass(frozen=True)
class Table:
    name: str  # for file names and anchors
    title: str
    caption: str
    how: str  # how to read it
    columns: tuple[str, ...]
    groups: tuple[tuple[str, tuple[Row, ...]], ...]
    first: str = "method"  # what a row is


def metric_name(metric: str) -> str:
    family, at, k = metric.partition("@")
    return NAMES.get(metric) or family.replace("ndcg", "NDCG").replace("mrr", "MRR") + at + k


def difference(row: dict[str, Any] | None) -> Value:
    """+.011 [.004, .018] ▲ p .012, of a row of the results' gains."""
    if row is None or row["mean"] is None:
        return Value("")
    if not (row["helped"] or row["harmed"]):
        return Value("0", 0.0)
    sign = "+" if row["mean"] > 0 else ""
    mark, p = "", row["p_holm"]
    if p is not None and p < ALPHA and row["mean"]:  # at 0, to six digits, neither has more
        rises = parse_metric(row["metric"])[0].higher_is_better
        mark = "better" if (row["mean"] > 0) == rises else "worse"
    words = "" if p is None else f"p {p_value(p)}"
    return Value(sign + plain(row["mean"]), row["mean"], span(row), mark, words)


def with_best(
    rows: dict[str, tuple[Value, ...]], rises: list[bool | None], without: tuple[str, ...]
) -> dict[str, tuple[Value, ...]]:
    """The rows with the best number of each column marked, ties all; rises: is more better, None:
    no mark in that column. `without` are rows that cannot win, such as chance."""
    best: list[float | None] = []
    for at, up in enumerate(rises):
        numbers = [
            number
            for name, row in rows.items()
            if name not in without and (number := row[at].number) is not None
        ]
        best.append(None if up is None or len(numbers) < 2 else (max if up else min)(numbers))
    return {
        name: tuple(
            replace(value, best=value.number is not None and value.number == top)
            if name not in without
            else value
            for value, top in zip(row, best, strict=True)
        )
        for name, row in rows.items()
    }


def point(x: float | None) -> Value:
    """A number that has no interval."""
    return Value("") if x is None else Value(plain(x), x)


def span(row: dict[str, Any], low: str = "low", high: str = "high") -> str:
    """[.766, .793]"""
    none = "no interval: one user"
    return none if row[low] is None else f"[{plain(row[low])}, {plain(row[high])}]"


def p_value(p: float) -> str:
    """.012, < .001"""
    return plain(p) if p >= 0.001 else "< .001"
