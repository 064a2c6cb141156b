"""Parquet files, held to the same rules as text: a row number stands for the line."""

from pathlib import Path

import polars as pl

from coldbench.column import SECONDS, Column, Wrong, fine
from coldbench.errors import BadFile, Problem, UserError

MOST = 1000  # problems of one file that are told


def names_of(path: Path) -> list[str]:
    """The file's columns. Raises BadFile where it is no Parquet file."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        return list(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0][:80]
        raise BadFile([_no_parquet(path, reason)]) from None


def read(columns: tuple[Column, ...], path: Path) -> pl.DataFrame:
    """The columns as `coldbench.reader.read` gives them. Raises BadFile."""
    frame = _raw(columns, path)
    typed = _typed(frame, columns)
    meant = None if typed is None else fine(typed, columns)
    if meant is None or not meant.height:
        found = _closely(frame, columns, str(path))
        raise BadFile(found)
    return meant


def problems(columns: tuple[Column, ...], path: Path) -> list[Problem]:
    """Everything that is wrong with a file, in order: the first 1,000 places."""
    try:
        read(columns, path)
    except BadFile as error:
        return error.problems
    return []


def _raw(columns: tuple[Column, ...], path: Path) -> pl.DataFrame:
    there = names_of(path)
    fix = f"it has {', '.join(there)}: say which is meant"
    absent = [
        Problem(str(path), 1, 1, column.name, "a column of this name", fix)
        for column in columns
        if column.name not in there
    ]
    if absent:
        raise BadFile(absent)
    try:
        return pl.read_parquet(path, columns=[column.name for column in columns])
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadFile([_no_parquet(path, str(error).splitlines()[0][:80])]) from None


def _no_parquet(path: Path, reason: str) -> Problem:
    return Problem(str(path), 1, 1, reason, "a whole Parquet file", "write or copy it again")


def _typed(frame: pl.DataFrame, columns: tuple[Column, ...]) -> pl.DataFrame | None:
    """Each column as a text file would have been parsed; None where a type cannot be that."""
    changed = []
    for column in columns:
        values = frame[column.name]
        if column.kind == "time" and values.dtype.is_temporal():
            seconds = values.cast(pl.Datetime("ms")).dt.timestamp("ms") / 1e3
            values = seconds * SECONDS.get(column.unit, 1.0)
        elif column.raw == pl.String and values.dtype not in (pl.String, pl.Categorical):
            if not values.dtype.is_integer():
                return None
        elif column.raw != pl.String and not values.dtype.is_numeric():
            return None
        try:
            changed.append(values.cast(column.raw))
        except pl.exceptions.PolarsError:
            return None
    return pl.DataFrame(changed)


def _closely(frame: pl.DataFrame, columns: tuple[Column, ...], path: str) -> list[Problem]:
    found: list[Problem] = []
    for line, row in enumerate(frame.iter_rows(), 1):
        for number, (column, value) in enumerate(zip(columns, row, strict=True), 1):
            text = "" if value is None else str(value)
            try:
                column.parse(text)
            except Wrong as wrong:
                found.append(Problem(path, line, number, text, wrong.expected, wrong.fix))
        if len(found) >= MOST:
            break
    if not found and frame.height:
        kinds = ", ".join(f"{name}: {kind}" for name, kind in frame.schema.items())
        expected = "numbers as numbers, ids as whole numbers or text"
        found.append(Problem(path, 1, 1, kinds, expected, "write the columns with these types"))
    if not found:
        found.append(Problem(path, 1, 1, "", "at least one row", "add the rows"))
    return found
