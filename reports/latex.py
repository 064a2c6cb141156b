"""LaTeX: one file a table, with booktabs, ready for \\input. Needs amssymb and graphicx beside.

The files are ASCII and any engine sets them: letters with accents are written as commands, and a
letter that plain LaTeX has no sign for stands as its number in Unicode, [U+1F3AC]. A table that is
wider than the page is scaled to its width; long words and long texts are broken. A caption ends
after 1,500 letters: LaTeX sets it on one line first, and no line of its can be 16,384 pt long.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from coldbench.report import Report
from coldbench.results.results import Results

from ._escape import latex as safe
from ._escape import slug
from ._overview import overview
from ._setting import settings
from ._tables import tables
from ._values import Row, Table, Value

MARKS = {"": "", "better": r"\,$\blacktriangle$", "worse": r"\,$\blacktriangledown$"}
FIT = r"\resizebox{\ifdim\width>\textwidth \textwidth\else\width\fi}{!}{%"
LONG, CAPTION = 48, 1500  # letters of a cell on one line, and of a caption


class Latex(Report):
    format = "tex"

    def write(self, results: Results, folder: Path) -> list[Path]:
        (folder / "tables").mkdir(parents=True, exist_ok=True)
        written = []
        for name, title, table in _all(results):
            path = folder / "tables" / f"{name}.tex"
            path.write_text(_table(title, table, name), encoding="ascii")
            written.append(path)
        return written


def _all(results: Results) -> Iterator[tuple[str, str, Table]]:
    """(file name, what it is about, table)"""
    if (first := overview(results)) is not None:
        yield f"run-{first.name}", results.name, first
    for setting in settings(results):
        for table in tables(setting):
            yield (
                f"{slug(setting.dataset)}-{slug(setting.protocol)}-{table.name}",
                setting.title,
                table,
            )


def _table(title: str, table: Table, label: str) -> str:
    text = all(value.number is None for _, rows in table.groups for r in rows for value in r.cells)
    width = max(1, len(table.columns))  # without a number there is room for the reason
    columns = "l" + ("l" if text else "r") * width
    lines = [
        r"% needs \usepackage{booktabs, amssymb, graphicx}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_caption(f'{title}: {table.title}. {table.caption}')}}}",
        rf"\label{{tab:{label}}}",
        FIT,
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join([table.first, *map(safe, table.columns)]) + r" \\",
    ]
    for family, rows in table.groups:
        lines.append(r"\midrule")
        if family and len(table.groups) > 1:
            head = rf"\multicolumn{{{1 + width}}}{{l}}{{\textit{{{_words(family)}}}}}"
            lines.append(head + r" \\")
        lines += [_row(row, width) + r" \\" for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}", ""])


def _row(row: Row, width: int) -> str:
    if not row.cells:
        note = rf"\multicolumn{{{width}}}{{l}}{{\textit{{{_words(row.note)}}}}}"
        return f"{_words(row.name)} & {note}"
    few = rf" {{\scriptsize ({safe(row.few)})}}" if row.few else ""
    return " & ".join([_words(row.name) + few, *map(_cell, row.cells)])


def _cell(value: Value) -> str:
    interval = rf" {{\scriptsize {value.interval}}}" if value.interval else ""
    number = _words(value.text).replace("-", "$-$", 1 if value.number else 0)
    p = rf" {{\scriptsize {safe(value.p)}}}" if value.p else ""
    return number + interval + MARKS[value.mark] + p


def _words(text: str) -> str:
    escaped = safe(text)
    return escaped if len(escaped) <= LONG else rf"\parbox[t]{{20em}}{{\raggedright {escaped}}}"


def _caption(text: str) -> str:
    words = safe(text).split(" ")
    ends = list(accumulate(len(word) + 1 for word in words))
    fits = bisect_right(ends, CAPTION)
    return " ".join(words[:fits]) + (r" \dots{}" if fits < len(words) else "")
