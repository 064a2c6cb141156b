"""LaTeX: one file a table, with booktabs, ready for \\input. Needs amssymb and graphicx beside."""

from pathlib import Path

from coldbench.report import Report
from coldbench.results import Results

from ._parts import Part, Row, Table, Value, parts
from ._safe import latex as safe
from ._safe import slug
from ._tables import tables

MARKS = {"": "", "better": r"\,$\blacktriangle$", "worse": r"\,$\blacktriangledown$"}


class Latex(Report):
    format = "tex"

    def write(self, results: Results, folder: Path) -> list[Path]:
        (folder / "tables").mkdir(parents=True, exist_ok=True)
        written = []
        for part in parts(results):
            for table in tables(part):
                name = f"{slug(part.dataset)}-{slug(part.protocol)}-{table.name}"
                path = folder / "tables" / f"{name}.tex"
                path.write_text(_table(part, table, name), encoding="utf-8")
                written.append(path)
        return written


def _table(part: Part, table: Table, label: str) -> str:
    text = all(value.number is None for _, rows in table.groups for r in rows for value in r.cells)
    columns = "l" * (1 + len(table.columns)) if text else "l" + "r" * len(table.columns)
    lines = [
        r"% needs \usepackage{booktabs, amssymb, graphicx}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{safe(f'{part.title}: {table.title}. {table.caption}')}}}",
        rf"\label{{tab:{label}}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(["method", *map(safe, table.columns)]) + r" \\",
    ]
    for family, rows in table.groups:
        lines.append(r"\midrule")
        if family and len(table.groups) > 1:
            head = rf"\multicolumn{{{1 + len(table.columns)}}}{{l}}{{\textit{{{safe(family)}}}}}"
            lines.append(head + r" \\")
        lines += [_row(row, len(table.columns)) + r" \\" for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}", ""])


def _row(row: Row, width: int) -> str:
    if not row.cells:
        note = rf"\multicolumn{{{width}}}{{l}}{{\textit{{{safe(row.note)}}}}}"
        return f"{safe(row.name)} & {note}"
    return " & ".join([safe(row.name), *map(_cell, row.cells)])


def _cell(value: Value) -> str:
    interval = rf" {{\scriptsize {value.interval}}}" if value.interval else ""
    return (
        safe(value.text).replace("-", "$-$", 1 if value.number else 0)
        + interval
        + MARKS[value.mark]
    )
