"""A public log of JSON lines: its columns under the names that frames have here."""

from pathlib import Path

import polars as pl

from coldbench.files import json_lines
from coldbench.files.long_log import LongLog
from coldbench.files.schema import Column


def read_log(path: Path, **columns: Column) -> pl.DataFrame | LongLog:
    """A row a line; `user=Column("user_id", "id")`: the file says user_id. Raises BadFile."""
    names = {column.name: ours for ours, column in columns.items()}
    return json_lines.scan(tuple(columns.values()), path).pipe(lambda log: log.rename(names))
