"""How a figure is drawn and kept: one look, SVG and PNG with the same bytes every time."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib as mpl
import polars as pl
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine

from coldbench.meanwhile import begun
from coldbench.results.results import Results

from ._escape import xml
from ._setting import SettingResults

INK, MUTED, GREY, FAINT = "#1f2933", "#7b8794", "#b4bcc5", "#dfe3e8"  # recoloured in the dark
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe & Ito
PIXELS = 1.4  # on the page for a point of a figure, so that letters are of one size in all of them
STYLE: Any = {
    "font.family": "DejaVu Sans", "font.size": 9, "svg.fonttype": "none",
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.linewidth": 0.8, "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "text.color": INK, "text.parse_math": False,
    "axes.grid": True, "grid.color": FAINT, "grid.linewidth": 0.6, "axes.axisbelow": True,
    "figure.facecolor": "none", "axes.facecolor": "none", "axes.formatter.use_mathtext": False,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture; its files are made when they are first asked for, or from `begin` on."""

    name: str
    title: str
    caption: str
    how: str  # how to read it
    table: pl.DataFrame  # what is drawn
    figure: Figure  # not laid out yet
    salt: str  # what sets the ids of its SVG apart from those of a page's other pictures

    def begin(self) -> "Drawing":
        """Have both files made meanwhile."""
        figure, salt = self.figure, self.salt
        vars(self)["files"] = begun(lambda: (_svg(figure, salt), _png(figure)))
        return self

    @cached_property
    def svg(self) -> str:
        begun_files = vars(self).get("files")
        return begun_files()[0] if begun_files else _svg(self.figure, self.salt)

    @cached_property
    def png(self) -> bytes:
        begun_files = vars(self).get("files")
        return begun_files()[1] if begun_files else _png(self.figure)


def lay_out(figure: Figure) -> Figure:
    """The figure laid out, once: SVG and PNG alike, whichever comes first."""
    layout = figure.get_layout_engine()
    if layout and not isinstance(layout, PlaceHolderLayoutEngine):
        with mpl.rc_context(STYLE):
            layout.execute(figure)
        figure.set_layout_engine("none")
    return figure


def _svg(figure: Figure, salt: str) -> str:
    kept = io.StringIO()
    with mpl.rc_context(STYLE | {"svg.hashsalt": salt}):
        lay_out(figure).savefig(kept, format="svg", metadata={"Date": None, "Creator": None})
    return xml(kept.getvalue())


def _png(figure: Figure) -> bytes:
    kept = io.BytesIO()
    with mpl.rc_context(STYLE):
        lay_out(figure).savefig(
            kept, format="png", dpi=150, facecolor="white", metadata={"Software": None}
        )
    return kept.getvalue()


def drawn(
    of: SettingResults | Results,
    name: str,
    words: tuple[str, str, str],
    table: pl.DataFrame,
    size: tuple[float, float],
    draw: Callable[[Figure], None],
) -> Drawing:
    """`words`: title, caption and how to read it. `draw` puts it on the figure."""
    results, where = (of, of.name) if isinstance(of, Results) else (of.results, of.title)
    return laid_out(name, words, table, size, draw, salt=where, limited=results.limit is not None)


def laid_out(
    name: str,
    words: tuple[str, str, str],
    table: pl.DataFrame,
    size: tuple[float, float],
    draw: Callable[[Figure], None],
    *,
    salt: str,
    limited: bool = False,
) -> Drawing:
    """The same for what belongs to no run's results; `salt` is what it is of."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        if limited:
            figure.suptitle("LIMITED", x=0.995, ha="right", size=9, color=COLOURS[1], weight="bold")
    title, caption, how = words
    return Drawing(name, title, caption, how, table, figure, f"{salt} {name}")


def inline(svg: str) -> str:
    """The SVG as a page that forbids style attributes can hold it: attributes instead.

    Only tags are touched: what a figure says is shown as it is written.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', body))
    body = re.sub(r"<[^>]+>", lambda match: _tag(match[0], used), body)
    return re.sub(r">\s+<", "><", body)


def _tag(tag: str, used: set[str]) -> str:
    if tag.startswith("<svg"):
        box = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) [\d.]+"', tag)
        assert box, "matplotlib writes a viewBox"
        return f'<svg {box[0]} width="{round(float(box[1]) * PIXELS)}" role="img">'
    tag = tag.replace("\n", "").replace("xlink:href", "href")
    tag = re.sub(r' style="([^"]*)"', lambda match: _attributes(match[1]), tag)
    tag = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", tag)
    # a marker takes its colour from where it is used: rules of a page do not reach its definition
    tag = re.sub(r'(<path id="m[^>]*?) stroke="[^"]*"', r"\1", tag)
    tag = re.sub(r' transform="rotate\(-?0 [^"]*"', "", tag)
    return re.sub(r"(\.\d\d)\d+", r"\1", tag)  # hundredths of a point are enough


def _attributes(style: str) -> str:
    attributes = []
    for rule in style.split(";"):
        name, _, value = rule.strip().partition(":")
        value = value.strip().replace("&quot;", "'")
        if name == "font":
            weight = " font-weight='bold'" if "bold" in value or "700" in value else ""
            size = re.search(r"([\d.]+)px", value)
            attributes.append(f" font-size='{size[1] if size else 9}'{weight}")
        elif name and name not in ("font-family", "white-space"):
            attributes.append(f' {name}="{value}"')
    return "".join(attributes)
