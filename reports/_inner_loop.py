"""Figures of what happens inside a method: its inner loop step by step, its adapter's rank."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from coldbench.cell import TRACED

from ._labels import end_labels, short
from ._setting import SettingResults
from ._svg import COLOURS, MUTED, Drawing, drawn
from ._values import metric_name

MOST = 8  # methods that stand side by side


def steps(setting: SettingResults) -> Drawing | None:
    """Losses and quality after each step of an inner loop."""
    every = setting.of(setting.results.steps).drop("dataset", "protocol")
    traced = set(every["method"])
    traced_methods = [m for m in setting.ranked["method"].to_list() if m in traced]
    methods = traced_methods[:MOST]
    table = every.filter(pl.col("method").is_in(methods))
    if table.is_empty():
        return None
    n = len(methods)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(2, n, sharex="col", sharey="row", squeeze=False)
        for (loss, quality), method in zip(panels.T, methods, strict=True):
            rows = table.filter(method=method).sort("step")
            x = rows["step"]
            loss.plot(x, rows["support_loss"], "o--", color=MUTED, lw=1.2, ms=3, mfc="none")
            loss.plot(x, rows["query_loss"], "o-", color=COLOURS[1], lw=1.5, ms=3)
            quality.plot(x, rows["value"], "o-", color=COLOURS[0], lw=1.5, ms=3)
            loss.set_title(short(method, 22), size=9, loc="left")
            quality.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            for axes in (loss, quality):
                axes.margins(x=0.08, y=0.12)
                axes.locator_params(axis="y", nbins=5)
        panels[0, 0].set_ylabel("log-loss")
        panels[1, 0].set_ylabel(metric_name(setting.results.headline))
        figure.supxlabel("steps of the inner loop", size=9)
        handles = [Line2D([], [], color=MUTED, ls="--", marker="o", mfc="none", ms=4),
                   Line2D([], [], color=COLOURS[1], marker="o", ms=4),
                   Line2D([], [], color=COLOURS[0], marker="o", ms=4)]  # fmt: skip
        figure.legend(handles, ["support, learnt from", "query, judged on", "quality of the query"],
                      loc="outside upper left", ncols=3, frameon=False, fontsize=8)  # fmt: skip

    left_out = f" The best {n} of {len(traced_methods)} traced methods are shown." * (
        len(traced_methods) > n
    )
    words = (
        "Inside the inner loop, step by step",
        f"Means over the first {TRACED} users of one cell a method, at K = {setting.max_shots}; "
        f"the losses are those of the scores, whatever loss a method follows.{left_out} "
        f"{setting.note}",
        "Above: a support loss that falls while the query's stays or rises is learning by heart. "
        "Below: a loss can fall and the order of the items stay as it was, since quality looks at "
        "their order alone. Rows share an axis.",
    )
    return drawn(setting, "steps", words, table, (max(5.0, 1.2 + 1.45 * n), 4.0), draw)


def ranks(setting: SettingResults) -> Drawing | None:
    """Memory and quality against the rank of an adapter."""
    known: dict[str, dict[str, int]] = {}  # method -> row -> rank
    for cell in setting.cells():
        if type(rank := cell.spec.params.get("rank")) is int:
            known.setdefault(cell.spec.method, {})[cell.name] = rank
    several = {m: rows for m, rows in known.items() if len(set(rows.values())) > 1}
    families = {row: (m, rank) for m, rows in several.items() for row, rank in rows.items()}
    levels = setting.levels.filter(shots=setting.max_shots).select("method", "value", "low", "high")
    state = setting.of(setting.results.costs).select("method", "state_bytes_per_user")
    table = levels.filter(pl.col("method").is_in(list(families))).join(
        state, "method", "left", maintain_order="left"
    )
    if table.is_empty():
        return None
    table = table.with_columns(
        adapter=pl.col("method").map_elements(lambda row: families[row][0], pl.String),
        rank=pl.col("method").map_elements(lambda row: families[row][1], pl.Int64),
    ).sort("adapter", "rank", maintain_order=True)
    ticks = sorted(set(table["rank"]))

    def draw(figure: Figure) -> None:
        memory, quality = figure.subplots(1, 2)
        ends = []
        for at, name in enumerate(dict.fromkeys(table["adapter"])):
            rows, colour = table.filter(adapter=name), COLOURS[at % len(COLOURS)]
            x = [ticks.index(rank) for rank in rows["rank"]]
            kept = [b / 1024 if b else float("nan") for b in rows["state_bytes_per_user"]]
            memory.plot(x, kept, "o-", color=colour, lw=1.6, ms=4)
            shift = [place + 0.06 * at for place in x]
            quality.vlines(shift, rows["low"].to_list(), rows["high"].to_list(), color=colour, lw=1)
            quality.plot(shift, rows["value"], "o-", color=colour, lw=1.6, ms=4)
            ends.append((short(name), rows["value"][-1], colour))
        for axes in (memory, quality):
            axes.set_xticks(range(len(ticks)), [str(tick) for tick in ticks])
            axes.set_xlabel("rank")
            axes.margins(x=0.1)
        memory.set_yscale("log")
        memory.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
        memory.set_ylabel("state kept for a user, KiB")
        quality.set_ylabel(f"{metric_name(setting.results.headline)} at K = {setting.max_shots}")
        quality.set_ylim(*quality.get_ylim())
        end_labels(quality, ends, quality.get_xlim()[1], 200)

    words = (
        "What an adapter's rank costs and brings",
        setting.note,
        "Left: memory kept for each user, on a log scale; where it was not timed there is no line. "
        "Right: quality with its 95 % interval. A rank is worth its memory only where the right "
        "line rises by more than the intervals leave open.",
    )
    return drawn(setting, "ranks", words, table, (8.2, 3.4), draw)
