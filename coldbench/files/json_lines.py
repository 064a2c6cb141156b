"""JSON lines, held to the same rules as other text: an object a line, each key once.

A number is a number and an id a whole number or a text; nothing is turned from one into the other.
What is absent or null is no value: an error where one is needed, else an empty text. A list of
texts is one text, set apart by ", ". A column may lie deeper: "author.id". Numbers keep their
digits until they are held to their rule, so that 12.0 is no id and 5,000 digits are no hang.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from coldbench.errors import BadFile, Problem
from coldbench.files.delimited import content_of
from coldbench.files.rows import Row, Unreadable, rows_of
from coldbench.files.schema import (
    CONTROL,
    LONGEST,
    MICROSECONDS,
    NUMBER,
    Column,
    InvalidValue,
    validate,
)
from coldbench.files.values import MAX_PROBLEMS

FIRST = 1000  # lines that are looked at for the names of columns
OBJECT, MEND = "one JSON object on the line", "mend the line"
HALF = re.compile("[\ud800-\udfff]")  # JSON can spell letters that are none, \\ud800
PAIR = re.compile(r'\s*,?\s*("(?:[^"\\]|\\.)*")\s*:\s*')  # where a key of an object begins


class Digits(str):
    """A number of a file, as it is written there."""

    __slots__ = ()


def names_of(path: Path) -> list[str]:
    """The keys of the first 1,000 lines, in order, "author.id" of one within. Raises BadFile where
    they are no objects."""
    names: dict[str, None] = {}
    for number, row in enumerate(_rows(content_of(path))):
        if number == FIRST:
            break
        first_row = row if isinstance(row, Unreadable) else _object(row)
        if isinstance(first_row, Unreadable):
            raise BadFile([first_row.problem(str(path))])
        keys = list(_keys(first_row))
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


def problems(columns: tuple[Column, ...], path: Path) -> list[Problem]:
    """Everything that is wrong with a file, in order: the first 1,000 places."""
    return _closely(columns, str(path), content_of(path))[1]


def _rows(content: bytes) -> Iterator[Row | Unreadable]:
    return rows_of(content, "\n", quoted=False, encoding="utf-8")


def _at_once(columns: tuple[Column, ...], content: bytes) -> pl.DataFrame | None:
    """The table with each column checked as a whole, or None where anything calls for a closer
    look."""
    values: list[list[str | None]] = [[] for _ in columns]
    for row in _rows(content):
        parsed = row if isinstance(row, Unreadable) else _object(row)
        if isinstance(parsed, Unreadable):
            return None
        for column, kept in zip(columns, values, strict=True):
            try:
                kept.append(_written(column, _at(parsed, column.name)))
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
    columns: tuple[Column, ...], path: str, content: bytes
) -> tuple[pl.DataFrame, list[Problem]]:
    """The same table value by value, and every problem on the way."""
    problems: list[Problem] = []
    values: list[list[str | float | int | None]] = [[] for _ in columns]
    for row in _rows(content):
        if len(problems) >= MAX_PROBLEMS:
            break
        read_as = row if isinstance(row, Unreadable) else _object(row)
        if isinstance(read_as, Unreadable):
            problems.append(read_as.problem(path))
            continue
        assert isinstance(row, Row)
        for column, kept in zip(columns, values, strict=True):
            value = _at(read_as, column.name)
            try:
                written = _written(column, value)
                kept.append(None if written is None else column.parse(written))
            except InvalidValue as wrong:
                place = row.line, _place(row.raw, column.name)
                words = wrong.expected, wrong.fix, column.name
                problems.append(Problem(path, *place, _shown(value), *words))
    if not problems and not (values and values[0]):
        problems.append(Problem(path, 1, 1, "", "at least one row", "add the rows"))
    if problems:
        return pl.DataFrame(), sorted(problems, key=lambda p: (p.line, p.column))[:MAX_PROBLEMS]
    kinds = zip(columns, values, strict=True)
    return pl.DataFrame([pl.Series(c.name, v, c.dtype) for c, v in kinds]), []


def _object(row: Row) -> dict[str, Any] | Unreadable:
    """The object of a line, its numbers as they are written."""
    try:
        value = STRICT.decode(row.raw)
    except json.JSONDecodeError as error:
        return Unreadable(row.line, error.colno, row.raw[error.pos :], f"JSON ({error.msg})", MEND)
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, Twice) else "JSON of a few levels"
        return Unreadable(row.line, 1, row.raw, what, MEND)
    if not isinstance(value, dict):
        return Unreadable(row.line, 1, row.raw, OBJECT, MEND)
    return value


class Twice(ValueError):
    """A key stands twice, or a number is none: which is meant cannot be known."""


def _keys(row: dict[str, Any]) -> Iterator[str]:
    """Its keys, and instead of one that holds an object those within, "author.id"."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in _keys(value))
        else:
            yield name


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise Twice("each key once")
    return value


def _no_number(name: str) -> Any:
    raise Twice("JSON without NaN and Infinity")


STRICT = json.JSONDecoder(
    object_pairs_hook=_once, parse_int=Digits, parse_float=Digits, parse_constant=_no_number
)


def _at(row: dict[str, Any], name: str) -> Any:
    """The value of a key, or of one deeper, "author.id"; None where there is none."""
    if name in row or "." not in name:
        return row.get(name)
    first, _, rest = name.partition(".")
    inner = row.get(first)
    return _at(inner, rest) if isinstance(inner, dict) else None


def _written(column: Column, value: Any) -> str | None:
    """The value as its column's rule reads it; None where it is absent and may be. Raises
    InvalidValue."""
    if value is None:
        if column.kind == "text":
            return ""
        if column.empty:
            return None
        raise InvalidValue(f"a value of {column.name!r}", "write it, or remove the row")
    is_number = isinstance(value, Digits)
    if column.kind == "text":
        return _sound(_joined(value))
    if column.kind == "id" or (column.kind == "time" and column.unit not in MICROSECONDS):
        if isinstance(value, str) and (column.kind == "id" or not is_number):
            return _sound(value)
        raise InvalidValue("an id" if column.kind == "id" else "a date in quotes", "mend the value")
    if not is_number:
        raise InvalidValue("a number, not in quotes", "write it as a number")
    return str(value)


def _shown(value: Any) -> str:
    """As it is, but a number in quotes is shown in quotes."""
    if value is None or (isinstance(value, str) and not NUMBER.fullmatch(value)):
        return value or ""
    return value if isinstance(value, Digits) else json.dumps(value)[:LONGEST]


def _joined(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    raise InvalidValue("a text, or a list of texts", "mend the value")


def _sound(text: str) -> str:
    if HALF.search(text):
        raise InvalidValue("text without halves of letters", "write the letter as a whole")
    return text


def _place(line: str, name: str) -> int:
    """The column, from 1, where the value of an object's key begins; 1 where it has none."""
    decoder, at = json.JSONDecoder(parse_int=str, parse_float=str), line.index("{") + 1
    while pair := PAIR.match(line, at):
        key: str = json.loads(pair[1])
        if key == name:
            return pair.end() + 1
        if name.startswith(f"{key}.") and line[pair.end()] == "{":
            inner = _place(line[pair.end() :], name.removeprefix(f"{key}."))
            return pair.end() + inner
        at = decoder.raw_decode(line, pair.end())[1]
    return 1
