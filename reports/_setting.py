"""One dataset under one protocol: its share of the results, and its rows by family."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import polars as pl

from coldbench.cell import Cell
from coldbench.metrics.compute import parse_metric
from coldbench.results.paired import BASELINE
from coldbench.results.resolution import COARSE, smallest
from coldbench.results.results import Results
from coldbench.results.rounding import plain

from ._values import Row, Value, metric_name, span

BASELINES = ("chance", "random", "constant", "popularity", "user-mean", "user-median", BASELINE)
FIRST = "reference rows"
TOO_SMALL = "too small to judge"  # of a setting whose users cannot show a difference of COARSE


@dataclass(frozen=True)
class SettingResults:
    """One dataset under one protocol: its share of the results."""

    results: Results
    dataset: str
    protocol: str

    def of(self, frame: pl.DataFrame, **where: object) -> pl.DataFrame:
        keys = {"dataset": self.dataset, "protocol": self.protocol}
        return frame.filter(**keys, **where)

    @property
    def title(self) -> str:
        return f"{self.dataset}, {self.protocol}"

    @cached_property
    def shots(self) -> list[int]:
        return sorted(self.of(self.results.table)["shots"].drop_nulls().unique().to_list())

    @property
    def max_shots(self) -> int:
        """The largest K; 0 where no cell is done."""
        return max(self.shots, default=0)

    @cached_property
    def methods(self) -> list[tuple[str, list[str]]]:
        """(family, methods), reference rows first, else as the grid has them."""
        costs = self.of(self.results.costs)
        groups: dict[str, list[str]] = {FIRST: ["chance"]}
        for method, family in costs.select("method", "family").iter_rows():
            groups.setdefault(FIRST if method in BASELINES else family or "not run", []).append(
                method
            )
        groups[FIRST].sort(key=BASELINES.index)
        return list(groups.items())

    @cached_property
    def few(self) -> dict[str, str]:
        """Methods with fewer seeds than others, and so other users: "1 of 5 seeds"."""
        rows = self.of(self.results.table, metric=self.results.headline)
        seeds = dict(rows.filter(pl.col("method") != "chance").select("method", "seeds").rows())
        most = max(seeds.values(), default=0)
        return {m: f"{n} of {most} seeds" for m, n in seeds.items() if n < most}

    def tested(self, metric: str, shots: int) -> pl.DataFrame:
        """The family of Holm's correction: a metric's differences at one K that are no zeros."""
        rows = self.of(self.results.gains, metric=metric, shots=shots).drop_nulls("p")
        return rows.filter((pl.col("helped") > 0) | (pl.col("harmed") > 0))

    @cached_property
    def levels(self) -> pl.DataFrame:
        """The headline metric of every row at every K, fit to stand side by side.

        A row with fewer seeds has other users, so its own level is not beside the others'. It is
        `placed`: at item-bias's level plus its paired difference to it.
        """
        metric, keys = self.results.headline, ["method", "shots"]
        table = self.of(self.results.table, metric=metric).drop_nulls("value")
        base = table.filter(method=BASELINE).select("shots", base="value")
        gap = self.of(self.results.gains, metric=metric, against=BASELINE)
        table = table.join(base, "shots", "left", maintain_order="left")
        table = table.join(gap.select(*keys, gap="mean"), keys, "left", maintain_order="left")
        other = pl.col("seeds") < pl.col("seeds").max()
        step = pl.when(other).then(pl.col("base") + pl.col("gap") - pl.col("value"))
        table = table.with_columns(step=step)
        moved = [pl.col(c) + pl.col("step").fill_null(0) for c in ("value", "low", "high")]
        return table.with_columns(*moved, placed=pl.col("step").is_not_null()).drop(
            "base", "gap", "step"
        )

    @property
    def ranked(self) -> pl.DataFrame:
        """The levels of the methods at the largest K, best first."""
        return self.ranked_at(self.max_shots)

    def ranked_at(self, shots: int) -> pl.DataFrame:
        """The levels of the methods at a K, best first."""
        levels = self.levels.filter(pl.col("method") != "chance", shots=shots)
        better = parse_metric(self.results.headline)[0].higher_is_better
        return levels.sort("value", descending=better, maintain_order=True)

    def ranks(self, shots: int, among: Collection[str] | None = None) -> dict[str, int]:
        """Each method's place at a K, 1 for the best; equal levels share the better place. among:
        these methods alone."""
        better = parse_metric(self.results.headline)[0].higher_is_better
        levels = self.ranked_at(shots)
        levels = levels if among is None else levels.filter(pl.col("method").is_in(list(among)))
        places = levels["value"].rank("min", descending=better)
        return dict(zip(levels["method"], map(int, places), strict=True))

    @cached_property
    def detectable(self) -> float | None:
        """The smallest difference in the headline metric that this many users could show."""
        return smallest(self.of(self.results.gains), self.results.headline)

    @property
    def is_too_small(self) -> bool:
        return self.detectable is not None and self.detectable > COARSE

    @cached_property
    def note(self) -> str:
        """What every caption says: protocol, users, seeds, interval, resolution."""
        levels = self.of(self.results.table, metric=self.results.headline)
        if levels.is_empty():
            return f"{self.protocol}; no cell is done."
        users, seeds = (int(levels[name].max()) for name in ("users", "seeds"))  # type: ignore[arg-type]
        cold = self.of(self.results.users).get_column("user").n_unique()
        resolution = ""
        if self.detectable is not None:
            resolution = (
                f" Smallest difference to {BASELINE} this run could detect (80 % power at 5 %, "
                f"median method): {plain(self.detectable)} {metric_name(self.results.headline)}"
                f"{f', above {plain(COARSE)}: {TOO_SMALL}' if self.is_too_small else ''}."
            )
        intervals = (
            "no interval, since one user says nothing of others" if cold < 2
            else f"95 % intervals over users{' and seeds' if seeds > 1 else ''}"
        )  # fmt: skip
        whose = f" ({cold:,} distinct over {seeds} seeds)" if seeds > 1 else " of one seed"
        return (
            f"Protocol {self.protocol}{self._ranked}; {users:,} "
            f"{'evaluated user' if users == 1 else 'evaluated users'}{whose}; {intervals}."
            f"{self._fewer}{resolution}{self.stamp}"
        )

    def cells(self) -> list[Cell]:
        setting = (self.dataset, self.protocol)
        return [c for c in self.results.cells if (c.spec.dataset, c.spec.protocol) == setting]

    @property
    def _ranked(self) -> str:
        """What a query was ranked among, where it is not its own items."""
        asked = {c.spec.protocol_fields.get("candidates") for c in self.cells()}
        words = {
            "all": ", ranked among all items but the support",
            "popular": ", ranked among unseen items drawn by their popularity: a sample, in which "
            "methods may stand in another order than in the catalogue",
        }
        return "".join(words[letter] for letter in words if letter in asked)

    @property
    def _fewer(self) -> str:
        """Which rows have fewer seeds, and so other users."""
        if not self.few:
            return ""
        names = ", ".join(f"{method} ({seeds})" for method, seeds in self.few.items())
        return (
            f" With fewer seeds, so on fewer users: {names}; read their paired differences, which "
            f"are on the users that both rows have, not their levels. Figures place them at "
            f"{BASELINE}'s level plus that difference."
        )

    @property
    def stamp(self) -> str:
        limit = self.results.limit
        return "" if limit is None else f" LIMITED to {limit} users a seed: a trial, not a result."


def telling(every: list[SettingResults]) -> list[SettingResults]:
    """Those whose users can tell methods apart: mean ranks are over them; all, where none can."""
    return [setting for setting in every if not setting.is_too_small] or every


@lru_cache(maxsize=1)
def settings(results: Results) -> list[SettingResults]:
    """One a dataset and protocol; what they have found out is kept for all formats."""
    return [SettingResults(results, dataset, protocol) for dataset, protocol in results.settings]


def level(
    setting: SettingResults, row: dict[str, Any], value: str = "value", prefix: str = ""
) -> Value:
    """.779 [.766, .793]; of fewer seeds than others have no number to be sorted by."""
    if row[value] is None:
        return Value("")
    few = setting.few.get(row["method"], "")
    interval = "" if row["method"] == "chance" else span(row, f"{prefix}low", f"{prefix}high")
    return Value(plain(row[value]), None if few else row[value], interval, few=few)


def groups(
    setting: SettingResults, rows: dict[str, tuple[Value, ...]]
) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """The rows by family; a method without numbers says why, and is never dropped."""
    why: dict[str, str] = {}
    for cell in setting.cells():
        stage = f" in {cell.stage}" if cell.stage else ""
        reason = f": {cell.reason}" if cell.reason else ""
        if cell.status != "done":
            why.setdefault(cell.name, f"{cell.status}{stage}{reason}")
    families = []
    for family, methods in setting.methods:
        lines = [
            Row(m, rows[m]) if m in rows else Row(m, (), why.get(m, ""))
            for m in methods
            if m in rows or m in why
        ]
        families.append((family, tuple(lines)))
    return tuple(group for group in families if group[1])
