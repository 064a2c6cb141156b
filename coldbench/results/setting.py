"""A setting: one dataset under one protocol, with the scores of all its methods.

What the analyses share is held here, read once; an analysis is a module with SCHEMA and rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol

import numpy as np
import polars as pl

from coldbench.cell import Cell
from coldbench.errors import UserError
from coldbench.meanwhile import begun
from coldbench.metrics.compute import parse_metric
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.schema import Row, Schema
from coldbench.results.user_scores import MethodScores, read_user_scores

HEADLINE = "ndcg@5"  # the metric that verdicts are about


class Analysis(Protocol):
    """What a module of this folder is that makes a frame of a setting: found by its FRAME."""

    FRAME: str  # what the frame is called
    SCHEMA: Schema  # its columns, behind dataset and protocol

    def rows(self, setting: "Setting") -> list[Row]: ...


@dataclass(frozen=True, eq=False)
class SplitFacts:
    """What the splits of a setting say, by seed: benchmarks/splits.py."""

    users: pl.DataFrame  # seed, user, activity, entropy, and groups of people
    items: pl.DataFrame  # seed, item, seen


def headline(metrics: Sequence[str]) -> str:
    """The metric that verdicts are about."""
    users = [name for name in metrics if parse_metric(name)[0].per_user]
    if not users:
        raise UserError("a report needs a metric per user, such as ndcg@5")
    return HEADLINE if HEADLINE in users else users[0]


class Setting:
    """All methods of one dataset and protocol, evaluated."""

    def __init__(
        self, metrics: Sequence[str], resamples: int, methods: dict[str, list[Cell]]
    ) -> None:
        self.metrics, self.bootstrap, self.cells = metrics, Bootstrap(resamples), methods
        self.per_user = [name for name in metrics if parse_metric(name)[0].per_user]
        self.headline = headline(metrics)
        self.column = self.per_user.index(self.headline)  # its place in the values of a user
        self.scores: MethodScores = {}  # method -> K -> its users
        first: dict[int, Cell] = {}  # of every seed, to know all the evaluated users by
        for method, cells in methods.items():
            done = [cell for cell in cells if cell.status == "done"]
            for cell in done:
                first.setdefault(cell.spec.seed, cell)
            if done:
                self.scores[method] = read_user_scores(done, self.per_user)
        self.everyone = (
            read_user_scores(list(first.values()), ()) if first else {}
        )  # K -> all users
        self._made: dict[Analysis, Callable[[], list[Row]]] = {}

    def begin(self, analysis: Analysis) -> None:
        """Have its rows made meanwhile: see coldbench/meanwhile.py."""
        self._made[analysis] = begun(lambda: analysis.rows(self))

    def rows(self, analysis: Analysis) -> list[Row]:
        """Those of an analysis, made once: analyses may build on each other."""
        return self._made.setdefault(analysis, cache(lambda: analysis.rows(self)))()

    @cached_property
    def split_facts(self) -> SplitFacts | None:
        """What the splits say of users and items."""
        return _split_facts([cell for cells in self.cells.values() for cell in cells])

    def users(self) -> pl.DataFrame:
        """method, seed, user, shots, and a column a metric: a row an evaluated user and K."""
        kept = [
            (method, shots, scores)
            for method, by_shots in self.scores.items()
            for shots, scores in by_shots.items()
        ]
        rows = np.repeat(np.arange(len(kept)), [len(scores) for _, _, scores in kept])
        values = np.concatenate([scores.values for _, _, scores in kept])
        return pl.DataFrame(
            {
                "method": pl.Series([method for method, _, _ in kept]).gather(rows),
                "seed": np.concatenate([scores.seeds for _, _, scores in kept]),
                "user": np.concatenate([scores.users for _, _, scores in kept]),
                "shots": np.array([shots for _, shots, _ in kept], np.int32)[rows],
            }
            | dict(zip(self.per_user, values.T, strict=True))
        ).with_columns(pl.col(pl.Float64).fill_nan(None))


def _split_facts(cells: list[Cell]) -> SplitFacts | None:
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
    return SplitFacts(users, items)
