"""A file whose lines differ in kind, row by row: the first wrong one is an error that says where.

Files with one kind of line are tables: `coldbench.files.delimited`.
"""

from collections.abc import Iterator
from pathlib import Path

from coldbench.errors import BadFile, Problem
from coldbench.files.delimited import content_of
from coldbench.files.rows import Row, Unreadable, rows_of
from coldbench.files.schema import Column, InvalidValue

ID = Column("id", "id")


def lines_of(path: Path, separator: str, *, quoted: bool) -> Iterator[Row]:
    """Rows in order, one or more. Raises BadFile."""
    row: Row | Unreadable | None = None
    for row in rows_of(content_of(path), separator, quoted=quoted, encoding="utf-8"):
        if isinstance(row, Unreadable):
            raise BadFile([row.problem(str(path))])
        yield row
    if row is None:
        raise BadFile([Problem(str(path), 1, 1, "", "at least one line", "add the lines")])


def check_id(path: Path, row: Row, field: int) -> None:
    """Raises BadFile where a row's field is no id."""
    try:
        ID.parse(row.fields[field])
    except InvalidValue as wrong:
        raise bad_field(path, row, field, wrong.expected, wrong.fix) from None


def bad_field(path: Path, row: Row, field: int, expected: str, fix: str) -> BadFile:
    return BadFile([Problem(str(path), *row.place(field), row.fields[field], expected, fix)])
