"""The critical-difference diagram: methods by mean rank over all data sets, protocols and K.

Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets" (2006).
"""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from coldbench.metrics.compute import parse_metric
from coldbench.results.critical_difference import FEW, Critical
from coldbench.results.critical_difference import critical as compared
from coldbench.results.results import Results
from coldbench.results.rounding import plain

from ._labels import short
from ._setting import TOO_SMALL, SettingResults, settings, telling
from ._svg import COLOURS, GREY, INK, MUTED, Drawing, drawn
from ._values import metric_name


def critical(results: Results) -> Drawing | None:
    """Mean ranks over data sets, protocols and K, and what cannot be told apart."""
    every = settings(results)
    judged = telling(every)
    values, left_out, fewer = _blocks(results, judged)
    methods = [name for name in values.columns if name not in _BLOCK]
    if len(methods) < 2 or len(values) < 2:
        return None
    better = parse_metric(results.headline)[0].higher_is_better
    test = compared(values.select(methods).to_numpy(), methods, higher_is_better=better)
    few = f"only {test.blocks} blocks, too few to tell" if test.blocks < FEW else ""
    n = len(methods)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        _diagram(axes, test)
        if few:
            axes.text(0.5, 1.04, few, transform=axes.transAxes, ha="center", color=COLOURS[1],
                      weight="bold")  # fmt: skip

    several = values.select("dataset", "protocol").unique().height
    warning = (
        f" WARNING: {few}: with fewer than {FEW}, Wilcoxon's test can find nothing after Holm's "
        "correction, so that one bar over all methods means no evidence, not that they are alike."
    )
    words = (
        "Methods by mean rank over data sets and K",
        f"{metric_name(results.headline)}; {test.blocks} blocks, each a data set under a protocol "
        f"at one K ({'all of one' if several == 1 else f'of {several} settings'}); Friedman's test "
        f"of no difference at all: p {_p(test.p)}. Blocks of one data set at several K share "
        f"users, and so are less than {test.blocks} independent facts: p is too small."
        + warning * bool(few)
        + (f" Not in all of them, and left out: {', '.join(left_out)}." if left_out else "")
        + (f" {fewer} more blocks lack one of the methods." if fewer else "")
        + f" Left out, since {TOO_SMALL}: {', '.join(s.title for s in every if s not in judged)}."
        * (len(judged) < len(every))
        + every[0].stamp,
        "The further left, the better a method stands among the others; 1 is always first. A bar "
        "joins methods no two of which differ by Wilcoxon's signed ranks over the blocks after "
        "Holm's correction at 5 %; where no two methods differ, words say so.",
    )
    table = test.ranks.with_columns(
        bars=pl.Series(
            [" ".join(str(i) for i, c in enumerate(test.alike, 1) if m in c)
             for m in test.ranks["method"]]
        )
    )  # fmt: skip
    size = (8.6, 1.0 + 0.22 * ((n + 1) // 2) + 0.13 * _levels(test)[1])
    return drawn(results, "critical", words, table, size, draw)


_BLOCK = ("dataset", "protocol", "shots")


def _blocks(results: Results, judged: list[SettingResults]) -> tuple[pl.DataFrame, list[str], int]:
    """A row a block and a column a method, none missing; methods and blocks left out for that.

    Where some methods are missing in some blocks, those are taken that leave the most values.
    """
    frames = []
    for setting in judged:
        if any(c.spec.protocol_fields.get("vary", "all") != "all" for c in setting.cells()):
            continue
        keys = [
            pl.lit(setting.dataset).alias("dataset"),
            pl.lit(setting.protocol).alias("protocol"),
        ]
        frames.append(setting.levels.select(*keys, "shots", "method", "value"))
    every = pl.concat(frames) if frames else results.table.select(*_BLOCK, "method", "value")
    every = every.filter(pl.col("method") != "chance")
    count = every.group_by("method", maintain_order=True).len()
    wide = every.pivot("method", index=_BLOCK, values="value")
    blocks = wide.select(_BLOCK).clear()
    for least in sorted(set(count["len"]), reverse=True):
        methods = count.filter(pl.col("len") >= least)["method"].to_list()
        complete = wide.select(*_BLOCK, *methods).drop_nulls()
        if complete.height * (complete.width - len(_BLOCK)) > blocks.height * (
            blocks.width - len(_BLOCK)
        ):
            blocks = complete
    left_out = [m for m in count["method"] if m not in blocks.columns]
    return blocks, left_out, wide.height - blocks.height


def _diagram(axes: Axes, compared_: Critical) -> None:
    names, ranks = compared_.ranks["method"].to_list(), compared_.ranks["rank"].to_list()
    n, half = len(names), (len(names) + 1) // 2
    level, levels = _levels(compared_)
    top = -0.75 - 0.55 * levels  # where the first name stands, a line being 1
    left, right = 1 - 0.06 * (n - 1), n + 0.06 * (n - 1)
    for at, (name, rank) in enumerate(zip(names, ranks, strict=True)):
        first = at < half
        y = top - (at if first else n - 1 - at)
        edge = left if first else right
        axes.plot([rank, rank, edge], [0, y, y], "-", color=GREY, lw=0.8, zorder=1)
        text = f"{short(name, 26)}  {rank:.2f}" if first else f"{rank:.2f}  {short(name, 26)}"
        axes.text(edge, y, f" {text} ", ha="right" if first else "left", va="center", size=8.5)
    if level and len(compared_.alike[0]) == n:  # one bar over all would look like a finding
        axes.text((1 + n) / 2, 2.3, "no two methods can be told apart", ha="center", va="center",
                  size=8.5, color=COLOURS[1])  # fmt: skip
    for clique, row in zip(compared_.alike, level, strict=True):
        if len(clique) == n:
            continue
        ends = [ranks[names.index(clique[0])] - 0.06, ranks[names.index(clique[-1])] + 0.06]
        axes.plot(ends, [-0.6 - 0.55 * row] * 2, "-", color=INK, lw=2.6, zorder=3)
    axes.plot([1, n], [0, 0], "-", color=INK, lw=1)
    step = next(step for step in (1, 2, 5, 10, n) if n / step <= 14)  # labels that stand apart
    for tick in range(1, n + 1):
        named = tick == 1 or tick % step == 0
        axes.plot([tick, tick], [0, 0.25 if named else 0.12], "-", color=INK, lw=0.8)
        if named:
            axes.text(tick, 0.35, str(tick), ha="center", va="bottom", size=8)
    axes.text((1 + n) / 2, 1.35, "mean rank, 1 is best", ha="center", va="bottom", size=8.5,
              color=MUTED)  # fmt: skip
    axes.set_xlim(left, right)
    axes.set_ylim(top - half + 0.4, 3.1)
    axes.axis("off")


def _levels(compared_: Critical) -> tuple[list[int], int]:
    """On which line each bar stands, so that no two touch; and how many lines there are."""
    rank = dict(compared_.ranks.select("method", "rank").iter_rows())
    ends: list[float] = []  # of each line, so far
    level = []
    for clique in compared_.alike:
        row = next((i for i, end in enumerate(ends) if rank[clique[0]] > end + 0.2), len(ends))
        ends[row:] = [rank[clique[-1]], *ends[row + 1 :]]
        level.append(row)
    return level, len(ends)


def _p(p: float) -> str:
    return f"= {plain(p)}" if p >= 0.001 else "< .001"
