"""Errors that a user can fix: one clear line, no traceback. And the exit codes of all commands."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

DONE, SOME_FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130  # exit codes; docs/start.md says them
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # bidi controls


class UserError(Exception):
    """Something the user asked for cannot be done; the message says what would be right.

    The command line prints the message alone and ends with code 2.
    """


class Unavailable(UserError):
    """A method's optional package is not installed: its row says so, and nothing has failed."""


class NotEnoughMemory(UserError):
    """A file is larger than what this process may use; nothing is known of what it holds."""


@dataclass(frozen=True)
class Problem:
    """What is wrong at one place of a file."""

    path: str
    line: int  # from 1; in a Parquet file the row
    column: int  # from 1, in characters; in a Parquet file the column
    value: str
    expected: str
    fix: str
    of: str = ""  # the name of the column of the table, where it is a matter of one

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= 60 else f"{self.value[:57]}..."
        where = f"{self.path}:{self.line}:{self.column}"
        return f"{where}: value {shown!r}, expected {self.expected}; fix: {self.fix}"


class BadFile(UserError):
    """A file that cannot be taken as it is; `problems` has what is wrong with it, in order: all,
    or what stands above the line `unread`."""

    def __init__(self, problems: list[Problem], unread: int = 0) -> None:
        more = [f"and {len(problems) - 1:,} more"] * (len(problems) > 1)
        more += [f"unread from line {unread:,} on"] * bool(unread)
        tail = f" ({', '.join(more)}: coldbench validate)" if more else ""
        super().__init__(f"{problems[0]}{tail}")
        self.problems, self.unread = problems, unread


def first_line(error: BaseException, longest: int = 300) -> str:
    """What an exception says, cut to one line; "" where it cannot be said."""
    try:
        return (str(error).splitlines() or [""])[0][:longest]
    except Exception:  # an exception of a method's own may raise while it is shown
        return ""


def printable(text: str) -> str:
    """Text from data or an exception as a terminal may show it: control characters (all but line
    end and tab), lone surrogates and what turns the direction of writing are escaped, \\x1b."""
    return "".join(_shown(c) for c in text)


def _shown(c: str) -> str:
    if c in "\n\t":
        return c
    unsafe = unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in TURNING
    return c.encode("unicode_escape").decode() if unsafe else c


def unknown(kind: str, name: str, known: Iterable[str], where: str) -> UserError:
    """`no method 'protnet'; did you mean 'protonet'? (see: coldbench list methods)`"""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return UserError(f"no {kind} {name!r}{hint} ({where})")
