"""Your own CSV or TSV: `-d ratings.csv`, with columns by their usual names or named.

A first line with names, values in double quotes where they need them (RFC 4180), UTF-8.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from coldbench.errors import BadFile, Problem, UserError, unknown
from coldbench.files.delimited import Table, header_of, problems, read, scan
from coldbench.files.long_log import LongLog
from coldbench.files.schema import Column

from ._claims import bad_header
from ._own import Own
from ._remedies import flag

ENCODINGS = ("utf-8", "latin-1")


@dataclass(frozen=True)
class Csv(Own):
    separator: str = ""  # of both files; "": a tab in .tsv, else a comma
    encoding: str = "utf-8"  # of both files, or "latin-1"

    suffixes = (".csv", ".tsv")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.separator) > 1 or self.separator in ('"', "\n", "\r"):
            raise UserError(f"separator must be one character, like ; not {self.separator!r}")
        if self.encoding not in ENCODINGS:
            raise unknown("encoding", self.encoding, ENCODINGS, " or ".join(ENCODINGS))

    def columns_of(self, path: Path) -> list[str]:
        separator = self.separator_of(path)
        try:
            names = header_of(path, separator, encoding=self.encoding)
        except BadFile as error:  # a tab is no part of a name
            names = [error.problems[0].value]
            if "\t" not in names[0] or "\n" in names[0]:
                raise
        others = [mark for mark in "\t;|," if mark in names[0]]
        if len(names) > 1 or not others:
            return names
        fix = flag("separator", others[0])
        fix = fix if str(path) == self.path else "write it with the separator of the log"
        raise bad_header(str(path), names, f"names set apart by {separator!r}", fix)

    def read(self, path: Path, columns: tuple[Column, ...]) -> pl.DataFrame:
        return read(self._table(path, columns), path)

    def scan(self, path: Path, columns: tuple[Column, ...]) -> pl.DataFrame | LongLog:
        return scan(self._table(path, columns), path)

    def problems(self, path: Path, columns: tuple[Column, ...]) -> list[Problem]:
        return problems(self._table(path, columns), path)

    def _table(self, path: Path, columns: tuple[Column, ...]) -> Table:
        columns = tuple(replace(column, many=column.kind == "id") for column in columns)
        return Table(columns, self.separator_of(path), quoted=True, encoding=self.encoding)

    def separator_of(self, path: Path) -> str:
        tabs = path.name.lower().removesuffix(".gz").endswith(".tsv")
        return self.separator or ("\t" if tabs else ",")
