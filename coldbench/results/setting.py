"""The numbers of one dataset under one protocol: levels, paired gains, movement, costs.

Everything a report of the section needs is computed here, as rows ready for a frame.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from coldbench import registry
from coldbench.cell import Cell
from coldbench.errors import UserError
from coldbench.metrics import statistics
from coldbench.metrics.compute import chance, classification, known
from coldbench.results.calibration import pooled_auc, reliability
from coldbench.results.controls import control, facts
from coldbench.results.exposure import exposure
from coldbench.results.inner_loop import steps
from coldbench.results.paired import OWN, Row, gains, number, verdict
from coldbench.results.pairwise import pairs
from coldbench.results.profiles import middle, profile
from coldbench.results.subgroups import Known, buckets
from coldbench.results.user_scores import Blocks, Draws, Float, read_blocks

HEADLINE = "ndcg@5"  # the metric that verdicts are about


def headline(metrics: Sequence[str]) -> str:
    """The metric that verdicts are about."""
    users = [name for name in metrics if known(name)[0].per_user]
    if not users:
        raise UserError("a report needs a metric per user, such as ndcg@5")
    return HEADLINE if HEADLINE in users else users[0]


class Section:
    """All methods of one dataset and protocol, judged."""

    def __init__(
        self, metrics: Sequence[str], resamples: int, methods: dict[str, list[Cell]]
    ) -> None:
        self.metrics, self.draws, self.cells = metrics, Draws(resamples), methods
        self.per_user = [name for name in metrics if known(name)[0].per_user]
        self.headline = headline(metrics)
        self.blocks: dict[str, dict[int, Blocks]] = {}
        first: dict[int, Cell] = {}  # of every seed, to know all the judged users by
        for method, cells in methods.items():
            done = [cell for cell in cells if cell.status == "done"]
            for cell in done:
                first.setdefault(cell.spec.seed, cell)
            if done:
                self.blocks[method] = read_blocks(done, self.per_user)
        self.everyone = read_blocks(list(first.values()), ()) if first else {}
        self._gains = gains(self.blocks, self.per_user, self.draws)
        self._controls = control(self.blocks, methods, self.headline, self.draws)
        self._known = _known([cell for cells in methods.values() for cell in cells])

    def users(self) -> Iterator[pl.DataFrame]:
        for method, by_shots in self.blocks.items():
            for shots, blocks in by_shots.items():
                columns = {
                    name: pl.Series(values).fill_nan(None)
                    for name, values in zip(self.per_user, blocks.values.T, strict=True)
                }
                yield pl.DataFrame(
                    {"seed": blocks.seeds, "user": blocks.users, **columns}
                ).select(
                    pl.lit(method).alias("method"), "seed", "user", pl.lit(shots).alias("shots"),
                    *columns,
                )  # fmt: skip

    def table(self) -> list[Row]:
        """Levels of every method at every K; then, without numbers, what is not done."""
        rows = []
        for shots, blocks in self.everyone.items():
            for name in self.metrics:
                value = {"value": number(chance(name, blocks.judged))}
                if value["value"] is not None:
                    rows.append(_row("chance", shots, name, blocks, value))
        for method, cells in self.cells.items():
            rows += self._levels(method)
            for status, many in Counter(cell.status for cell in cells).items():
                if status != "done":
                    rows.append({"method": method, "seeds": many, "status": status})
        return rows

    def _levels(self, method: str) -> Iterator[Row]:
        by_shots = self.blocks.get(method, {})
        alike: dict[bytes, list[int]] = {}  # K that the same users met: resampled in one go
        for shots, blocks in by_shots.items():
            alike.setdefault(blocks.key, []).append(shots)
        for many in alike.values():
            values = np.concatenate([by_shots[shots].values for shots in many], 1)
            first = by_shots[many[0]]
            found = statistics.interval(values, self.draws.of(first), seeds=first.seeds)
            ends = np.stack(found).reshape(3, len(many), len(self.per_user))
            for place, shots in enumerate(many):
                yield from self._level(method, shots, by_shots[shots], ends[:, place])

    def _level(self, method: str, shots: int, blocks: Blocks, per_user: Float) -> Iterator[Row]:
        limited = self.cells[method][0].spec.limit is not None
        pooled = self.draws.pooled([m for m in self.metrics if m not in self.per_user], blocks)
        for name in self.metrics:
            if name in self.per_user:
                at = self.per_user.index(name)
                mean, low, high = per_user[:, at]
                users = int((~np.isnan(blocks.values[:, at])).sum())
            else:
                mean, low, high = pooled[name]
                users = len(blocks)
            more = {"value": number(mean), "low": number(low), "high": number(high)}
            status = "limited" if limited else "done"
            yield _row(method, shots, name, blocks, more | {"users": users, "status": status})

    def gains(self) -> list[Row]:
        return self._gains

    def moved(self) -> list[Row]:
        """How far scores moved from K = 0, and what came of it by the headline metric."""
        own = {
            (row["method"], row["shots"]): row
            for row in self._gains
            if row["against"] == OWN and row["metric"] == self.headline
        }
        rows = []
        for method, by_shots in self.blocks.items():
            for shots, blocks in by_shots.items():
                if shots == 0 or 0 not in by_shots:
                    continue
                now, before = blocks.beside(by_shots[0])
                change = (now.judged.scores - before.judged.scores).abs()[now.judged.mask]
                moved = number(change.mean())
                adapts = self.cells[method][0].facts.get("adapts", True)
                words = verdict(moved if adapts and moved else 0.0, own.get((method, shots)))
                if self.cells[method][0].spec.method == "random":
                    words = "moves by lot"  # its scores change with K, and not because it learns
                rows.append({"method": method, "shots": shots, "moved": moved, "verdict": words})
        return rows

    def costs(self) -> list[Row]:
        rows = []
        for method, cells in self.cells.items():
            timings = [cell.timing() for cell in cells if cell.status == "done"]
            timed = next((t for t in timings if "adapt_ms_p50" in t), (timings or [{}])[0])
            facts: dict[str, Any] = next((cell.facts for cell in cells if cell.facts), {})
            counts = Counter(cell.status for cell in cells)
            family = facts.get("family") or _family(cells[0].spec.method)
            row: Row = {"method": method, "family": family}
            for key in ("shots adapt_ms_p50 adapt_ms_p95 score_ms_p50 idle_ms_p50 "
                        "adapt_users_per_second score_items_per_second state_bytes_per_user "
                        "peak_memory_bytes meta_train_seconds").split():  # fmt: skip
                row[key] = timed.get(key)
            row["by_batch"] = timed.get("adapt_by_batch", [])
            row["trained_parameters"] = facts.get("trained_parameters")
            for status in ("done", "failed", "unavailable", "missing", "damaged"):
                row[status] = counts[status]
            rows.append(row)
        return rows

    def pairs(self) -> list[Row]:
        return pairs(self.blocks, self.headline, self._column, self.draws)

    def profiles(self) -> list[Row]:
        return profile(self.blocks, self._column, self.draws)

    def middle(self) -> list[Row]:
        return middle(self.blocks, self._column, self.draws)

    def reliability(self) -> list[Row]:
        return reliability(self.blocks)

    def pooled(self) -> list[Row]:
        return pooled_auc(self.blocks)

    def buckets(self) -> list[Row]:
        known_here = self._known
        return buckets(self.blocks, self._column, self.draws, known_here) if known_here else []

    def exposure(self) -> list[Row]:
        return exposure(self.blocks, self.cells, self._known) if self._known else []

    def controls(self) -> list[Row]:
        return self._controls

    def leaks(self) -> list[Row]:
        return facts(self.blocks, self.cells, self._controls)

    def steps(self) -> list[Row]:
        return steps(self.cells, self.headline)

    @property
    def _column(self) -> int:
        return self.per_user.index(self.headline)

    def reports(self) -> list[Row]:
        return [
            {"method": method, "shots": max(by), "report": classification(by[max(by)].judged)}
            for method, by in self.blocks.items()
        ]


def _known(cells: list[Cell]) -> Known | None:
    """What the splits say of users and items, by seed; None where one is missing or torn."""
    folders = {cell.spec.seed: cell.split for cell in cells if cell.status == "done"}
    if not folders:
        return None
    try:
        users, items = (
            pl.concat(
                [
                    pl.read_parquet(folder / f"{name}.parquet").select(
                        pl.lit(seed, pl.Int64).alias("seed"), pl.all()
                    )
                    for seed, folder in folders.items()
                ]
            )
            for name in ("users", "items")
        )
    except (OSError, pl.exceptions.PolarsError):
        return None
    return Known(users, items)


def _row(method: str, shots: int, metric: str, blocks: Blocks, more: Row) -> Row:
    seeds = len(np.unique(blocks.seeds))
    row = {"method": method, "shots": shots, "metric": metric, "status": "done"}
    return row | {"users": len(blocks), "seeds": seeds} | more


def _family(method: str) -> str:
    """Of a method no cell of which got so far as to say it."""
    known_here = method in registry.names("methods")
    return str(registry.entry("methods", method).facts.get("family", "")) if known_here else ""
