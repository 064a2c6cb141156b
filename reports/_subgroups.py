"""Figures of groups: items by how popular they are, users by kind."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from coldbench.results.paired import BASELINE

from ._labels import adapting, colours, short
from ._setting import SettingResults
from ._svg import MUTED, Drawing, drawn
from ._values import metric_name

ITEMS = "item popularity"


def popularity(setting: SettingResults) -> Drawing | None:
    """How often items of each popularity are ordered rightly."""
    bright = colours(setting)
    table = setting.of(setting.results.subgroups, kind=ITEMS).filter(
        pl.col("method").is_in(list(bright))
    )
    table = table.drop("dataset", "protocol")
    if table.is_empty():
        return None
    bright = {m: c for m, c in bright.items() if m in set(table["method"])}
    names = sorted(set(table["bucket"]), key=lambda name: (name != "never rated", _number(name)))
    users = {name: int(table.filter(bucket=name)["n"].max()) for name in names}  # type: ignore[arg-type]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axhline(0.5, color=MUTED, ls=":", lw=1.4)
        axes.annotate("chance", (1, 0.5), xytext=(4, 0), textcoords="offset points", size=8,
                      xycoords=axes.get_yaxis_transform(), va="center", color=MUTED)  # fmt: skip
        for at, (method, colour) in enumerate(bright.items()):
            rows = table.filter(method=method)
            step = 0.11 * (at - (len(bright) - 1) / 2)
            x = [names.index(name) + step for name in rows["bucket"]]
            axes.plot(x, rows["value"], "--" if method == BASELINE else "-", color=colour, lw=0.9,
                      alpha=0.55)  # fmt: skip
            axes.vlines(x, rows["low"].to_list(), rows["high"].to_list(), color=colour, lw=1.3)
            axes.plot(x, rows["value"], "o", color=colour, ms=4, label=method)
        axes.set_xticks(range(len(names)), [f"{_tick(name)}\n{users[name]:,}" for name in names])
        axes.set_xlabel("tenth of the items by ratings of warm users, 10 the most popular; below: "
                        "n")  # fmt: skip
        axes.set_ylabel("share of pairs in the right order")
        axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.0f} %")
        axes.grid(axis="x", visible=False)
        _legend(figure, bright)

    words = (
        "On which items: from never rated to most popular",
        f"At K = {setting.max_shots}. {setting.note}",
        "How often an item stands on the right side of the others of the same query, of those "
        "with another label; ties count half, half is chance. Bars: 95 %. Items rated equally "
        "often share a tenth. Groups with fewer than ten evaluated users are left out. Compare "
        "methods within a group, not groups: pairs differ in how hard they are.",
    )
    return drawn(setting, "popularity", words, table, (8.6, 3.8), draw)


def groups(setting: SettingResults) -> Drawing | None:
    """What labels are worth to each kind of user."""
    bright = colours(setting)
    shown = adapting(setting, list(bright))
    every = setting.of(setting.results.subgroups).filter(
        pl.col("kind") != ITEMS, pl.col("method").is_in(shown), pl.col("gain").is_not_null()
    )
    # a row with fewer seeds may have cut the same users otherwise; its groups are not the others'
    order = every.group_by("kind", "bucket", maintain_order=True).agg(n=pl.len())
    usual = order.filter(pl.col("n") == pl.col("n").max().over("kind"))
    table = every.join(usual, ["kind", "bucket"], "semi", maintain_order="left")
    table = table.drop("dataset", "protocol")
    if table.is_empty():
        return None
    bright = {m: c for m, c in bright.items() if m in set(table["method"])}
    kinds = {kind: list(dict.fromkeys(table.filter(kind=kind)["bucket"]))
             for kind in dict.fromkeys(table["kind"])}  # fmt: skip
    columns = min(2, len(kinds))
    rows = -(-len(kinds) // columns)
    tall = [max(len(b) for b in list(kinds.values())[i : i + columns])
            for i in range(0, len(kinds), columns)]  # fmt: skip

    def draw(figure: Figure) -> None:
        panels = figure.subplots(rows, columns, sharex=True, squeeze=False, height_ratios=tall).flat
        for axes, (kind, buckets) in zip(panels, kinds.items(), strict=False):
            axes.axvline(0, color=MUTED, lw=0.8)
            for at, (method, colour) in enumerate(bright.items()):
                of = table.filter(kind=kind, method=method)
                step = 0.14 * (at - (len(bright) - 1) / 2)
                y = [buckets.index(name) + step for name in of["bucket"]]
                low, high = of["gain_low"].to_list(), of["gain_high"].to_list()
                axes.hlines(y, low, high, color=colour, lw=1.3)
                axes.plot(of["gain"], y, "o", color=colour, ms=3.8)
            users = dict(table.filter(kind=kind).select("bucket", "n").iter_rows())
            names = [f"{short(bucket)} ({users[bucket]:,})" for bucket in buckets]
            axes.set_yticks(range(len(buckets)), names)
            axes.set_ylim(len(buckets) - 0.45, -0.55)
            axes.set_title(short(kind, 50), size=9, loc="left")
            axes.tick_params(length=0, labelbottom=True)
            axes.locator_params(axis="x", nbins=5)
            axes.grid(axis="y", visible=False)
        for axes in list(panels):
            axes.set_visible(False)
        figure.supxlabel(f"gain in {metric_name(setting.results.headline)} over the method's own "
                         "K = 0; in brackets: evaluated users", size=9)  # fmt: skip
        _legend(figure, bright)

    words = (
        "For whom: what the labels are worth, by kind of user",
        f"At K = {table['shots'][0]}. {setting.note}",
        "Each dot is the mean gain of the users of a group, with its 95 % interval, of the best "
        "methods that labels move at all. Nothing here is corrected for how many groups were "
        "looked at: one interval off zero among many proves little. Groups with fewer than ten "
        "evaluated users are left out.",
    )
    size = (9.2, 1.3 + sum(0.3 + n * max(0.3, 0.12 * len(bright)) for n in tall))
    return drawn(setting, "groups", words, table, size, draw)


def _legend(figure: Figure, colours: dict[str, str]) -> None:
    handles = [Line2D([], [], color=c, marker="o", ms=4, lw=1.3) for c in colours.values()]
    figure.legend(handles, [short(m) for m in colours], loc="outside upper left", frameon=False,
                  ncols=len(colours), fontsize=8, labelcolor="linecolor", columnspacing=1.4,
                  handlelength=1.2)  # fmt: skip


def _number(bucket: str) -> int:
    last = bucket.rsplit(maxsplit=1)[-1]
    return int(last) if last.isdecimal() else 0


def _tick(bucket: str) -> str:
    return str(_number(bucket)) if _number(bucket) else bucket
