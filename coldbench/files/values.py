"""Rows held to the rules of their columns value by value: the table, or each value that is wrong.

Slow, and exact: what reads whole columns at once leaves to it what it cannot prove.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from coldbench.errors import Problem
from coldbench.files.rows import Row, Unreadable
from coldbench.files.schema import Column, InvalidValue

MAX_PROBLEMS = 1000  # problems of one file that are told


@dataclass(frozen=True)
class Part:
    """Some rows of a table in order, or what is wrong with them."""

    frame: pl.DataFrame  # a column of each; empty where there are problems
    problems: tuple[Problem, ...] = ()  # in order, the first 1,000
    unread: int = 0  # the line of the file that is next; 0: there is none
    unclosed: bool = False  # the text ends within a value in quotes: more of it is needed


def closely(
    columns: tuple[Column, ...],
    names: list[str] | None,
    rows: Iterator[Row | Unreadable],
    path: str,
    *,
    whole: bool = True,
) -> Part:
    """The rows' values, each looked at. names: the rows' fields; None: the first row has them.
    whole: the file ends with these rows; else a value that does not end with them needs more."""
    problems: list[Problem] = []
    places: list[tuple[int, Column]] = []
    values: list[list[str | float | int | None]] = [[] for _ in columns]
    for row in rows:
        if len(problems) >= MAX_PROBLEMS:
            break
        if isinstance(row, Unreadable):
            if row.unclosed and not whole:
                return Part(pl.DataFrame(), unclosed=True)
            problems.append(row.problem(path))
            if names is None and row.line == 1:
                break  # without a header nothing else can be said
            continue
        if names is None:
            names = row.fields
            problems += header_problems(columns, path, row)
            if problems:
                break
            continue
        places = places or [(names.index(column.name), column) for column in columns]
        if len(row.fields) != len(names):
            problems.append(_count_problem(path, row, len(names)))
            continue
        for (at, column), kept in zip(places, values, strict=True):
            try:
                kept.append(column.parse(row.fields[at]))
            except InvalidValue as wrong:
                place = row.place(at)
                words = wrong.expected, wrong.fix, column.name
                problems.append(Problem(path, *place, row.fields[at], *words))
    if names is None and not problems:
        problems.append(no_rows(path, header=False))
    if problems:
        told = sorted(problems, key=lambda p: (p.line, p.column))[:MAX_PROBLEMS]
        return Part(pl.DataFrame(), tuple(told))
    kinds = zip(columns, values, strict=True)
    return Part(pl.DataFrame([_series(column, kept) for column, kept in kinds]))


def _series(column: Column, values: list[str | float | int | None]) -> pl.Series:
    """As the reader of whole columns gives it: ids of a log as numbers, where they are some."""
    series = pl.Series(column.name, values, column.dtype)
    numbers = column.checked(series) if column.many else None
    return series if numbers is None else numbers


def no_rows(path: str, *, header: bool) -> Problem:
    """What is wrong with a table that has a header or none, and nothing below."""
    expected = "at least one row" if header else "a table"
    return Problem(path, 2 if header else 1, 1, "", expected, "add the rows")


def header_problems(columns: tuple[Column, ...], path: str, row: Row) -> list[Problem]:
    line, names = row.separator.join(row.fields), row.fields
    problems = [
        Problem(path, 1, 1, line, f"a column {column.name!r}", "add it")
        for column in columns
        if column.name not in names
    ]
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    return problems + [Problem(path, 1, 1, line, f"one {n!r}", "rename the other") for n in twice]


def _count_problem(path: str, row: Row, wanted: int) -> Problem:
    few = len(row.fields) < wanted
    fix = "write every field" if few else "remove what is too much, or put the value in quotes"
    place = row.place(min(len(row.fields) - 1, wanted))
    expected = f"{wanted} fields, found {len(row.fields)}"
    return Problem(path, *place, row.fields[-1 if few else wanted], expected, fix)
