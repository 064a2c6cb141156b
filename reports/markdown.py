"""Markdown: report.md, the tables and the summary as text that reads well unrendered."""

from pathlib import Path

from coldbench.report import Report
from coldbench.results.results import Results

from ._elicitation import elicitation_table
from ._escape import markdown as safe
from ._overview import overview
from ._provenance import origin
from ._setting import SettingResults, settings
from ._summary import summary
from ._tables import tables
from ._values import Row, Table, Value

MARKS = {"": "", "better": " ▲", "worse": " ▼"}


class Markdown(Report):
    format = "md"

    def write(self, results: Results, folder: Path) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "report.md"
        lines = [f"# coldbench: {safe(results.name)}", ""]
        for first in filter(None, (overview(results), elicitation_table(results))):
            lines += [f"## {safe(first.title)}", "", *_table(first), ""]
            lines += [f"*{safe(first.caption)}*", ""]
        for setting in settings(results):
            lines += _section(setting)
        lines += ["## Where the numbers come from", ""]
        lines += [f"- {safe(name)}: {safe(value)}" for name, value in origin(results)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return [path]


def _section(setting: SettingResults) -> list[str]:
    lines = [f"## {safe(setting.title)}", ""]
    if setting.stamp:
        lines += [f"**{setting.stamp.strip()}**", ""]
    lines += [*(f"{safe(sentence)}  " for sentence in summary(setting)), ""]
    for table in tables(setting):
        lines += [f"### {safe(table.title)}", "", *_table(table), ""]
        lines += [f"*{safe(table.caption)}*", "", safe(table.how), ""]
    return lines


def _table(table: Table) -> list[str]:
    head = [table.first, *map(safe, table.columns)]
    align = ["---", *("---:" for _ in table.columns)]
    rows = [head, align]
    for family, group in table.groups:
        if family and len(table.groups) > 1:
            rows.append([f"**{safe(family)}**", *("" for _ in table.columns)])
        rows += [_row(row, len(table.columns)) for row in group]
    return ["| " + " | ".join(row) + " |" for row in rows]


def _row(row: Row, width: int) -> list[str]:
    if not row.cells:
        return [safe(row.name), f"*{safe(row.note)}*", *("" for _ in range(width - 1))]
    few = f" ({safe(row.few)})" if row.few else ""
    return [safe(row.name) + few, *map(_cell, row.cells)]


def _cell(value: Value) -> str:
    interval = f" {value.interval}" if value.interval else ""
    p = f" {safe(value.p)}" if value.p else ""
    return safe(value.text) + interval + MARKS[value.mark] + p
