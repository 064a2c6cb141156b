"""Figures of points: what quality costs, and what the labels are worth."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from coldbench.gains import CERTAIN, OWN, REFERENCE, plain

from ._draw import COLOURS, GREY, INK, MUTED, Drawing, below, colours, drawn, frame
from ._parts import FLOOR, Part, metric_name

Box = tuple[float, float, float, float]  # left, bottom, right, top, in points


def pareto(part: Part) -> Drawing | None:
    metric = part.results.headline
    levels = part.levels.filter(shots=part.shots[-1] if part.shots else 0)
    costs = part.of(part.results.costs).select(
        "method", "adapt_ms_p50", "adapt_ms_p95", "state_bytes_per_user"
    )
    table = levels.select("method", "value", "low", "high", "placed").join(
        costs.drop_nulls("adapt_ms_p50"), "method", maintain_order="left"
    )
    if table.is_empty():
        return None
    low, high = frame(part)
    bright = colours(part)
    inside = table.filter(pl.col("value") >= low)
    outside = table.filter(pl.col("value") < low)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.set_ylim(low, high)
        for row in inside.iter_rows(named=True):
            colour = bright.get(row["method"], MUTED)
            axes.plot([row["adapt_ms_p50"], row["adapt_ms_p95"]], [row["value"]] * 2, "-",
                      color=colour, lw=1)  # fmt: skip
            axes.plot([row["adapt_ms_p50"]] * 2, [row["low"], row["high"]], "-", color=GREY, lw=0.7)
            size = 4 + (row["state_bytes_per_user"] or 0) ** 0.22
            axes.plot(row["adapt_ms_p50"], row["value"], "o", color=colour, ms=size, zorder=3)
        steps = _frontier(inside)
        axes.step([s[0] for s in steps], [s[1] for s in steps], "-", where="post", color=INK,
                  lw=0.9, alpha=0.6, zorder=2)  # fmt: skip
        left, right = axes.get_xlim()
        axes.set_xlim(left / 1.3, right * 2)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,g}")
        axes.set_xlabel("ms to adapt to one new user (median; whisker: 95th percentile)")
        axes.set_ylabel(f"{metric_name(metric)} at K = {part.shots[-1]}")
        _label(figure, axes, inside, bright)
        below(axes, [f"{m} {plain(v)}" for m, v in outside.select("method", "value").iter_rows()])

    words = (
        "What quality costs",
        part.note,
        "Up and left is better. The staircase joins the methods that no other beats in both; "
        "thin vertical lines are 95 % intervals; the larger the dot, the larger the state kept "
        "for a user.",
    )
    return drawn(part, "pareto", words, table, (6.4, 4.2), draw)


def _frontier(table: pl.DataFrame) -> list[tuple[float, float]]:
    steps: list[tuple[float, float]] = []
    for ms, value in table.sort("adapt_ms_p50").select("adapt_ms_p50", "value").iter_rows():
        if not steps or value > steps[-1][1]:
            steps.append((ms, value))
    return steps


def _label(figure: Figure, axes: Axes, table: pl.DataFrame, bright: dict[str, str]) -> None:
    """A name beside each dot, where it covers no other name and no dot; else further out."""
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    dots = {
        row["method"]: axes.transData.transform((row["adapt_ms_p50"], row["value"])) * scale
        for row in table.iter_rows(named=True)
    }
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in dots.values()]
    for row in table.iter_rows(named=True):  # the whiskers
        x, y = dots[row["method"]]
        end = axes.transData.transform((row["adapt_ms_p95"], row["value"]))[0] * scale
        taken.append((x, y - 1, end, y + 1))
    room = (axes.bbox.x0 * scale, axes.bbox.y0 * scale, axes.bbox.x1 * scale, axes.bbox.y1 * scale)
    first = sorted(dots, key=lambda method: (method not in bright, -dots[method][1]))
    for method in first:
        x, y = dots[method]
        width = 5.3 * len(method)
        for dx, dy in _NEAR + _FAR:
            left = x + dx if dx > 0 else x + dx - width
            box = (left, y + dy - 5, left + width, y + dy + 5)
            if _inside(box, room) and not any(_cross(box, other) for other in taken):
                break
        taken.append(box)
        axes.annotate(
            method, (x, y), xycoords=("figure points", "figure points"),
            xytext=(x + dx, y + dy), textcoords=("figure points", "figure points"), size=8,
            ha="left" if dx > 0 else "right", va="center", zorder=6,
            color=bright.get(method, MUTED),
            arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.6} if abs(dy) > 12 else None,
        )  # fmt: skip


_NEAR = [(5.0, 11.0), (5.0, -11.0), (-8.0, 0.0), (-5.0, 11.0), (-5.0, -11.0), (9.0, 0.0)]
_FAR = [
    (side, lift * sign)
    for lift in (16.0, 22.0, 30.0, 38.0, 48.0, 60.0)
    for side in (8.0, -8.0)
    for sign in (1, -1)
]


def _cross(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def gains(part: Part) -> Drawing | None:
    metric = part.results.headline
    table = part.of(part.results.gains, metric=metric, against=OWN).select(
        "method", "shots", "mean", "low", "high", "p_holm", "helped", "harmed", "users"
    )
    steady = part.of(part.results.moved).filter(verdict="does not adapt")["method"].to_list()
    known = {c.spec.method for c in part.results.cells if c.facts.get("adapts") is False}
    table = table.filter(~pl.col("method").is_in([*known, *FLOOR]), pl.col("mean").is_not_null())
    if table.is_empty():
        return None
    shots = sorted(table["shots"].unique())
    last = table.filter(shots=shots[-1]).sort("mean", maintain_order=True)["method"].to_list()
    methods = [m for m in dict.fromkeys(table["method"]) if m not in last] + last

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(shots), sharex=True, sharey=True, squeeze=False)[0]
        reach = table.filter(pl.col("low").is_not_null())
        left, right = float(reach["low"].min()), float(reach["high"].max())  # type: ignore[arg-type]
        width = max(right - min(left, 0), 1e-3)
        panels[0].set_xlim(min(left, 0) - 0.05 * width, max(right, 0) + 0.3 * width)
        for axes, k in zip(panels, shots, strict=True):
            axes.axvline(0, color=MUTED, lw=0.8)
            for row in table.filter(shots=k).iter_rows(named=True):
                y, sure = methods.index(row["method"]), (row["p_holm"] or 0) < CERTAIN
                colour = MUTED if not sure else COLOURS[0] if row["mean"] > 0 else COLOURS[1]
                axes.plot([row["low"], row["high"]], [y, y], "-", color=colour, lw=1.4)
                axes.plot(row["mean"], y, "o", color=colour, ms=4)
                axes.text(1, y, f"{row['harmed']:.0%}", transform=axes.get_yaxis_transform(),
                          size=7, ha="right", va="center", color=MUTED)  # fmt: skip
            axes.set_title(f"K = {k}", size=9, loc="left")
            axes.text(1, 1.01, "harmed", transform=axes.transAxes, size=7, ha="right", color=MUTED)
            axes.tick_params(length=0)
            axes.locator_params(axis="x", nbins=3)
        panels[0].set_ylim(-0.7, len(methods) - 0.3)
        panels[0].set_yticks(range(len(methods)), methods)
        figure.supxlabel(f"gain in {metric_name(metric)} over the method's own K = 0", size=9)

    stay = sorted(set(steady) - known)
    words = (
        "What the labels are worth",
        part.note + (f" Scores that hardly move: {', '.join(stay)}." if stay else ""),
        "Each dot is a paired difference with its 95 % interval; blue gains and orange losses are "
        "significant after Holm's correction, grey ones are not. Small numbers: the share of "
        "meetings that the labels harmed. "
        f"Methods that take no labels are left out; {REFERENCE} is one.",
    )
    size = (9.2, 1.2 + 0.23 * len(methods))
    return drawn(part, "gains", words, table, size, draw)


def _inside(box: Box, room: Box) -> bool:
    return box[0] > room[0] and box[1] > room[1] and box[2] < room[2] and box[3] < room[3]
