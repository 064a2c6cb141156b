"""Errors that a user can mend: one clear line, no traceback."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something the user asked for cannot be done; the message says what would be right.

    The command line prints the message alone and ends with code 2.
    """


class Unavailable(UserError):
    """A method's optional package is not installed: its row says so, and nothing has failed."""


def unknown(kind: str, name: str, known: Iterable[str], where: str) -> UserError:
    """`no method 'protnet'; did you mean 'protonet'? (see: coldbench list methods)`"""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return UserError(f"no {kind} {name!r}{hint} ({where})")
