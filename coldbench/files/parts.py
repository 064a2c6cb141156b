"""A text file's rows block by block: in whole columns where that is proved, else value by value."""

import re
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import polars as pl

from coldbench.files.blocks import lines_between, mapped, size_of
from coldbench.files.values import Part

BLANK_END = re.compile(rb"(^|\n)\r?\n\Z")  # of some lines: the last is blank


def in_parts(
    source: Path | bytes,
    begin: int,
    line: int,
    at_once: Callable[[bytes], pl.DataFrame | None],
    closely: Callable[[bytes, int, bool], Part],
) -> Generator[Part]:
    """The rows from the byte `begin` on, which is where `line` begins.

    at_once: the table of some lines, or None where anything calls for a closer look. closely: the
    same of lines, the number of their first, and whether the file ends with them.
    """
    kept, tried, size = -1, 0, size_of(source)
    for first, after, frame in mapped(at_once, source, begin):
        if frame is not None and kept < 0:
            line += frame.height
            yield Part(frame)
            continue
        kept = first if kept < 0 else kept
        if after < size and after - kept < 2 * tried:
            continue  # twice as much at each try: a quote that never closes is not read n^2 times
        content, whole = lines_between(source, kept, after), after == size
        part = closely(content, line, whole)
        if not whole and (part.unclosed or BLANK_END.search(content)):
            tried = after - kept
            continue  # the next block has the rest of a value, or of the file's blank end
        line, kept, tried = line + content.count(b"\n"), -1, 0
        yield replace(part, unread=0 if whole else line)
