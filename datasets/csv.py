"""Your own CSV or TSV: `-d ratings.csv`, with columns by their usual names or named.

A first line with names, values in double quotes where they need them (RFC 4180), UTF-8.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.column import Column
from coldbench.errors import Problem
from coldbench.reader import Table, header_of, problems, read

from ._own import Own


@dataclass(frozen=True)
class Csv(Own):
    separator: str = ""  # "": a tab where the name ends in .tsv, else a comma
    encoding: str = "utf-8"  # or "latin-1"

    suffixes = (".csv", ".tsv")

    def columns_of(self, path: Path) -> list[str]:
        return header_of(path, self._separator(path), encoding=self.encoding)

    def read(self, path: Path, columns: tuple[Column, ...]) -> pl.DataFrame:
        return read(self._table(path, columns), path)

    def problems(self, path: Path, columns: tuple[Column, ...]) -> list[Problem]:
        return problems(self._table(path, columns), path)

    def _table(self, path: Path, columns: tuple[Column, ...]) -> Table:
        return Table(columns, self._separator(path), quoted=True, encoding=self.encoding)

    def _separator(self, path: Path) -> str:
        tabs = ".tsv" in path.suffixes
        return self.separator or ("\t" if tabs else ",")
