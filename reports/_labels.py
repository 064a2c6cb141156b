"""Where things go in a figure: its colours, its range, and names that do not cover each other."""

from itertools import pairwise
from math import log10

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from coldbench.results.paired import BASELINE

from ._setting import BASELINES, SettingResults
from ._svg import COLOURS, FAINT, GREY, INK, MUTED

Box = tuple[float, float, float, float]  # left, bottom, right, top, in points


def colours(setting: SettingResults) -> dict[str, str]:
    """The best five methods at the largest K have colours of their own, in every figure."""
    if not setting.shots:
        return {}
    best = [method for method in setting.ranked["method"] if method not in BASELINES][
        : len(COLOURS) - 1
    ]
    return {BASELINE: INK} | dict(zip(best, COLOURS, strict=False))


def short(text: str, most: int = 30) -> str:
    """Words of others, cut to what a figure has room for."""
    return text if len(text) <= most else text[: most - 1] + "…"


def adapting(setting: SettingResults, methods: list[str]) -> list[str]:
    """Those of `methods` that labels move: neither told to ignore them nor seen to."""
    still = (
        setting.of(setting.results.adaptation).filter(verdict="does not adapt")["method"].to_list()
    )
    deaf = [cell.name for cell in setting.cells() if cell.facts.get("adapts") is False]
    return [m for m in methods if m not in {*still, *deaf, *BASELINES}]


def frame(setting: SettingResults) -> tuple[float, float]:
    """The range of the headline metric worth the room: around item-bias and what is above it."""
    levels = setting.levels
    near = levels.filter(~pl.col("method").is_in([m for m in BASELINES if m != BASELINE]))
    near = near if len(near) else levels
    top = float(near.select(pl.coalesce("high", "value").max()).item())
    low = float(near.select(pl.coalesce("low", "value").min()).item())
    base = near.filter(method=BASELINE)["value"]
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


def below(axes: Axes, names: list[str], across: int = 4) -> None:
    """Says in the figure what it leaves out."""
    if names:
        lines = [", ".join(names[at : at + across]) for at in range(0, len(names), across)]
        axes.text(
            0.01, 0.015, "below the frame: " + ",\n".join(lines), transform=axes.transAxes,
            color=MUTED, size=8, va="bottom", in_layout=False,
        )  # fmt: skip


def name_dots(
    figure: Figure,
    axes: Axes,
    dots: dict[str, tuple[float, float]],
    colours: dict[str, str],
    *,
    ends: dict[str, float] | None = None,
    only: bool = False,
) -> None:
    """A name beside each dot, where it covers no other name and no dot; else further out.

    ends: how far to the right each dot's whisker reaches. only: name only what has a colour. In a
    crowd a grey dot without a free place beside it goes without a name.
    """
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    places = {m: axes.transData.transform(xy) * scale for m, xy in dots.items()}
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in places.values()]
    for method, right in (ends or {}).items():
        x, y = places[method]
        end = axes.transData.transform((right, dots[method][1]))[0] * scale
        taken.append((x, y - 1, end, y + 1))
    room = (axes.bbox.x0 * scale, axes.bbox.y0 * scale, axes.bbox.x1 * scale, axes.bbox.y1 * scale)
    for method in sorted(places, key=lambda m: (m not in colours, -places[m][1])):
        if only and method not in colours:
            continue
        x, y = places[method]
        width = 5.3 * len(method)
        may_lack = len(dots) > CROWD and method not in colours
        for dx, dy in _NEAR if may_lack else _NEAR + _FAR:
            left = x + dx if dx > 0 else x + dx - width
            box = (left, y + dy - 5, left + width, y + dy + 5)
            if _inside(box, room) and not any(_cross(box, other) for other in taken):
                break
        else:
            if may_lack:
                continue
        taken.append(box)
        axes.annotate(
            method, dots[method], xytext=(dx, dy), textcoords="offset points", size=8,
            ha="left" if dx > 0 else "right", va="center", zorder=6,
            color=colours.get(method, MUTED),
            arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.6} if abs(dy) > 12 else None,
        )  # fmt: skip


CROWD = 24  # dots, from which on not every name finds a place
_NEAR = [(5.0, 11.0), (5.0, -11.0), (-8.0, 0.0), (-5.0, 11.0), (-5.0, -11.0), (9.0, 0.0)]
_FAR = [
    (side, lift * sign)
    for lift in (16.0, 22.0, 30.0, 38.0, 48.0, 60.0)
    for side in (8.0, -8.0)
    for sign in (1, -1)
]


def _cross(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _inside(box: Box, room: Box) -> bool:
    return box[0] > room[0] and box[1] > room[1] and box[2] < room[2] and box[3] < room[3]
