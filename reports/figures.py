"""Figures: quality against labels, against cost, what labels are worth; PNG, SVG and their CSV."""

from pathlib import Path

from coldbench.report import Report
from coldbench.results import Results

from ._parts import parts
from ._pictures import pictures
from ._safe import inert, slug


class Figures(Report):
    format = "png"

    def write(self, results: Results, folder: Path) -> list[Path]:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        written = []
        for part in parts(results):
            for drawing in pictures(results)[part.dataset, part.protocol]:
                name = f"{slug(part.dataset)}-{slug(part.protocol)}-{drawing.name}"
                png, svg, csv = (
                    folder / "figures" / f"{name}.{end}" for end in ("png", "svg", "csv")
                )
                png.write_bytes(drawing.png)
                svg.write_text(drawing.svg, encoding="utf-8")
                inert(drawing.table).write_csv(csv)
                written += [png, svg, csv]
        return written
