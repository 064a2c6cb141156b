"""How a figure is drawn and kept: one look, SVG and PNG with the same bytes every time."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import log10
from typing import Any

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from coldbench.gains import REFERENCE

from ._parts import FLOOR, Part

INK, MUTED, GREY, FAINT = "#1f2933", "#7b8794", "#b4bcc5", "#dfe3e8"  # recoloured in the dark
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe & Ito
STYLE: Any = {
    "font.family": "DejaVu Sans", "font.size": 9, "svg.fonttype": "none",
    "svg.hashsalt": "coldbench",
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.linewidth": 0.8, "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "text.color": INK, "text.parse_math": False,
    "axes.grid": True, "grid.color": FAINT, "grid.linewidth": 0.6, "axes.axisbelow": True,
    "figure.facecolor": "none", "axes.facecolor": "none", "axes.formatter.use_mathtext": False,
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    name: str
    title: str
    caption: str
    how: str  # how to read it
    table: pl.DataFrame  # what is drawn
    svg: str
    png: bytes


def drawn(
    part: Part,
    name: str,
    words: tuple[str, str, str],
    table: pl.DataFrame,
    size: tuple[float, float],
    draw: Callable[[Figure], None],
) -> Drawing:
    """`words`: title, caption and how to read it. `draw` puts it on the figure."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        if part.stamp:
            figure.text(
                0.995, 0.995, "LIMITED", color=COLOURS[1], weight="bold", ha="right", va="top"
            )
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    title, caption, how = words
    return Drawing(name, title, caption, how, table, svg.getvalue(), png.getvalue())


def inline(svg: str) -> str:
    """The SVG as a page that forbids style attributes can hold it: attributes instead."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns:xlink="[^"]*"', "", body).replace("xlink:href", "href")
    body = re.sub(r' style="([^"]*)"', lambda found: _attributes(found[1]), body)
    body = re.sub(r' id="(?:figure|axes|patch|line2d|text|matplotlib|xtick|ytick|PathCollection|'
                  r'LineCollection|FillBetweenPolyCollection)[^"]*"', "", body)  # fmt: skip
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 role="img">', body, count=1)


def _attributes(style: str) -> str:
    found = []
    for rule in style.split(";"):
        name, _, value = rule.strip().partition(":")
        value = value.strip().replace("&quot;", "'")
        if name == "font":
            weight = " font-weight='bold'" if "bold" in value or "700" in value else ""
            size = re.search(r"([\d.]+)px", value)
            found.append(f" font-size='{size[1] if size else 9}'{weight}")
        elif name and name not in ("font-family", "white-space"):
            found.append(f' {name}="{value}"')
    return "".join(found)


def colours(part: Part) -> dict[str, str]:
    """The best five methods at the largest K have colours of their own, in every figure."""
    if not part.shots:
        return {}
    levels = part.levels.filter(shots=part.shots[-1])
    ranked = levels.sort("value", descending=True, maintain_order=True)
    best = [m for m in ranked["method"] if m not in FLOOR][: len(COLOURS) - 1]
    return {REFERENCE: INK} | dict(zip(best, COLOURS, strict=False))


def frame(part: Part) -> tuple[float, float]:
    """The range of the headline metric worth the room: around item-bias and what is above it."""
    levels = part.levels
    near = levels.filter(~pl.col("method").is_in([m for m in FLOOR if m != REFERENCE]))
    near = near if len(near) else levels
    top = float(near.select(pl.coalesce("high", "value").max()).item())
    low = float(near.select(pl.coalesce("low", "value").min()).item())
    base = near.filter(method=REFERENCE)["value"]
    if len(base):
        low = max(low, float(base.min()) - 2 * max(top - float(base.max()), 0.02))  # type: ignore[arg-type]
    pad = 0.05 * max(top - low, 0.01)
    return low - pad, top + pad


def spread(places: list[float], gap: float) -> list[float]:
    """The places moved as little as needed to be `gap` apart, order kept."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = list(places)
    for _ in range(200):
        still = True
        for a, b in pairwise(order):
            short = gap - (moved[b] - moved[a])
            if short > 1e-9:
                moved[a] -= short / 2
                moved[b] += short / 2
                still = False
        if still:
            break
    return moved


def end_labels(axes: Axes, ends: list[tuple[str, float, str]], x: float, height: float) -> None:
    """Names at the right end of lines, kept apart; `height` of the axes in points."""
    low, high = axes.get_ylim()
    log = axes.get_yscale() == "log"
    share = [_share(y, low, high, log=log) for _, y, _ in ends]
    for (name, y, colour), at in zip(ends, spread(share, 11.5 / height), strict=True):
        axes.annotate(
            name, (x, y), xytext=(1.03, at), textcoords="axes fraction", va="center",
            color=colour, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": FAINT, "lw": 0.6, "shrinkA": 0, "shrinkB": 3},
        )  # fmt: skip


def _share(y: float, low: float, high: float, *, log: bool) -> float:
    return (log10(y / low) / log10(high / low)) if log else (y - low) / (high - low)


def below(axes: Axes, names: list[str]) -> None:
    """Says in the figure what it leaves out."""
    if names:
        lines = [", ".join(names[at : at + 4]) for at in range(0, len(names), 4)]
        axes.text(
            0.01, 0.015, "below the frame: " + ",\n".join(lines), transform=axes.transAxes,
            color=MUTED, size=7.5, va="bottom",
        )  # fmt: skip
