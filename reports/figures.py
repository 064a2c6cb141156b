"""Figures of every setting and of the run as a whole; each as PNG, SVG and the CSV behind it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from coldbench.report import Report
from coldbench.results.results import Results

from ._escape import inert, slug
from ._figures import pictures, run_pictures
from ._one_figure import names, one
from ._svg import Drawing
from ._tuning import of_trials


class Figures(Report):
    format = "png"

    def write(self, results: Results, folder: Path) -> list[Path]:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        written = []
        for where, drawing in _all(results):
            written += _kept(drawing, folder / "figures" / f"{where}-{drawing.name}")
        return written

    def names(self) -> list[str]:
        return names()

    def one(self, name: str) -> Callable[..., Figure]:
        """A function that draws one figure of results."""
        return one(name)

    def tuning(self, trials: pl.DataFrame, folder: Path) -> list[Path]:
        """The tuning-budget curve alone, of what no run has measured yet, into `folder`."""
        drawing = of_trials(trials, folder.name)
        return _kept(drawing, folder / drawing.name) if drawing else []


def _kept(drawing: Drawing, path: Path) -> list[Path]:
    png, svg, csv = (path.with_name(f"{path.name}.{end}") for end in ("png", "svg", "csv"))
    png.write_bytes(drawing.png)
    svg.write_text(drawing.svg, encoding="utf-8")
    inert(drawing.table).write_csv(csv)
    return [png, svg, csv]


def _all(results: Results) -> Iterator[tuple[str, Drawing]]:
    for (dataset, protocol), drawings in pictures(results).items():
        yield from ((f"{slug(dataset)}-{slug(protocol)}", drawing) for drawing in drawings)
    yield from (("run", drawing) for drawing in run_pictures(results))
