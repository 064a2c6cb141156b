"""Your own JSON lines: `-d ratings.jsonl`, an object a line, keys by their usual names or named.

Numbers are numbers and ids whole numbers or texts; a key of an object in the object is "author.id".
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coldbench.errors import Problem
from coldbench.files import json_lines
from coldbench.files.long_log import LongLog
from coldbench.files.schema import Column

from ._own import Own


@dataclass(frozen=True)
class JsonLines(Own):
    suffixes = (".jsonl", ".ndjson")

    def columns_of(self, path: Path) -> list[str]:
        return json_lines.names_of(path)

    def read(self, path: Path, columns: tuple[Column, ...]) -> pl.DataFrame:
        return json_lines.read(columns, path)

    def scan(self, path: Path, columns: tuple[Column, ...]) -> pl.DataFrame | LongLog:
        return json_lines.scan(columns, path)

    def problems(self, path: Path, columns: tuple[Column, ...]) -> list[Problem]:
        return json_lines.problems(columns, path)
