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

GO_ON = ("run", "work", "cell", "tune", "anchors")  # verbs that keep what they have done
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


WrongUsage: Any = typer.BadParameter.__base__  # click's, wherever typer keeps click
HABITS = {  # what users of other harnesses type -> an option, or what else there is
    "--dataset": "--datasets", "--tasks": "--datasets", "--task": "--datasets",
    "--method": "--methods", "--model": "--methods", "--models": "--methods",
    "--seed": "--seeds", "--k": "--shots", "-k": "--shots", "--num-fewshot": "--shots",
    "--num_fewshot": "--shots", "--fewshot": "--shots", "--workers": "--jobs", "-n": "--jobs",
    "--output-path": "--output", "--output_path": "--output", "--output-dir": "--output",
    "--out": "--output", "--log-level": "--verbose", "--params": "--set", "--protocol": "--set",
    "--encoder": "--set", "--config": "a grid file without an option: coldbench run my.toml",
    "--metrics": "coldbench report RUN --metrics", "--metric": "coldbench report RUN --metrics",
    "--force": "another --name, or remove the run's folder", "--overwrite": "another --name",
}  # fmt: skip


def _meant(error: Any, command: Any) -> str:
    """A wrong use in one line that says what would be right."""
    verb, more = command.name, f"(coldbench {command.name} --help)"
    option, missing = getattr(error, "option_name", ""), getattr(error, "param", None)
    if option and not error.message.startswith("Option"):
        options = {name for param in command.params for name in param.opts}
        habit = HABITS.get(option, "")
        near = [habit] if habit in options or " " in habit else (error.possibilities or [])[:1]
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{verb} has no option {option}{hint} {more}"
    if missing is not None and type(error).__name__ == "MissingParameter":
        what = (missing.metavar or missing.name).removesuffix("...").upper()
        name = missing.opts[0] if missing.param_type_name == "option" else what
        meaning = getattr(missing, "help", None)
        return f"{verb} needs {name}{f': {meaning}' if meaning else ''} {more}"
    return f"{error.format_message().rstrip('.')} {more}"


class Command(TyperCommand):
    """An option given twice is an error where the last would win in silence; Ctrl-C is one line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return self._parsed(ctx, args)
        except WrongUsage as error:
            raise UserError(_meant(error, self)) from None

    def _parsed(self, ctx: Any, args: list[str]) -> list[str]:
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
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
