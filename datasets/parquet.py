"""Your own Parquet file: `-d ratings.parquet`, with columns by their usual names or named."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.errors import Problem, UserError
from coldbench.files import parquet
from coldbench.files.long_log import LongLog
from coldbench.files.schema import Column

from ._own import Own, some


@dataclass(frozen=True)
class Parquet(Own):
    suffixes = (".parquet", ".pq")

    def columns_of(self, path: Path) -> list[str]:
        return parquet.names_of(path)

    def read(self, path: Path, columns: tuple[Column, ...]) -> pl.DataFrame:
        return parquet.read(columns, path)

    def scan(self, path: Path, columns: tuple[Column, ...]) -> pl.DataFrame | LongLog:
        return parquet.scan(columns, path)

    def sample(self, name: str) -> list[str]:
        try:
            return some(parquet.column_of(name, Path(self.path)))
        except (UserError, pl.exceptions.PolarsError):  # a list, say
            return []

    def problems(self, path: Path, columns: tuple[Column, ...]) -> list[Problem]:
        return parquet.problems(columns, path)
