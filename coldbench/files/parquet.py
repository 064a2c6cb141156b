"""Parquet files, held to the same rules as text: a row number stands for the line.

A column that says one thing over and over packs to nothing, so a file is refused that would unpack
to 200 times its size, as an archive is. And since polars ends the whole process on some damaged
files, each is read once by a process that may end.
"""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl

from coldbench.errors import BadFile, Problem, UserError
from coldbench.files.archive_members import LIMITS
from coldbench.files.memory import address_space, not_enough
from coldbench.files.schema import CONTROL, Column, InvalidValue, validate

MAX_PROBLEMS = 1000  # problems of one file that are told
VALUE = 16  # bytes of one in memory, those of a text not counted
SPARE = 8 * 2**30  # bytes that polars may take beside those of the values
PATIENCE = 60  # seconds, and one more for each 10 MB
TRIAL = """
import sys
from contextlib import suppress
with suppress(ImportError, ValueError, OSError):  # Windows has none, macOS may set none
    import resource
    none, kind = resource.RLIM_INFINITY, resource.RLIMIT_AS
    least = min(n for n in (int(sys.argv[1]), *resource.getrlimit(kind)) if n != none)
    resource.setrlimit(kind, (least, least))
import polars
polars.read_parquet(sys.argv[2], columns=sys.argv[3:], glob=False)
"""
NO_MEMORY = re.compile("cannot allocate|memory allocation|MemoryError|could not spawn", re.I)
DAMAGED = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, MemoryError)


def names_of(path: Path) -> list[str]:
    """The file's columns. Raises BadFile where it is no Parquet file."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        names = list(pl.read_parquet_schema(path))
    except DAMAGED as error:
        raise _not_read(path, error) from None
    odd = [(n, name) for n, name in enumerate(names, 1) if CONTROL.search(name)]
    if odd:
        expected, fix = "a name without control characters", "rename the column"
        raise BadFile([Problem(str(path), 1, *odd[0], expected, fix)])
    return names


def read(columns: tuple[Column, ...], path: Path) -> pl.DataFrame:
    """The columns as `coldbench.files.delimited.read` gives them. Raises BadFile."""
    frame = _raw(columns, path)
    dated, columns = _dated(frame, columns)
    typed = _typed(dated, columns)
    meant = None if typed is None else validate(typed, columns)
    if meant is None or not meant.height:
        raise BadFile(_closely(frame, dated, columns, str(path)))
    return meant


def column_of(name: str, path: Path) -> pl.Series:
    """One column, whatever its type. Raises BadFile."""
    return _raw((Column(name),), path)[name]


def problems(columns: tuple[Column, ...], path: Path) -> list[Problem]:
    """Everything that is wrong with a file, in order: the first 1,000 places."""
    try:
        read(columns, path)
    except BadFile as error:
        return error.problems
    return []


def _raw(columns: tuple[Column, ...], path: Path) -> pl.DataFrame:
    present = names_of(path)
    fix = f"it has {', '.join(present)}: say which is meant"
    absent = [
        Problem(str(path), 1, 1, column.name, "a column of this name", fix)
        for column in columns
        if column.name not in present
    ]
    if absent:
        raise BadFile(absent)
    names = [column.name for column in columns]
    try:
        rows = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
        size = rows * len(columns) * VALUE
        _bounded(path, size)
        _tried(path, names, SPARE + 4 * size)
        frame = pl.read_parquet(path, columns=names, glob=False)
        texts = frame.select(pl.selectors.string().str.len_bytes().sum())
        _bounded(path, sum(n or 0 for row in texts.iter_rows() for n in row))
    except DAMAGED as error:
        raise _not_read(path, error) from None
    return frame


def _tried(path: Path, names: list[str], memory: int) -> None:
    """Raises OSError where reading the columns in so many bytes ends a process, or does not end,
    and MemoryError where this process may not have as many and that may be why."""
    patience = PATIENCE + path.stat().st_size / 1e7
    command = [sys.executable, "-P", "-c", TRIAL, str(memory), str(path), *names]
    try:
        trial = subprocess.run(command, capture_output=True, timeout=patience, check=False)
    except subprocess.TimeoutExpired:
        raise OSError(f"reading takes more than {patience:.0f} seconds") from None
    if not trial.returncode:
        return
    lines = trial.stderr.decode("utf-8", "replace").strip().splitlines()
    last_line = lines[-1] if lines and trial.returncode > 0 else ""
    ended_for_memory = trial.returncode == -9 or (
        address_space() < memory and (not last_line or NO_MEMORY.search(last_line))
    )
    if ended_for_memory:
        raise MemoryError
    raise OSError(last_line or f"reading it ended a process by {-trial.returncode}")


def _bounded(path: Path, size: int) -> None:
    allowed = LIMITS.bytes_of(path)
    if size > allowed:
        expected = f"a file that unpacks to at most {allowed:,} bytes"
        raise BadFile([Problem(str(path), 1, 1, f"{size:,} bytes", expected, "write it as CSV")])


def _not_read(path: Path, error: BaseException) -> UserError:
    if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
        return not_enough(path)
    reason = (str(error).splitlines() or [type(error).__name__])[0][:80]
    expected, fix = "a whole Parquet file", "write or copy it again"
    return BadFile([Problem(str(path), 1, 1, reason, expected, fix)])


def _dated(
    frame: pl.DataFrame, columns: tuple[Column, ...]
) -> tuple[pl.DataFrame, tuple[Column, ...]]:
    """Dates and datetimes as numbers, exactly."""
    meant = []
    for column in columns:
        dtype = frame[column.name].dtype
        if column.kind == "time" and isinstance(dtype, pl.Date | pl.Datetime):
            moments = pl.col(column.name).cast(pl.Datetime("us")).dt.timestamp("us")
            frame = frame.with_columns(moments)
            column = replace(column, unit="microseconds")  # noqa: PLW2901
        meant.append(column)
    return frame, tuple(meant)


def _typed(frame: pl.DataFrame, columns: tuple[Column, ...]) -> pl.DataFrame | None:
    """Each column as a text file would have been parsed; None where a type cannot be that."""
    changed = []
    for column in columns:
        values = frame[column.name]
        if column.raw == pl.String and values.dtype not in (pl.String, pl.Categorical):
            if not values.dtype.is_integer():
                return None
        elif column.raw != pl.String and not values.dtype.is_numeric():
            return None
        try:
            changed.append(values.cast(column.raw))
        except pl.exceptions.PolarsError:
            return None
    return pl.DataFrame(changed)


def _closely(
    frame: pl.DataFrame, dated: pl.DataFrame, columns: tuple[Column, ...], path: str
) -> list[Problem]:
    """What is wrong, value by value. dated: the frame with its dates as numbers."""
    problems: list[Problem] = []
    for line, (row, plain) in enumerate(zip(frame.iter_rows(), dated.iter_rows(), strict=True), 1):
        for number, (column, value) in enumerate(zip(columns, plain, strict=True), 1):
            try:
                column.parse("" if value is None else str(value))
            except InvalidValue as wrong:
                text = "" if value is None else str(row[number - 1])
                words = wrong.expected, wrong.fix, column.name
                problems.append(Problem(path, line, number, text, *words))
        if len(problems) >= MAX_PROBLEMS:
            break
    if not problems and frame.height:
        kinds = ", ".join(f"{name}: {kind}" for name, kind in frame.schema.items())
        expected = "numbers as numbers, ids as whole numbers or text"
        problems.append(Problem(path, 1, 1, kinds, expected, "write the columns with these types"))
    if not problems:
        problems.append(Problem(path, 1, 1, "", "at least one row", "add the rows"))
    return problems
