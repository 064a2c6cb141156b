"""Does it pay to train again? A panel a method: trained again minus left alone, by period."""

import polars as pl
from matplotlib.figure import Figure

from coldbench.results.results import Results
from coldbench.results.rolling import ALL

from ._labels import short
from ._svg import COLOURS, GREY, MUTED, Drawing, drawn
from ._values import metric_name

COLUMNS = 4


def rolling(results: Results) -> Drawing | None:
    """By days since the method that was left alone was trained; the largest K."""
    table = results.rolling.filter(metric=results.headline)
    table = table.filter(pl.col("shots") == pl.col("shots").max().over("dataset"))
    if table.is_empty():
        return None
    panels = list(dict.fromkeys(table.select("dataset", "method").iter_rows()))
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)

    def draw(figure: Figure) -> None:
        every = figure.subplots(rows, columns, sharey="row", squeeze=False).flat
        for axes, (dataset, method) in zip(every, panels, strict=False):
            of_method = table.filter(dataset=dataset, method=method)
            whole, periods = of_method.filter(period=ALL), of_method.filter(pl.col("period") != ALL)
            axes.axhline(0, color=MUTED, lw=0.8)
            axes.vlines(periods["days"], periods["low"], periods["high"], color=GREY, lw=1)
            axes.scatter(
                periods["days"], periods["mean"], periods["users"].clip(7), color=COLOURS[0], lw=0
            )
            if whole["low"].null_count() == 0:
                axes.axhspan(
                    whole["low"].item(), whole["high"].item(), color=COLOURS[1], alpha=0.25
                )
            axes.axhline(whole["mean"].item(), color=COLOURS[1], lw=1.4)
            axes.set_title(f"{short(method)}\n{short(dataset, 24)}", size=9, loc="left")
            axes.set_xlim(left=0)
        for axes in list(every):
            axes.set_visible(False)
        figure.supxlabel("days since the start, when the one left alone was trained", size=9)
        figure.supylabel(f"{metric_name(results.headline)}: again minus never", size=9)

    words = (
        "Does it pay to train again?",
        f"{metric_name(results.headline)} of a method trained again before each period, minus the "
        "same method trained at the start alone: the same users, labels and items, at the largest "
        f"K.{' A trial: LIMITED.' if results.limit is not None else ''}",
        "A dot: the users of one period, larger where they are more, with a 95 % interval. The "
        "line and the band: all periods together, with theirs. Above zero, training again served "
        "users better. If the one left alone grew stale, the dots would rise to the right.",
    )
    return drawn(results, "rolling", words, table, (2.3 * columns + 0.6, 2.0 * rows + 0.5), draw)
