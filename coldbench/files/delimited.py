"""One strict reader for every table: quick where all is well, exact about what is not.

polars and pandas take a row that is cut short, an infinite rating or a time before 1970 without a
word. Here polars reads whole columns, and the table is taken only where counts and ranges prove
that nothing was bent on the way; else every value is looked at, one by one, and each that is wrong
is named: `path:line:column: value 'x', expected ...; fix: ...`. Both ways give the same table.
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from coldbench.errors import BadFile, Problem, UserError
from coldbench.files.blocks import as_enum, joined, mapped, opened
from coldbench.files.memory import not_enough, reserve_for
from coldbench.files.rows import UTF_16, Row, Unreadable, rows_of
from coldbench.files.schema import CONTROL, LONGEST, Column, InvalidValue, validate

MAX_PROBLEMS = 1000  # problems of one file that are told
BOM = b"\xef\xbb\xbf"
PACKED = (b"\x1f\x8b", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda", b"(\xb5/\xfd")  # polars unpacks it


@dataclass(frozen=True)
class Table:
    """How a file of rows is written."""

    columns: tuple[Column, ...]  # by the header's names in any order; without one, all in order
    separator: str = ","
    header: bool = True
    quoted: bool = False  # values may stand in double quotes, as in RFC 4180
    encoding: str = "utf-8"  # or "latin-1"


def read(table: Table, path: Path, content: bytes | None = None) -> pl.DataFrame:
    """The table's columns, a row a line: ids and text as String, numbers as Float64 or Int64, times
    as Int64 microseconds since 1970.

    Ids of a column with `many` come as an Enum of them. content: what stands at `path`, where it
    was taken out of an archive. Raises BadFile.
    """
    try:
        source = path if content is None and _can_be_read_in_blocks(path) else content
        source = content_of(path) if source is None else source
        reserve_for(path, source)
        frame = _at_once(table, source)
        if frame is None:
            content = source if isinstance(source, bytes) else content_of(path)
            frame, problems = _closely(table, str(path), content)
            if problems:
                raise BadFile(problems)
    except MemoryError:
        raise not_enough(path) from None
    return frame


def problems(table: Table, path: Path, content: bytes | None = None) -> list[Problem]:
    """Everything that is wrong with a file, in order: the first 1,000 places."""
    content = content_of(path) if content is None else content
    return _closely(table, str(path), content)[1]


def content_of(path: Path) -> bytes:
    """A file's bytes, unpacked where it ends in `.gz`."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if path.suffix.lower() == ".gz":
        from coldbench.files.archive import gunzip

        return gunzip(path)
    return path.read_bytes()


def header_of(
    path: Path, separator: str, *, quoted: bool = True, encoding: str = "utf-8"
) -> list[str]:
    """The names in a file's first line. Raises BadFile where it is none."""
    first = _beginning(path).split(b"\n")[0].removesuffix(b"\r")
    row = next(rows_of(first, separator, quoted=quoted, encoding=encoding), None)
    if isinstance(row, Row):
        odd = [field for field, name in enumerate(row.fields) if CONTROL.search(name)]
        if not odd:
            return row.fields
        place, expected = row.place(odd[0]), "a name without control characters"
        row = Unreadable(*place, row.fields[odd[0]], expected, "rename the column")
    if row is None:
        row = Unreadable(1, 1, "", "a first line with the columns' names", "add it")
    raise BadFile([Problem(str(path), row.line, row.column, row.value, row.expected, row.fix)])


def _beginning(path: Path) -> bytes:
    if not path.is_file() or path.suffix.lower() == ".gz":
        return content_of(path)[:LONGEST]
    with path.open("rb") as file:
        return file.read(LONGEST)


def _can_be_read_in_blocks(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() != ".gz"


def _at_once(table: Table, source: Path | bytes) -> pl.DataFrame | None:
    """The table in whole columns, block by block, or None where anything calls for a closer
    look."""
    with opened(source) as file:
        first = file.readline()
        begin = file.tell() if table.header else len(BOM) * first.startswith(BOM)
    head, separator = _plain(table, first.removeprefix(BOM))
    names = [column.name for column in table.columns]
    if not head:
        return None
    if table.header:
        line = head.removesuffix(b"\n").decode("utf-8", "surrogateescape")
        names = line.split(separator.decode())
        if _header_problems(table, "", names):
            return None
    frames = mapped(partial(_block, table, names), source, begin)
    return joined(frames, table.columns) if frames else None


def _block(table: Table, names: list[str], content: bytes) -> pl.DataFrame | None:
    """The same for some lines, below the header."""
    content, separator = _plain(table, content)
    if not content or content.startswith(PACKED):
        return None
    content += b"" if content.endswith(b"\n") else b"\n"
    raw = {column.name: column.raw for column in table.columns}
    try:
        frame = pl.read_csv(
            content,
            separator=separator.decode(),
            has_header=False,
            quote_char=None,
            schema={name: raw.get(name, pl.String) for name in names},
        )
    except (pl.exceptions.PolarsError, UnicodeEncodeError):
        return None
    # polars refuses a row with more fields and fills up one with fewer: where all separators
    # together are as many as they should be, no row had fewer
    lines = content.count(b"\n")
    if frame.height != lines or content.count(separator) != lines * (len(names) - 1):
        return None
    return validate(frame, table.columns)


def _plain(table: Table, content: bytes) -> tuple[bytes, bytes]:
    """The content as UTF-8 with line ends alone, without quotes, and its separator in one byte;
    empty where that cannot be had."""
    separator = table.separator.encode()
    if content.startswith(UTF_16):
        return b"", separator
    if table.encoding != "utf-8":
        content = content.decode(table.encoding).encode()
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n")
    if table.quoted and b'"' in content:
        content = _unquoted(content, separator)
    odd = b"\0" in content or b"\r" in content or (len(separator) > 1 and b"\x1f" in content)
    if len(separator) > 1:  # polars takes one byte: one that stands in no text
        content, separator = content.replace(separator, b"\x1f"), b"\x1f"
    return b"" if odd else content, separator


def _unquoted(content: bytes, separator: bytes) -> bytes:
    """The content without its quotes where they say nothing: each opens or closes a whole value
    that holds no separator, line end or quote; else nothing."""
    letters = np.frombuffer(b"\n" + content + b"\n", np.uint8)
    ends = (letters == separator[0]) | (letters == ord("\n"))
    quotes = np.flatnonzero(letters == ord('"'))
    if len(quotes) % 2 or len(separator) > 1:
        return b""
    opens, closes = quotes[::2], quotes[1::2]
    whole = ends[opens - 1].all() and ends[closes + 1].all()
    places = np.flatnonzero(ends)
    inside = np.searchsorted(places, closes) - np.searchsorted(places, opens)
    return content.replace(b'"', b"") if whole and not inside.any() else b""


def _closely(table: Table, path: str, content: bytes) -> tuple[pl.DataFrame, list[Problem]]:
    """The same table value by value, and every problem on the way."""
    problems: list[Problem] = []
    names = None if table.header else [column.name for column in table.columns]
    places: list[tuple[int, Column]] = []
    values: list[list[str | float | int | None]] = [[] for _ in table.columns]
    for row in rows_of(content, table.separator, quoted=table.quoted, encoding=table.encoding):
        if len(problems) >= MAX_PROBLEMS:
            break
        if isinstance(row, Unreadable):
            problems.append(Problem(path, row.line, row.column, row.value, row.expected, row.fix))
            if names is None and row.line == 1:
                break  # without a header nothing else can be said
            continue
        if names is None:
            names = row.fields
            problems += _header_problems(table, path, names)
            if problems:
                break
            continue
        places = places or [(names.index(column.name), column) for column in table.columns]
        if len(row.fields) != len(names):
            problems.append(_count_problem(path, row, len(names)))
            continue
        for (at, column), kept in zip(places, values, strict=True):
            try:
                kept.append(column.parse(row.fields[at]))
            except InvalidValue as wrong:
                place = row.place(at)
                words = wrong.expected, wrong.fix, column.name
                problems.append(Problem(path, *place, row.fields[at], *words))
    if not problems and not any(values):
        empty = names is None or not table.header
        expected = "at least one row" if not empty else "a table"
        problems.append(Problem(path, 1 if empty else 2, 1, "", expected, "add the rows"))
    if problems:
        return pl.DataFrame(), sorted(problems, key=lambda p: (p.line, p.column))[:MAX_PROBLEMS]
    kinds = zip(table.columns, values, strict=True)
    read = [(c.many, pl.Series(c.name, v, c.dtype)) for c, v in kinds]
    return pl.DataFrame([as_enum(column) if many else column for many, column in read]), []


def _header_problems(table: Table, path: str, names: list[str]) -> list[Problem]:
    line = table.separator.join(names)
    fix = "add it"
    problems = [
        Problem(path, 1, 1, line, f"a column {column.name!r}", fix)
        for column in table.columns
        if column.name not in names
    ]
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    return problems + [Problem(path, 1, 1, line, f"one {n!r}", "rename the other") for n in twice]


def _count_problem(path: str, row: Row, wanted: int) -> Problem:
    few = len(row.fields) < wanted
    fix = "write every field" if few else "remove what is too much, or put the value in quotes"
    place = row.place(min(len(row.fields) - 1, wanted))
    expected = f"{wanted} fields, found {len(row.fields)}"
    return Problem(path, *place, row.fields[-1 if few else wanted], expected, fix)
