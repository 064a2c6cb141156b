"""A table's text as rows that know where they stand, and what keeps a line from being read."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from coldbench.errors import Problem

MAX_UNCLOSED_QUOTE = (
    10_000_000  # letters read for quotes that do not close, before the rest is left unread
)
LINE_ENDS = r"lines that end in \n"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
BOM = b"\xef\xbb\xbf"
UNCLOSED = "unexpected end of data"  # what csv says where a quote is not closed
INVALID = re.compile("[\0\r\udc80-\udcff]")  # what no line of a table holds; the last: no UTF-8


@dataclass(frozen=True)
class Row:
    """One row, its values as text."""

    line: int  # of the file, from 1: where the row begins
    fields: list[str]
    raw: str  # as it stands there
    separator: str
    quoted: bool

    def place(self, field: int) -> tuple[int, int]:
        """Line and column, from 1, where a field begins."""
        at = inside = 0
        while field and at < len(self.raw):
            inside ^= self.quoted and self.raw[at] == '"'
            step = len(self.separator)
            if not inside and self.raw.startswith(self.separator, at):
                field -= 1
                at += step
            else:
                at += 1
        before = self.raw[:at]
        return self.line + before.count("\n"), at - (before.rfind("\n") + 1) + 1


@dataclass(frozen=True)
class Unreadable:
    """A place where the text stops being a table."""

    line: int
    column: int
    value: str
    expected: str
    fix: str
    unclosed: bool = False  # the text ends within a value in quotes

    def problem(self, path: str) -> Problem:
        return Problem(path, self.line, self.column, self.value, self.expected, self.fix)


def rows_of(
    content: bytes, separator: str, *, quoted: bool, encoding: str
) -> Iterator[Row | Unreadable]:
    """Rows of a file in order. Blank lines at the end, `\\r\\n` and a byte-order mark do not
    matter."""
    if is_utf_16(content):
        yield Unreadable(1, 1, "UTF-16", "UTF-8", "write it in UTF-8")
        return
    yield from rows_from(1, content.removeprefix(BOM), separator, quoted=quoted, encoding=encoding)


def is_utf_16(content: bytes) -> bool:
    """Whether a file that begins so is."""
    return content.startswith(UTF_16) or content[:400].count(b"\0") > 100


def rows_from(
    first: int, content: bytes, separator: str, *, quoted: bool, encoding: str
) -> Iterator[Row | Unreadable]:
    """The same for some lines of a file, of which the first has this number."""
    text = content.decode(encoding, "surrogateescape")
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    valid: list[tuple[int, str]] = []
    for number, line in enumerate(lines, first):
        odd = INVALID.search(line)
        if odd:
            yield _odd(number, line, odd.start())
        else:
            valid.append((number, line))
    if lines == [""]:
        return
    if quoted:
        yield from _quoted(valid, separator)
    else:
        for number, line in valid:
            yield Row(number, line.split(separator), line, separator, False)


def _odd(number: int, line: str, at: int) -> Unreadable:
    letter = line[at]
    if letter == "\0":
        return Unreadable(number, at + 1, letter, "text without NUL", "write the file again")
    if letter == "\r":
        return Unreadable(number, at + 1, letter, LINE_ENDS, "write them so")
    byte = chr(ord(letter) - 0xDC00)
    return Unreadable(number, at + 1, byte, "UTF-8", "write it in UTF-8")


def _quoted(lines: list[tuple[int, str]], separator: str) -> Iterator[Row | Unreadable]:
    """Rows whose values may stand in quotes, with separators and line ends inside (RFC 4180)."""
    at = in_vain = 0
    while at < len(lines) and in_vain < MAX_UNCLOSED_QUOTE:
        first = at
        feed = (lines[n][1] + "\n" for n in range(first, len(lines)))
        reader = csv.reader(feed, delimiter=separator, strict=True)
        try:
            for fields in reader:
                end = first + reader.line_num
                raw = "\n".join(line for _, line in lines[at:end])
                yield Row(lines[at][0], fields or [""], raw, separator, True)
                at = end
        except csv.Error as error:
            number, line = lines[at]
            column = line.find('"') + 1 or 1
            what = "a shorter value" if "limit" in str(error) else "quotes in pairs around a value"
            mend = 'close it by "; write " as ""'
            unclosed = str(error) == UNCLOSED
            yield Unreadable(number, column, line[column - 1 :], what, mend, unclosed)
            # the next line may be sound; but where each line opens a quote that runs to the end,
            # the end would be read once for each
            in_vain += sum(len(line) + 1 for _, line in lines[at : first + reader.line_num])
            at += 1
