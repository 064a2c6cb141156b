"""The values of JSON lines: an object a line, each key once, numbers as they are written."""

import json
import re
from collections.abc import Iterator
from typing import Any

from coldbench.files.rows import Row, Unreadable
from coldbench.files.schema import LONGEST, MICROSECONDS, NUMBER, Column, InvalidValue

OBJECT, MEND = "one JSON object on the line", "mend the line"
HALF = re.compile("[\ud800-\udfff]")  # JSON can spell letters that are none, \\ud800
PAIR = re.compile(r'\s*,?\s*("(?:[^"\\]|\\.)*")\s*:\s*')  # where a key of an object begins


class Digits(str):
    """A number of a file, as it is written there."""

    __slots__ = ()


def object_of(row: Row) -> dict[str, Any] | Unreadable:
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


def keys_of(row: dict[str, Any]) -> Iterator[str]:
    """Its keys, and instead of one that holds an object those within, "author.id"."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in keys_of(value))
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


def value_at(row: dict[str, Any], name: str) -> Any:
    """The value of a key, or of one deeper, "author.id"; None where there is none."""
    if name in row or "." not in name:
        return row.get(name)
    first, _, rest = name.partition(".")
    inner = row.get(first)
    return value_at(inner, rest) if isinstance(inner, dict) else None


def written(column: Column, value: Any) -> str | None:
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


def shown(value: Any) -> str:
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


def place_of(line: str, name: str) -> int:
    """The column, from 1, where the value of an object's key begins; 1 where it has none."""
    decoder, at = json.JSONDecoder(parse_int=str, parse_float=str), line.index("{") + 1
    while pair := PAIR.match(line, at):
        key: str = json.loads(pair[1])
        if key == name:
            return pair.end() + 1
        if name.startswith(f"{key}.") and line[pair.end()] == "{":
            inner = place_of(line[pair.end() :], name.removeprefix(f"{key}."))
            return pair.end() + inner
        at = decoder.raw_decode(line, pair.end())[1]
    return 1
