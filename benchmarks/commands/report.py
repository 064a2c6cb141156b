"""`coldbench report`: the files of each format that was asked for, from one run or several."""

import gc
import sys
from pathlib import Path

from coldbench import registry
from coldbench.errors import unknown
from coldbench.results.resolution import too_small
from coldbench.results.results import DEFAULT_METRICS, read
from coldbench.results.rounding import plain

from .. import run_names
from .command import document, one_document


def report(
    runs: list[Path], formats: list[str], metrics: list[str], output: Path | None, *, as_json: bool
) -> Path:
    """Write the reports and print their paths; returns that of the page. No formats: all."""
    gc.disable()  # the process ends with this: to look for what is unused takes a tenth of the time
    known = {entry.attributes["format"]: entry.name for entry in registry.entries("reports")}
    for name in formats:
        if name not in known:
            raise unknown("format", name, known, "coldbench list reports")
    folder = output or _folder(runs) / "report"
    measured = tuple(dict.fromkeys(metrics)) or DEFAULT_METRICS
    written = []
    with one_document(as_json):
        results = read(runs, measured)
        for name in formats or known:
            for path in registry.find("reports", known[name])().write(results, folder):
                written.append(str(path))
                if path.parent == folder:
                    print(path)
        for dataset, protocol, least in too_small(results):
            print(
                f"coldbench: {dataset}, {protocol} is too small to judge: only a difference of "
                f"{plain(least)} or more would be shown; add seeds, or take a larger set",
                file=sys.stderr,
            )
    if as_json:
        document({"report": str(folder), "metrics": measured, "files": written})
    return folder / "index.html"


def _folder(runs: list[Path]) -> Path:
    if len(runs) == 1:
        return runs[0]
    return runs[0].with_name(run_names.made((r.resolve().name for r in runs), run_names.LONGEST))
