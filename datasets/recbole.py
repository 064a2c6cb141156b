"""Your own RecBole atomic files: `-d shop.inter`, with `shop.item` beside it where there is one.

Tabs, and a first line of typed names such as `user_id:token`, `rating:float`, `title:token_seq`;
nothing is quoted (https://recbole.io/docs/user_guide/data/atomic_files.html). A column is named
without its type.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from coldbench.errors import BadFile, Problem
from coldbench.files.delimited import Table, header_of, problems, read, scan
from coldbench.files.long_log import LongLog
from coldbench.files.schema import Column

from ._own import Own

KINDS = ("token", "token_seq", "float", "float_seq")


@dataclass(frozen=True)
class RecBole(Own):
    suffixes = (".inter",)
    between_tags = re.compile(r"[|;,\s]")  # a token_seq is words set apart by spaces

    def __post_init__(self) -> None:
        if self.path and not self.items:
            unpacked = re.sub(r"\.gz$", "", self.path, flags=re.I)
            beside = Path(unpacked).with_suffix(".item")
            present = [str(path) for path in (beside, Path(f"{beside}.gz")) if path.is_file()]
            object.__setattr__(self, "items", present[0] if present else "")
        super().__post_init__()

    def columns_of(self, path: Path) -> list[str]:
        return list(_typed(path))

    def read(self, path: Path, columns: tuple[Column, ...]) -> pl.DataFrame:
        table, ours = _table(path, columns)
        return read(table, path).rename(ours)

    def scan(self, path: Path, columns: tuple[Column, ...]) -> pl.DataFrame | LongLog:
        columns = tuple(replace(column, many=column.kind == "id") for column in columns)
        table, ours = _table(path, columns)
        return scan(table, path).pipe(lambda log: log.rename(ours))

    def problems(self, path: Path, columns: tuple[Column, ...]) -> list[Problem]:
        return problems(Table(_with_types(path, columns), "\t"), path)


def _typed(path: Path) -> dict[str, str]:
    """The file's columns: name -> name:type."""
    header = header_of(path, "\t", quoted=False)
    for name in header:
        if name.partition(":")[2] not in KINDS:
            fix = f"write its type, one of {', '.join(KINDS)}"
            raise BadFile([Problem(str(path), 1, 1, name, "a name like user_id:token", fix)])
    typed = {name.partition(":")[0]: name for name in header}
    for name in header:
        if typed[name.partition(":")[0]] != name:
            raise BadFile([Problem(str(path), 1, 1, name, "each name once", "rename one")])
    return typed


def _table(path: Path, columns: tuple[Column, ...]) -> tuple[Table, dict[str, str]]:
    """How the file is written, and what we call its columns."""
    named = _with_types(path, columns)
    ours = {typed.name: column.name for typed, column in zip(named, columns, strict=True)}
    return Table(named, "\t"), ours


def _with_types(path: Path, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    typed = _typed(path)
    return tuple(replace(column, name=typed[column.name]) for column in columns)
