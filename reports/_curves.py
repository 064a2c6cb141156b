"""Figures of lines: quality against labels, users above a threshold, throughput."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from coldbench.results.paired import BASELINE
from coldbench.results.rounding import plain

from ._costs import NOTHING, idle
from ._labels import below, colours, end_labels, frame, short
from ._setting import BASELINES, SettingResults
from ._svg import GREY, MUTED, Drawing, drawn
from ._values import metric_name


def kshot(setting: SettingResults) -> Drawing:
    """Quality against the number of labels."""
    metric = setting.results.headline
    table = setting.levels.select(
        "method", "shots", "value", "low", "high", "users", "seeds", "placed"
    )
    bright, shots = colours(setting), setting.shots
    best = next((method for method in bright if method != BASELINE), "")
    outside: list[str] = []

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        low, high = frame(setting)
        axes.set_ylim(low, high)
        ends = []
        for method in dict.fromkeys(table["method"]):
            rows = table.filter(method=method).sort("shots")
            x, y = [shots.index(k) for k in rows["shots"]], rows["value"].to_list()
            if max(y) < low:
                outside.append(f"{method} {plain(y[-1])}")
                continue
            colour = bright.get(method, GREY)
            if method == "chance":
                axes.plot(x, y, ":", color=MUTED, lw=1.4)
            elif method == BASELINE:
                axes.plot(x, y, "--", color=colour, lw=1.6, zorder=4)
            elif method in bright:
                if method == best:
                    axes.fill_between(x, rows["low"], rows["high"], color=colour, alpha=0.13, lw=0)
                axes.plot(x, y, "o-", color=colour, lw=1.8, ms=3.5, zorder=5)
            else:
                axes.plot(x, y, "-", color=GREY, lw=1, zorder=2)
            if method in bright or method == "chance":
                ends.append((method, y[-1], MUTED if method == "chance" else colour))
        axes.set_xticks(range(len(shots)), [str(k) for k in shots])
        axes.set_xlim(-0.15, len(shots) - 0.9)
        axes.set_xlabel("K, labels of the new user")
        axes.set_ylabel(metric_name(metric))
        axes.grid(axis="x", visible=False)
        end_labels(axes, ends, len(shots) - 1, 250)
        below(axes, outside)

    words = (
        f"{metric_name(metric)} against the number of labels",
        setting.note,
        f"Band: 95 % over users, of the best method; the table has all. Dashed: {BASELINE}. The "
        "best five methods have a colour, the others are grey. The axis starts near what is worth "
        "comparing, not at chance. Overlapping bands prove nothing: all methods have the "
        "same users, so trust the paired differences.",
    )
    return drawn(setting, "kshot", words, table, (6.4, 4.2), draw)


def profile(setting: SettingResults) -> Drawing | None:
    """The share of users that a method serves better than each threshold."""
    table = setting.of(setting.results.profiles).select(
        "method", "threshold", "share", "low", "high"
    )
    if table.is_empty():
        return None
    bright = {m: c for m, c in colours(setting).items() if m in set(table["method"])}
    base = table.filter(method=BASELINE).select("threshold", base="share")
    beside = table.join(base, "threshold", maintain_order="left")
    beside = beside.with_columns(less=100 * (pl.col("share") - pl.col("base")))
    near = beside.filter(~pl.col("method").is_in(BASELINES), pl.col("base").is_not_null())

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, 1 if near.is_empty() else 2, squeeze=False)[0]
        shown = (("share", table), ("less", near))
        for axes, (column, rows) in zip(panels, shown, strict=False):
            for method in sorted(dict.fromkeys(rows["method"]), key=lambda m: m in bright):
                x, y = rows.filter(method=method).select("threshold", column)
                line = "--" if method == BASELINE else ":" if method in BASELINES else "-"
                axes.plot(x, y, line, color=bright.get(method, GREY),
                          lw=1.7 if method in bright else 0.9)  # fmt: skip
            axes.set_xlabel(f"threshold of {metric_name(setting.results.headline)}")
        panels[0].set_ylabel("share of users above it")
        panels[0].yaxis.set_major_formatter(lambda y, _: f"{100 * y:.0f} %")
        if len(panels) > 1:
            panels[1].axhline(0, color=bright[BASELINE], ls="--", lw=1.7)
            panels[1].set_ylabel(f"points more than {BASELINE}")
            panels[1].yaxis.set_major_formatter(
                lambda y, _: f"{y:+g}".replace("-", "−") if y else "0"
            )
        lines = {m: "--" if m == BASELINE else "-" for m in bright}
        panels[0].legend(
            [Line2D([], [], color=bright[m], ls=line) for m, line in lines.items()],
            [short(m) for m in bright], loc="lower left", frameon=False, fontsize=8,
            labelcolor="linecolor",
        )  # fmt: skip

    words = (
        "How many users get how much",
        f"At K = {setting.max_shots}. {setting.note}",
        f"Left: the higher a curve, the more users the method serves better than the threshold; a "
        f"mean cannot tell a few users lost from all served a little worse. Right: the same less "
        f"{BASELINE}'s share. Dotted: methods that know less than {BASELINE}. The table has the "
        "intervals.",
    )
    return drawn(setting, "profile", words, table, (9.2, 3.6), draw)


def throughput(setting: SettingResults) -> Drawing | None:
    """Users adapted to in a second against users at once."""
    costs = setting.of(setting.results.costs)
    still = [row["method"] for row in costs.iter_rows(named=True) if idle(row)]
    costs = costs.filter(~pl.col("method").is_in(still)).select("method", "by_batch")
    table = costs.explode("by_batch").drop_nulls().unnest("by_batch")
    if table.is_empty():
        return None
    bright = colours(setting)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        ends = []
        for method in dict.fromkeys(table["method"]):
            rows = table.filter(method=method)
            x, y = rows["users"].to_list(), rows["users_per_second"].to_list()
            colour = bright.get(method, GREY)
            line = "--" if method == BASELINE else "-"
            width, dot, layer = (1.8, 3, 4) if method in bright else (1, 2, 2)
            axes.plot(x, y, line, color=colour, marker="o", lw=width, ms=dot, zorder=layer)
            if method in bright:
                ends.append((method, y[-1], colour, x[-1]))
        ticks = sorted(table["users"].unique())
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("users adapted to at once")
        axes.set_ylabel("users a second")
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:,.0f}" if y >= 1 else f"{y:g}")
        axes.set_ylim(*axes.get_ylim())
        end_labels(axes, [(m, y, c) for m, y, c, _ in ends], ticks[-1], 215)

    words = (
        "Users adapted to in a second, against users at once",
        f"One timed cell a method, at the largest K of {setting.title}."
        + (f" {NOTHING.capitalize()}, and left out: {', '.join(still)}." if still else "")
        + setting.stamp,
        "A line that rises gains from batching; a flat one does its users one after another.",
    )
    return drawn(setting, "throughput", words, table, (7.4, 3.6), draw)
