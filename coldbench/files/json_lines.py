"""JSON lines, held to the same rules as other text: an object a line, each key once.

A number is a number and an id a whole number or a text; nothing is turned from one into the other.
What is absent or null is no value: an error where one is needed, else an empty text. A list of
texts is one text, set apart by ", ". A column may lie deeper: "author.id". Numbers keep their
digits until they are held to their rule, so that 12.0 is no id and 5,000 digits are no hang.
"""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path

import polars as pl

from coldbench.errors import BadFile, Problem
from coldbench.files.blocks import is_long, unpacked
from coldbench.files.delimited import beginning, content_of
from coldbench.files.json_values import (
    HALF,
    OBJECT,
    keys_of,
    object_of,
    place_of,
    shown,
    value_at,
    written,
)
from coldbench.files.long_log import LongLog
from coldbench.files.parts import in_parts
from coldbench.files.rows import BOM, Row, Unreadable, is_utf_16, rows_from, rows_of
from coldbench.files.schema import CONTROL, LONGEST, Column, InvalidValue, validate
from coldbench.files.values import MAX_PROBLEMS, Part

FIRST = 1000  # lines that are looked at for the names of columns


def names_of(path: Path) -> list[str]:
    """The keys of the first 1,000 lines, in order, "author.id" of one within. Raises BadFile where
    they are no objects."""
    names: dict[str, None] = {}
    with beginning(path) as file:
        head = b"".join(islice(file, FIRST))
    for number, row in enumerate(_rows(head)):
        first_row = row if isinstance(row, Unreadable) else object_of(row)
        if isinstance(first_row, Unreadable):
            raise BadFile([first_row.problem(str(path))])
        keys = list(keys_of(first_row))
        odd = next((name for name in keys if CONTROL.search(name) or HALF.search(name)), None)
        if odd is not None:
            words = "a name without control characters and halves of letters", "rename the key"
            raise BadFile([Problem(str(path), number + 1, 1, odd, *words)])
        names |= dict.fromkeys(keys)
    if not names:
        raise BadFile([Problem(str(path), 1, 1, "", OBJECT, "add the rows")])
    return list(names)


def read(columns: tuple[Column, ...], path: Path, content: bytes | None = None) -> pl.DataFrame:
    """The columns as `coldbench.files.delimited.read` gives them. Raises BadFile."""
    content = content_of(path) if content is None else content
    frame = _at_once(columns, content)
    if frame is None:
        frame, problems = _closely(columns, str(path), content)
        if problems:
            raise BadFile(problems)
    return frame


def scan(columns: tuple[Column, ...], path: Path) -> pl.DataFrame | LongLog:
    """The same of a log, in a file where COLDBENCH_MEMORY does not let memory hold it."""
    if not is_long(path):
        return read(columns, path)
    with unpacked(path) as source:
        return LongLog.of(columns, _frames(columns, str(path), source))


def _frames(columns: tuple[Column, ...], path: str, source: Path) -> Iterator[pl.DataFrame]:
    """The table block by block. Raises BadFile."""
    with source.open("rb") as file:
        head = file.read(LONGEST)
    if is_utf_16(head):
        raise BadFile(_closely(columns, path, head)[1])

    def at_once(content: bytes) -> pl.DataFrame | None:
        frame = _at_once(columns, content)  # which takes no blank lines at the end for rows
        lines = content.count(b"\n") + (not content.endswith(b"\n"))
        return frame if frame is not None and frame.height == lines else None

    def close(content: bytes, line: int, whole: bool) -> Part:
        frame, wrong = _closely(columns, path, content, line)
        return Part(frame, tuple(wrong))

    begin, there = len(BOM) if head.startswith(BOM) else 0, False
    with closing(in_parts(source, begin, 1, at_once, close)) as parts:
        for part in parts:
            if part.problems:
                raise BadFile([*part.problems], part.unread)
            there |= part.frame.height > 0
            yield part.frame
    if not there:
        raise BadFile(_closely(columns, path, b"")[1])


def problems(columns: tuple[Column, ...], path: Path) -> list[Problem]:
    """Everything that is wrong with a file, in order: the first 1,000 places."""
    return _closely(columns, str(path), content_of(path))[1]


def _rows(content: bytes, line: int = 0) -> Iterator[Row | Unreadable]:
    """A file's rows; line: those of some lines of it, the first of which has this number."""
    split = partial(rows_from, line) if line else rows_of
    return split(content, "\n", quoted=False, encoding="utf-8")


def _at_once(columns: tuple[Column, ...], content: bytes) -> pl.DataFrame | None:
    """The table with each column checked as a whole, or None where anything calls for a closer
    look."""
    values: list[list[str | None]] = [[] for _ in columns]
    for row in _rows(content):
        parsed = row if isinstance(row, Unreadable) else object_of(row)
        if isinstance(parsed, Unreadable):
            return None
        for column, kept in zip(columns, values, strict=True):
            try:
                kept.append(written(column, value_at(parsed, column.name)))
            except InvalidValue:
                return None
    if not values or not values[0]:
        return None
    try:
        frame = pl.DataFrame(
            [
                pl.Series(column.name, kept, pl.String).cast(column.raw)
                for column, kept in zip(columns, values, strict=True)
            ]
        )
    except (pl.exceptions.PolarsError, UnicodeEncodeError):
        return None
    return validate(frame, columns)


def _closely(
    columns: tuple[Column, ...], path: str, content: bytes, line: int = 0
) -> tuple[pl.DataFrame, list[Problem]]:
    """The same table value by value, and every problem on the way."""
    problems: list[Problem] = []
    values: list[list[str | float | int | None]] = [[] for _ in columns]
    for row in _rows(content, line):
        if len(problems) >= MAX_PROBLEMS:
            break
        read_as = row if isinstance(row, Unreadable) else object_of(row)
        if isinstance(read_as, Unreadable):
            problems.append(read_as.problem(path))
            continue
        assert isinstance(row, Row)
        for column, kept in zip(columns, values, strict=True):
            value = value_at(read_as, column.name)
            try:
                text = written(column, value)
                kept.append(None if text is None else column.parse(text))
            except InvalidValue as wrong:
                place = row.line, place_of(row.raw, column.name)
                words = wrong.expected, wrong.fix, column.name
                problems.append(Problem(path, *place, shown(value), *words))
    if not problems and not line and not (values and values[0]):
        problems.append(Problem(path, 1, 1, "", "at least one row", "add the rows"))
    if problems:
        return pl.DataFrame(), sorted(problems, key=lambda p: (p.line, p.column))[:MAX_PROBLEMS]
    kinds = zip(columns, values, strict=True)
    return pl.DataFrame([pl.Series(c.name, v, c.dtype) for c, v in kinds]), []
