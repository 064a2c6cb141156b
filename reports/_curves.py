"""Figures of lines: quality against labels, and throughput against users at once."""

from matplotlib.figure import Figure

from coldbench.gains import REFERENCE, plain

from ._draw import GREY, MUTED, Drawing, below, colours, drawn, end_labels, frame
from ._parts import Part, metric_name


def kshot(part: Part) -> Drawing:
    metric = part.results.headline
    table = part.levels.select(
        "method", "shots", "value", "low", "high", "users", "seeds", "placed"
    )
    bright, shots = colours(part), part.shots
    best = next((method for method in bright if method != REFERENCE), "")
    outside: list[str] = []

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        low, high = frame(part)
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
            elif method == REFERENCE:
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
        part.note,
        f"Band: 95 % over users, of the best method; the table has all. Dashed: {REFERENCE}. The "
        "best five methods have a colour, the others are grey. The axis starts near what is worth "
        "comparing, not at chance. Overlapping bands prove nothing: all meet the same users, so "
        "trust the paired differences.",
    )
    return drawn(part, "kshot", words, table, (6.4, 4.2), draw)


def throughput(part: Part) -> Drawing | None:
    costs = part.of(part.results.costs).select("method", "by_batch").explode("by_batch")
    table = costs.drop_nulls().unnest("by_batch")
    if table.is_empty():
        return None
    bright = colours(part)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        ends = []
        for method in dict.fromkeys(table["method"]):
            rows = table.filter(method=method)
            x, y = rows["users"].to_list(), rows["users_per_second"].to_list()
            colour = bright.get(method, GREY)
            line = "--" if method == REFERENCE else "-"
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
        f"One timed cell a method, at the largest K of {part.title}.{part.stamp}",
        "A line that rises gains from batching; a flat one does its users one after another.",
    )
    return drawn(part, "throughput", words, table, (7.4, 3.6), draw)
