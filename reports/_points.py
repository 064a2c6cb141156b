"""Figures of points: what quality costs, and what it goes with in what is recommended."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from coldbench.results.rounding import plain

from ._costs import cost, frontier, idle
from ._labels import below, colours, frame, name_dots
from ._setting import SettingResults
from ._svg import GREY, INK, MUTED, Drawing, drawn
from ._values import metric_name


def pareto(setting: SettingResults) -> Drawing | None:
    """Quality against the time that one new user takes: adapting and scoring."""
    metric = setting.results.headline
    levels = setting.levels.filter(shots=setting.max_shots)
    rows = [
        {"method": row["method"], "ms": ms, "ms_p95": ms + (0 if idle(row) else _tail(row)),
         "nothing_to_adapt": idle(row), "state_bytes_per_user": row["state_bytes_per_user"]}
        for row in setting.of(setting.results.costs).iter_rows(named=True)
        if (ms := cost(row)) is not None
    ]  # fmt: skip
    costs = pl.DataFrame(rows, _COST)
    table = levels.select("method", "value", "low", "high", "placed").join(
        costs, "method", maintain_order="left"
    )
    if table.is_empty():
        return None
    low, high = frame(setting)
    bright = colours(setting)
    inside = table.filter(pl.col("value") >= low)
    outside = table.filter(pl.col("value") < low)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.set_ylim(low, high)
        for row in inside.iter_rows(named=True):
            colour = bright.get(row["method"], MUTED)
            axes.plot([row["ms"], row["ms_p95"]], [row["value"]] * 2, "-", color=colour, lw=1)
            axes.plot([row["ms"]] * 2, [row["low"], row["high"]], "-", color=GREY, lw=0.7)
            size = min(14, 4 + (row["state_bytes_per_user"] or 0) ** 0.22)
            axes.plot(row["ms"], row["value"], "o", color=colour, ms=size, zorder=3)
        steps = frontier(inside.select("ms", "value").rows())
        axes.step([s[0] for s in steps], [s[1] for s in steps], "-", where="post", color=INK,
                  lw=0.9, alpha=0.6, zorder=2)  # fmt: skip
        left, right = axes.get_xlim()
        axes.set_xlim(left / 1.3, right * 2)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,g}")
        axes.set_xlabel("ms for one new user: adapting and scoring (median; whisker: 95th "
                        "percentile of adapting)")  # fmt: skip
        axes.set_ylabel(f"{metric_name(metric)} at K = {setting.max_shots}")
        dots = {m: (x, y) for m, x, y in inside.select("method", "ms", "value").rows()}
        ends = dict(inside.select("method", "ms_p95").rows())
        name_dots(figure, axes, dots, bright, ends=ends)
        below(axes, [f"{m} {plain(v)}" for m, v in outside.select("method", "value").iter_rows()])

    words = (
        "What quality costs",
        setting.note,
        "Up and left is better. The staircase joins the methods that no other beats in both, where "
        "a tenth more time counts as the same; "
        "thin vertical lines are 95 % intervals; the larger the dot, the larger the state kept "
        "for a user. In a crowd a grey dot may have no name: the table has them all.",
    )
    return drawn(setting, "pareto", words, table, (6.4, 4.2), draw)


_COST = {"method": pl.String, "ms": pl.Float64, "ms_p95": pl.Float64,
         "nothing_to_adapt": pl.Boolean, "state_bytes_per_user": pl.Float64}  # fmt: skip


def _tail(row: dict[str, float]) -> float:
    return max(0.0, (row["adapt_ms_p95"] or 0) - row["adapt_ms_p50"])


def exposure(setting: SettingResults) -> Drawing | None:
    """Quality against how popular, how varied and how unequal what is recommended is."""
    levels = setting.levels.filter(shots=setting.max_shots)
    table = setting.of(setting.results.exposure).join(
        levels.select("method", "value", "low", "high"), "method", maintain_order="left"
    )
    table = table.select("method", *_SEEN, "value", "low", "high").drop_nulls("value")
    if table.is_empty():
        return None
    low, high = frame(setting)
    bright = colours(setting)
    inside = table.filter(pl.col("value") >= low, pl.col("method") != "chance")

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(_SEEN), sharey=True)
        panels[0].set_ylim(low, high)
        for axes, (column, label) in zip(panels, _SEEN.items(), strict=True):
            for method, x, y in inside.select("method", column, "value").iter_rows():
                colour = bright.get(method, GREY)
                axes.plot(x, y, "o", color=colour, ms=6 if method in bright else 4.5, zorder=3)
            axes.margins(x=0.25)
            for x in table.filter(method="chance")[column]:
                _chance(axes, x)
            axes.locator_params(axis="x", nbins=5)
            axes.set_xlabel(label)
        panels[0].set_ylabel(f"{metric_name(setting.results.headline)} at K = {setting.max_shots}")
        outside = table.filter(pl.col("value") < low).select("method", "value")
        below(panels[0], [f"{m} {plain(v)}" for m, v in outside.iter_rows()], 2)
        for axes, column in zip(panels, _SEEN, strict=True):
            dots = {m: (x, y) for m, x, y in inside.select("method", column, "value").iter_rows()}
            name_dots(figure, axes, dots, bright, only=True)

    words = (
        "What is recommended, and how good it is",
        f"Of the five items shown first to each new user at K = {setting.max_shots}. "
        f"{setting.note}",
        "Left: 1 is the most popular item of all that could be shown, 0 the least. Middle: items "
        "that anyone is shown, of all that could be. Right: 0 shows every item equally often, near "
        "1 a few take every place. A method far to the right of chance (where its line is missing: "
        "beyond the frame, at the arrow) buys quality by showing what is popular.",
    )
    return drawn(setting, "exposure", words, table, (9.6, 3.6), draw)


_SEEN = {
    "popularity": "popularity of what is shown",
    "coverage": "share of the catalogue shown",
    "gini": "inequality of what is shown (Gini)",
}


def _chance(axes: Axes, x: float) -> None:
    """A line where it is in the range of the methods, else an arrow to where it would be."""
    left, right = axes.get_xlim()
    if left <= x <= right:
        axes.axvline(x, color=MUTED, ls=":", lw=1.2)
        axes.text(x, 1.01, "chance", transform=axes.get_xaxis_transform(), ha="center", size=7.5,
                  color=MUTED)  # fmt: skip
        return
    side, arrow = (1.0, f"chance {plain(x)} →") if x > right else (0.0, f"← chance {plain(x)}")
    axes.text(side, 1.01, arrow, transform=axes.transAxes, ha="right" if side else "left",
              size=7.5, color=MUTED)  # fmt: skip
