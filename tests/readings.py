"""A table read block by block in whole columns, and the same whole and value by value."""

from pathlib import Path
from unittest.mock import patch

import polars as pl

from coldbench.errors import BadFile, Problem
from coldbench.files import blocks, delimited
from coldbench.files.delimited import Table, problems, read


def reading(
    table: Table, content: bytes
) -> tuple[pl.DataFrame | None, list[Problem], list[Problem]]:
    """The table or None, what its error names, and all that is wrong with it."""
    try:
        return read(table, Path("f"), content), [], problems(table, Path("f"), content)
    except BadFile as error:
        return None, error.problems, problems(table, Path("f"), content)


def same_reading(table: Table, content: bytes, size: int) -> list[Problem]:
    """Asserts that blocks of so many bytes are the same reading; returns what is wrong."""
    with patch.object(blocks, "BLOCK", size):
        frame, told, wrong = reading(table, content)
    with patch.object(delimited, "_block", lambda *_: None):
        closely, all_told, all_wrong = reading(table, content)
    assert wrong == all_wrong == all_told
    assert told == wrong[: len(told)] and bool(told) == bool(wrong)
    assert (frame is None) == (closely is None) == bool(wrong)
    if frame is not None and closely is not None:
        assert frame.columns == closely.columns
        for one, other in zip(frame, closely, strict=True):  # an Enum's order is free
            assert one.cast(pl.String).equals(other.cast(pl.String))
            assert one.dtype == other.dtype or isinstance(one.dtype, pl.Enum)
    return wrong
