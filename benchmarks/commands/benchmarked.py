"""A run that has ended, as `coldbench.benchmark` returns it: its table, figures and verdicts."""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from coldbench import registry
from coldbench.cell import Cell
from coldbench.metrics.compute import parse_metric
from coldbench.results.paired import ALPHA, BASELINE
from coldbench.results.results import Results
from coldbench.results.rounding import plain

from .compare import compare

KEYS = ["dataset", "protocol", "method", "shots"]


@dataclass(frozen=True, eq=False, repr=False)
class Benchmark:
    """A run that has ended. In a notebook it shows itself as its table."""

    folder: Path  # also for the commands: coldbench report FOLDER
    cells: list[Cell]  # each with its status, "done" or not, and its reason
    results: Results  # every frame, as coldbench.load gives them
    metrics: tuple[str, ...]  # of the table; the first is the one that gains are about

    def table(self, shots: int | None = None) -> pl.DataFrame:
        """A row a method at this K, by default the largest, best first.

        Columns: the mean of each metric over the evaluated users; of the first metric its 95 %
        interval (low, high) and the gain over item-bias, paired by user, with its p after Holm's
        correction. A method without a finished cell is a row without numbers, with its status.
        """
        levels, main = self.results.table, self.metrics[0]
        largest = pl.col("shots").max().over("dataset", "protocol")
        at = levels.filter(pl.col("shots") == (largest if shots is None else shots))
        wide = at.select(*KEYS, "status").unique(KEYS, keep="first", maintain_order=True)
        for metric in self.metrics:
            of_metric = at.filter(metric=metric).select(*KEYS, pl.col("value").alias(metric))
            wide = wide.join(of_metric, KEYS, "left", maintain_order="left")
        ends = at.filter(metric=main).select(*KEYS, "low", "high", "users")
        gains = self.results.gains.filter(metric=main, against=BASELINE)
        gains = gains.select(*KEYS, pl.col("mean").alias("gain"), "p_holm")
        for more in (ends, gains):
            wide = wide.join(more, KEYS, "left", maintain_order="left")
        undone = levels.join(wide, KEYS[:3], "anti").filter(pl.col("metric").is_null())
        wide = pl.concat([wide, undone.select(*KEYS, "status")], how="diagonal")
        best = wide.sort(main, descending=_higher(main), nulls_last=True, maintain_order=True)
        order = [pl.col("dataset").rank("dense"), pl.col("protocol").rank("dense")]
        return best.sort(*order, maintain_order=True).select(
            *KEYS, *self.metrics, "low", "high", "gain", "p_holm", "users", "status"
        )

    def plot(
        self, figure: str = "kshot", dataset: str | None = None, protocol: str | None = None
    ) -> Figure:
        """A figure of coldbench.plot: kshot, pareto, gains, ...; dataset and protocol may be left
        out where that leaves one."""
        draw = registry.find("reports", "figures")().one(figure)
        which = {"dataset": dataset, "protocol": protocol}
        return draw(self.results, **{key: value for key, value in which.items() if value})

    def compare(self, method: str, other: str) -> str:
        """Two methods paired by user: difference, interval, p, a verdict in words."""
        return compare(self.folder, method, other)

    def __repr__(self) -> str:
        with pl.Config(tbl_cols=-1, tbl_rows=-1, tbl_width_chars=1000, float_precision=3) as config:
            config.set_tbl_hide_column_data_types(True)
            return f"{self._caption()}\n{self._shown()}"

    def _shown(self) -> pl.DataFrame:
        """The table without what is one and the same in all its rows."""
        single = len(self.results.settings) == 1
        return self.table().drop("dataset", "protocol", "shots") if single else self.table()

    def _repr_html_(self) -> str:
        frame = self._shown().drop("low", "high", "p_holm", "users", "gain")
        head = [*frame.columns[:-1], f"minus {BASELINE}", "status"]
        rows = "".join(
            f"<tr>{''.join(f'<td>{cell}</td>' for cell in self._row(row, frame.columns))}</tr>"
            for row in self.table().iter_rows(named=True)
        )
        names = "".join(f"<th>{escape(name)}</th>" for name in head)
        caption = f'<caption style="text-align: left">{escape(self._caption())}</caption>'
        return f"<table>{caption}<thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table>"

    def _row(self, row: dict[str, Any], columns: list[str]) -> list[str]:
        main = self.metrics[0]
        shown = {key: escape(_digits(row[key])) for key in columns}
        if row["low"] is not None:
            shown[main] += f" [{_digits(row['low'])}, {_digits(row['high'])}]"
        gain = "" if row["gain"] is None else f"{row['gain']:+.3f}"
        if row["p_holm"] is not None and row["p_holm"] < ALPHA:
            gain = f"<b>{gain}</b>"
        return [*(shown[key] for key in columns[:-1]), gain, shown["status"]]

    def _caption(self) -> str:
        table, limit = self.table().drop_nulls("shots"), self.results.limit
        where = table.select(KEYS[0], KEYS[1], "shots").unique(maintain_order=True).rows()
        stamp = "" if limit is None else f" LIMITED to {limit} users a seed: a trial, no result."
        settings = "; ".join(f"{dataset}, {protocol}, K = {k}" for dataset, protocol, k in where)
        return (
            f"{settings}. Interval and gain over {BASELINE} of {self.metrics[0]}, 95 %, p after "
            f"Holm's correction.{stamp} All of it: coldbench report {self.folder}"
        )


def _digits(value: Any) -> str:
    return "" if value is None else plain(value, 3) if isinstance(value, float) else str(value)


def _higher(metric: str) -> bool:
    return parse_metric(metric)[0].higher_is_better
