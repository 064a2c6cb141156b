"""One strict reader for every table: quick where all is well, exact about what is not.

polars and pandas take a row that is cut short, an infinite rating or a time before 1970 without a
word. Here polars reads whole columns of a block of lines, and they are taken only where counts and
ranges prove that nothing was bent on the way; else every value of the block is looked at, one by
one, and each that is wrong is named: `path:line:column: value 'x', expected ...; fix: ...`. Both
ways give the same table, and no more than some blocks are held beside it.
"""

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from coldbench.errors import BadFile, Problem, UserError
from coldbench.files.blocks import is_long, joined, opened, unpacked
from coldbench.files.long_log import LongLog
from coldbench.files.memory import not_enough, reserve_for
from coldbench.files.parts import in_parts
from coldbench.files.rows import BOM, UTF_16, Row, Unreadable, is_utf_16, rows_from, rows_of
from coldbench.files.schema import CONTROL, LONGEST, Column, validate
from coldbench.files.values import MAX_PROBLEMS, Part, closely, header_problems, no_rows

PACKED = (b"\x1f\x8b", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda", b"(\xb5/\xfd")  # polars unpacks it


@dataclass(frozen=True)
class Table:
    """How a file of rows is written."""

    columns: tuple[Column, ...]  # by the header's names in any order; without one, all in order
    separator: str = ","
    header: bool = True
    quoted: bool = False  # values may stand in double quotes, as in RFC 4180
    encoding: str = "utf-8"  # or "latin-1"

    def rows(self, content: bytes, line: int = 0) -> Iterator[Row | Unreadable]:
        """A file's rows; line: those of some lines of it, the first of which has this number."""
        read = partial(rows_from, line) if line else rows_of
        return read(content, self.separator, quoted=self.quoted, encoding=self.encoding)


def read(table: Table, path: Path, content: bytes | None = None) -> pl.DataFrame:
    """The table's columns, a row a line: ids and text as String, numbers as Float64 or Int64, times
    as Int64 microseconds since 1970.

    Ids of a column with `many` come as an Enum of them. content: what stands at `path`, where it
    was taken out of an archive. Raises BadFile.
    """
    try:
        source = _source(path, content)
        reserve_for(path, source)
        return joined([*_frames(table, path, source)], table.columns)
    except MemoryError:
        raise not_enough(path) from None


def scan(table: Table, path: Path) -> pl.DataFrame | LongLog:
    """The same of a log, in a file where COLDBENCH_MEMORY does not let memory hold it."""
    if not is_long(path):
        return read(table, path)
    with unpacked(path) as source:
        return LongLog.of(table.columns, _frames(table, path, source))


def _frames(table: Table, path: Path, source: Path | bytes) -> Iterator[pl.DataFrame]:
    """The table block by block, ids as numbers where they are some. Raises BadFile."""
    with closing(_parts(table, str(path), source)) as parts:
        for part in parts:
            if part.problems:
                raise BadFile([*part.problems], part.unread)
            yield part.frame


def problems(table: Table, path: Path, content: bytes | None = None) -> list[Problem]:
    """Everything that is wrong with a file, in order: the first 1,000 places."""
    try:
        with closing(_parts(table, str(path), _source(path, content))) as parts:
            told = (problem for part in parts for problem in part.problems)
            return [*islice(told, MAX_PROBLEMS)]
    except BadFile as error:
        return error.problems


def _source(path: Path, content: bytes | None) -> Path | bytes:
    """What is read in blocks: the file itself, unless it has to be unpacked."""
    if content is not None:
        return content
    return path if path.is_file() and path.suffix.lower() != ".gz" else content_of(path)


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
    with beginning(path) as file:
        return file.read(LONGEST)


def beginning(path: Path) -> AbstractContextManager[IO[bytes]]:
    """A file that is read from its first byte on, unpacked where it ends in `.gz`."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    from coldbench.files.archive import reading

    return reading(path)


def _parts(table: Table, path: str, source: Path | bytes) -> Generator[Part]:
    """The table block by block, and what is wrong with each. Raises BadFile where the header is
    none."""
    header, there = _header(table, path, source), False
    if header is None:
        content = source if isinstance(source, bytes) else source.read_bytes()
        parts = iter([closely(table.columns, None, table.rows(content), path)])
    else:
        names, begin = header

        def close(content: bytes, line: int, whole: bool) -> Part:
            rows = table.rows(content, line)
            return closely(table.columns, names, rows, path, whole=whole)

        at_once = partial(_block, table, names)
        parts = in_parts(source, begin, 1 + table.header, at_once, close)
    for part in parts:
        there |= bool(part.frame.height or part.problems)
        yield part
    if not there:
        yield Part(pl.DataFrame(), (no_rows(path, header=table.header),))


def _header(table: Table, path: str, source: Path | bytes) -> tuple[list[str], int] | None:
    """The names of a row's fields, and the byte that rows begin at; None where more than the first
    line has to be looked at. Raises BadFile."""
    with opened(source) as file:
        first, begin = file.readline(), file.tell()
        file.seek(0)
        if is_utf_16(file.read(LONGEST)):
            return None
    if not table.header:
        return [column.name for column in table.columns], len(BOM) * first.startswith(BOM)
    row = next(table.rows(first), None)
    if isinstance(row, Row):
        wrong = header_problems(table.columns, path, row)
        if wrong:
            raise BadFile(wrong)
        return row.fields, begin
    if row and not row.unclosed:
        raise BadFile([row.problem(path)])
    return None


def _block(table: Table, names: list[str], content: bytes) -> pl.DataFrame | None:
    """Some lines below the header in whole columns, or None where that proves nothing."""
    content, separator = _plain(table, content)
    if not content or content.startswith((*PACKED, BOM)):
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
    letters = np.frombuffer(content, np.uint8)  # counts four times as fast as bytes do
    lines, separators = (np.count_nonzero(letters == ord(x)) for x in (b"\n", separator))
    if frame.height != lines or separators != lines * (len(names) - 1):
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
