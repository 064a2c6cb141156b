"""Which item to ask first? A table and a figure of each asker beside random questions."""

import polars as pl
from matplotlib.figure import Figure

from coldbench.results.elicitation import RANDOM
from coldbench.results.paired import ALPHA
from coldbench.results.results import Results
from coldbench.results.rounding import plain

from ._labels import short
from ._svg import COLOURS, MUTED, Drawing, drawn
from ._values import Row, Table, Value, difference, metric_name, span

COLUMNS = 3


def elicitation_table(results: Results) -> Table | None:
    """Asker minus random, of every data set and method; None where nobody was asked."""
    frame = results.elicitation.filter(pl.col("asker") != RANDOM)
    if frame.is_empty():
        return None
    metrics = list(dict.fromkeys(frame["metric"]))
    shots = sorted(frame["shots"].unique())
    shown = [k for k in shots if k][-3::2] or shots[-1:]  # two of them: the table is wide
    rows: dict[tuple[str, str], list[Row]] = {}
    keys = ("dataset", "method", "asker")
    for (dataset, method, asker), rows_of in frame.group_by(keys, maintain_order=True):
        by = {(row["metric"], row["shots"]): row for row in rows_of.iter_rows(named=True)}
        cells = [
            value
            for metric in metrics
            for value in (
                *(difference(by.get((metric, k))) for k in shown),
                _saved(by.get((metric, shots[-1]))),
            )
        ]
        rows.setdefault((dataset, method), []).append(Row(str(asker), tuple(cells)))
    heads = [
        head
        for metric in metrics
        for head in (
            *(f"{metric_name(metric)} − random, {k} questions" for k in shown),
            f"questions saved of {shots[-1]}, by {metric_name(metric)}",
        )
    ]
    return Table(
        "elicitation",
        "Which item to ask first?",
        "Each asker minus random questions: the same users, the same query, the same method, "
        f"paired by user.{_stamp(results)}",
        f"▲ and ▼ are significant at {100 * ALPHA:.0f} % after Holm's correction over all askers "
        "and methods of a data set, p beside it. Questions saved: how many fewer an asker needs "
        "for what random ones give with all of theirs; below 0: how many more. Empty where random "
        "questions gain nothing. Items are asked from what a user had rated anyway.",
        tuple(heads),
        tuple((", ".join(of), tuple(group)) for of, group in rows.items()),
        "asker",
    )


def _saved(row: dict[str, float] | None) -> Value:
    if row is None or row["saved"] is None:
        return Value("")
    interval = "" if row["saved_low"] is None else span(row, "saved_low", "saved_high")
    return Value(plain(row["saved"], 1), row["saved"], interval)


def elicitation(results: Results) -> Drawing | None:
    """The headline metric against questions, a panel for each data set and method."""
    table = results.elicitation.filter(metric=results.headline)
    if table.is_empty():
        return None
    panels = list(dict.fromkeys(table.select("dataset", "method").iter_rows()))
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    others = [asker for asker in dict.fromkeys(table["asker"]) if asker != RANDOM]
    colour = {RANDOM: MUTED} | {
        asker: COLOURS[at % len(COLOURS)] for at, asker in enumerate(others)
    }

    def draw(figure: Figure) -> None:
        every = figure.subplots(rows, columns, squeeze=False).flat
        handles = {}
        for at, (axes, (dataset, method)) in enumerate(zip(every, panels, strict=False)):
            of_method = table.filter(dataset=dataset, method=method)
            shots = sorted(of_method["shots"].unique())
            for asker in (*others, RANDOM):
                curve = of_method.filter(asker=asker).sort("shots")
                x = [shots.index(k) for k in curve["shots"]]
                line = ":" if asker == RANDOM else "-"
                (handles[asker],) = axes.plot(
                    x, curve["value"], line, color=colour[asker], marker="o", ms=2.5, lw=1.4
                )
            axes.set_xticks(range(len(shots)), [str(k) for k in shots])
            if at + columns >= len(panels):  # of the whole figure it would lie under the legend
                axes.set_xlabel("questions answered", size=9)
            axes.set_title(f"{short(method)}\n{short(dataset, 24)}", size=9, loc="left")
        for axes in list(every):
            axes.set_visible(False)
        figure.supylabel(metric_name(results.headline), size=9)
        figure.legend(
            handles.values(), handles, loc="outside lower center", ncols=6, frameon=False,
            fontsize=8, labelcolor="linecolor",
        )  # fmt: skip

    words = (
        "Which item to ask first?",
        f"{metric_name(results.headline)} of the same users and query after so many questions, by "
        f"who chose them.{_stamp(results)}",
        "Dotted: random questions. A line above it learns more from as many answers. Lines may "
        "cross by chance: the table has the paired differences and their intervals.",
    )
    return drawn(results, "elicitation", words, table, (2.9 * columns, 2.3 * rows + 0.6), draw)


def _stamp(results: Results) -> str:
    return " A trial: LIMITED." if results.limit is not None else ""
