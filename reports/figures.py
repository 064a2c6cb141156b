"""Figures of every section and of the run as a whole; each as PNG, SVG and the CSV behind it."""

from collections.abc import Iterator
from pathlib import Path

from coldbench.report import Report
from coldbench.results import Results

from ._draw import Drawing
from ._pictures import pictures, run_pictures
from ._safe import inert, slug


class Figures(Report):
    format = "png"

    def write(self, results: Results, folder: Path) -> list[Path]:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        written = []
        for where, drawing in _all(results):
            name = f"{where}-{drawing.name}"
            png, svg, csv = (folder / "figures" / f"{name}.{end}" for end in ("png", "svg", "csv"))
            png.write_bytes(drawing.png)
            svg.write_text(drawing.svg, encoding="utf-8")
            inert(drawing.table).write_csv(csv)
            written += [png, svg, csv]
        return written


def _all(results: Results) -> Iterator[tuple[str, Drawing]]:
    for (dataset, protocol), drawings in pictures(results).items():
        yield from ((f"{slug(dataset)}-{slug(protocol)}", drawing) for drawing in drawings)
    yield from (("run", drawing) for drawing in run_pictures(results))
