"""The ratios of one `make speed` as the table of docs/speed.md, and whether a later run keeps them.

    python -m coldbench.benchmarks.speed.table [--check]

A ratio is of two sides measured in one run, so that it says something of the code and little of the
machine; one that falls by a quarter is no noise.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from coldbench.errors import SOME_FAILED, WRONG_USE, UserError

PAGE, RUN = Path("docs/speed.md"), Path("runs/speed.json")
BEGIN, END = "<!-- ratios of make speed -->", "<!-- end of ratios -->"
FALLS = 0.75  # of the committed ratio: less is a failure
ROW = re.compile(
    r"^\| (?P<suite>[^|]+) \| (?P<subject>[^|]+) \| (?P<peer>[^|]+) \| (?P<ratio>[\d,.]+) \|"
)
Rows = list[dict[str, Any]]


def table(rows: Rows, machine: str) -> str:
    """A row for each subject and peer: what, who, beside whom, the ratio, and the rate."""
    lines = [
        f"{machine}, one thread for each side unless the suite says otherwise:",
        "",
        "| suite | subject | peer | ratio | subject's rate |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        ratio, rate = _short(row["ratio"]), f"{row['subject_rate']:,.0f} {row['unit']}"
        cells = row["suite"], row["subject"], row["peer"], ratio, rate
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def written(page: str, rows: Rows, machine: str) -> str:
    """The page with the table in its place. Raises UserError where it has none."""
    if BEGIN not in page or END not in page:
        raise UserError(f"{PAGE} has no place for the table: {BEGIN} and {END}, a line each")
    before, after = page.split(BEGIN, maxsplit=1)[0], page.split(END)[1]
    return f"{before}{BEGIN}\n{table(rows, machine)}\n{END}{after}"


def committed(page: str) -> dict[tuple[str, str, str], float]:
    """(suite, subject, peer) -> ratio, of the page's table. Raises UserError without one."""
    lines = page.partition(BEGIN)[2].partition(END)[0].splitlines()
    rows = [match for line in lines if (match := ROW.match(line))]
    if not rows:
        raise UserError(f"{PAGE} has no ratios yet: run `make speed` on a quiet machine")
    return {
        (row["suite"], row["subject"], row["peer"]): float(row["ratio"].replace(",", ""))
        for row in rows
    }


def fallen(rows: Rows, before: dict[tuple[str, str, str], float]) -> list[str]:
    """A line for each ratio that fell by a quarter, or was not measured."""
    now = {(row["suite"], row["subject"], row["peer"]): row["ratio"] for row in rows}
    lines = []
    for key, ratio in before.items():
        name = f"{key[0]}: {key[1]} beside {key[2]}"
        if key not in now:
            lines.append(f"{name}: not measured, and {ratio:,.2f} before")
        elif now[key] < FALLS * ratio:
            lines.append(f"{name}: {now[key]:,.2f} times, and {ratio:,.2f} before")
    return lines


def _short(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.1f}" if ratio >= 2 else f"{ratio:.2f}"


def main(words: list[str]) -> int:
    try:
        rows: Rows = json.loads(RUN.read_text(encoding="utf-8"))
        page = PAGE.read_text(encoding="utf-8")
        if words == ["--check"]:
            lines = fallen(rows, committed(page))
            print("\n".join(lines) or "no ratio fell by a quarter")
            return SOME_FAILED if lines else 0
        PAGE.write_text(written(page, rows, _machine()), encoding="utf-8")
    except (OSError, ValueError, KeyError, UserError) as error:
        print(f"coldbench: {error}; `make speed` writes {RUN}", file=sys.stderr)
        return WRONG_USE
    print(PAGE)
    return 0


def _machine() -> str:
    import os
    import platform

    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.is_file() else ""
    model = re.search(r"model name\s*:\s*(.+)", text)
    return f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
