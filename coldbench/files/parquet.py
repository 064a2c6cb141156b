"""Parquet files, held to the same rules as text: a row number stands for the line.

A column that says one thing over and over packs to nothing, so a file is refused that would unpack
to 200 times its size, as an archive is. And since polars ends the whole process on some damaged
files, each is read once by a process that may end.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from coldbench.errors import BadFile, Problem, UserError
from coldbench.files.archive_members import LIMITS
from coldbench.files.blocks import HELD
from coldbench.files.long_log import LongLog
from coldbench.files.memory import address_space, not_enough
from coldbench.files.schema import CONTROL, Column, InvalidValue, validate
from coldbench.spilled import AT_A_TIME, memory_bound

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
rows, step = map(int, sys.argv[3:5])
for begin in range(0, rows, step):
    frame = polars.scan_parquet(sys.argv[2], glob=False).select(sys.argv[5:])
    frame.slice(begin, step).collect()
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
    return pl.concat(_frames(columns, path, _rows(columns, path)))


def scan(columns: tuple[Column, ...], path: Path) -> pl.DataFrame | LongLog:
    """The same of a log, in a file where COLDBENCH_MEMORY does not let memory hold it."""
    rows, bound = _rows(columns, path), memory_bound()
    if HELD * VALUE * len(columns) * rows <= bound:
        return pl.concat(_frames(columns, path, rows))
    step = max(1, int(bound) // (AT_A_TIME * len(columns)))
    return LongLog.of(columns, _frames(columns, path, rows, step))


def _frames(
    columns: tuple[Column, ...], path: Path, rows: int, step: int = 0
) -> Iterator[pl.DataFrame]:
    """The table so many rows at a time, all at once by default. Raises BadFile."""
    for begin, frame in _raw(columns, path, rows, step or max(rows, 1)):
        dated, meant = _dated(frame, columns)
        typed = _typed(dated, meant)
        valid = None if typed is None else validate(typed, meant)
        if valid is None or not valid.height:
            after = begin + frame.height
            problems = _closely(frame, dated, meant, str(path), begin + 1)
            raise BadFile(problems, after + 1 if after < rows else 0)
        yield valid


def column_of(name: str, path: Path) -> pl.Series:
    """One column, whatever its type. Raises BadFile."""
    column = (Column(name),)
    rows = _rows(column, path)
    return pl.concat(frame for _, frame in _raw(column, path, rows, max(rows, 1)))[name]


def problems(columns: tuple[Column, ...], path: Path) -> list[Problem]:
    """Everything that is wrong with a file, in order: the first 1,000 places."""
    try:
        read(columns, path)
    except BadFile as error:
        return error.problems
    return []


def _rows(columns: tuple[Column, ...], path: Path) -> int:
    """How many the file has. Raises BadFile where a column is absent."""
    present = names_of(path)
    fix = f"it has {', '.join(present)}: say which is meant"
    absent = [
        Problem(str(path), 1, 1, column.name, "a column of this name", fix)
        for column in columns
        if column.name not in present
    ]
    if absent:
        raise BadFile(absent)
    try:
        rows: int = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
    except DAMAGED as error:
        raise _not_read(path, error) from None
    return rows


def _raw(
    columns: tuple[Column, ...], path: Path, rows: int, step: int
) -> Iterator[tuple[int, pl.DataFrame]]:
    """(the number of its first row, some rows as they are): all, `step` at a time."""
    names, texts = [column.name for column in columns], 0
    try:
        size = rows * len(columns) * VALUE
        _bounded(path, size)
        _tried(path, names, SPARE + 4 * size, rows, step)
        for begin in range(0, max(rows, 1), step):
            scanned = pl.scan_parquet(path, glob=False).select(names)
            frame = scanned.slice(begin, step).collect()
            lengths = frame.select(pl.selectors.string().str.len_bytes().sum())
            texts += sum(n or 0 for row in lengths.iter_rows() for n in row)
            _bounded(path, texts)
            yield begin, frame
    except DAMAGED as error:
        raise _not_read(path, error) from None


def _tried(path: Path, names: list[str], memory: int, rows: int, step: int) -> None:
    """Raises OSError where reading the columns in so many bytes ends a process, or does not end,
    and MemoryError where this process may not have as many and that may be why."""
    patience = PATIENCE + path.stat().st_size / 1e7
    command = [sys.executable, "-P", "-c", TRIAL, str(memory), str(path), str(rows), str(step)]
    try:
        trial = subprocess.run(
            [*command, *names], capture_output=True, timeout=patience, check=False
        )
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
    frame: pl.DataFrame, dated: pl.DataFrame, columns: tuple[Column, ...], path: str, first: int
) -> list[Problem]:
    """What is wrong, value by value. dated: the frame with its dates as numbers; first: the number
    of its first row."""
    problems: list[Problem] = []
    for line, (row, plain) in enumerate(
        zip(frame.iter_rows(), dated.iter_rows(), strict=True), first
    ):
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
        problems.append(
            Problem(path, first, 1, kinds, expected, "write the columns with these types")
        )
    if not problems:
        problems.append(Problem(path, 1, 1, "", "at least one row", "add the rows"))
    return problems
