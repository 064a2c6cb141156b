"""How every verb reads its options and how it ends, and what `--json` prints."""

import errno
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import typer
from typer.core import TyperCommand

from coldbench.errors import INTERRUPTED, WRONG_USE, UserError, printable

GO_ON = ("run", "tune", "anchors")  # verbs that keep what they have done
FILE_ERRORS = (
    *(errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
)  # of the place that a user named; all others are ours


def run_app(app: typer.Typer) -> None:
    """Run the command line; a UserError is one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):  # what a terminal cannot show is escaped, not an end
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except UserError as error:
        _end(str(error))
    except MemoryError:
        _end("there is not enough memory; end other programs, or use a shell without `ulimit -v`")
    except OSError as error:
        if error.errno not in FILE_ERRORS:
            raise
        _end(f"{error}; make room or choose another place")


def _end(message: str) -> None:
    print(f"coldbench: {printable(' '.join(message.splitlines()))}", file=sys.stderr)
    sys.exit(WRONG_USE)


class Command(TyperCommand):
    """An option given twice is an error where the last would win in silence; Ctrl-C is one line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        for option in dict.fromkeys(order):
            once = option.param_type_name == "option" and not getattr(option, "multiple", False)
            if once and order.count(option) > 1:
                raise UserError(f"{option.opts[0]} is given twice: leave one out")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            more = "; the same command goes on where it stopped" if self.name in GO_ON else ""
            print(f"coldbench: stopped{more}", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except EOFError as error:  # else it would be taken for a user's Ctrl-D, and "Aborted!"
            raise RuntimeError("a process that was started here ended without a word") from error


@contextmanager
def one_document(wanted: bool) -> Iterator[None]:
    """Where `--json` is wanted, all that is printed meanwhile goes to standard error."""
    if not wanted:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def document(value: Any) -> None:
    """Print one JSON document; a number that is not finite is null, as JSON has none."""
    print(json.dumps(_finite(value), indent=1))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
