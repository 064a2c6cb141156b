"""Where the spread between seeds comes from: who is cold, what is drawn, how a method starts."""

import json
from math import sqrt

import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from coldbench.results.results import Results

from ._labels import short
from ._setting import settings
from ._svg import COLOURS, INK, MUTED, Drawing, drawn
from ._values import metric_name

SOURCES = {
    "all": ("everything", INK, "o"),
    "split": ("who and what is cold", COLOURS[0], "s"),
    "draw": ("which interactions are drawn", COLOURS[2], "^"),
    "init": ("initial weights", COLOURS[1], "D"),
    "order": ("order of training", COLOURS[3], "v"),
    "users": ("users alone would explain", MUTED, "|"),
}


def variance(results: Results) -> Drawing | None:
    """How far seeds spread the headline metric, by what the seeds move."""
    table = _spreads(results)
    if table.is_empty():
        return None
    panels = list(dict.fromkeys(table.select("dataset", "protocol").iter_rows()))
    methods = list(dict.fromkeys(table["method"]))[::-1]
    sources = [source for source in SOURCES if source in set(table["source"])]
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    wide = 2.0 + columns * (5.0 if columns == 1 else 2.1)

    def draw(figure: Figure) -> None:
        every = figure.subplots(rows, columns, sharey=True, squeeze=False).flat
        for axes, (dataset, protocol) in zip(every, panels, strict=False):
            of_setting = table.filter(dataset=dataset, protocol=protocol)
            for source in sources:
                _, colour, dot = SOURCES[source]
                of = of_setting.filter(source=source)
                y = [methods.index(m) for m in of["method"]]
                tall = {"|": 9, "o": 7.5}.get(dot, 4.5)
                axes.plot(of["sd"], y, dot, color=colour, ms=tall, mew=1.6 if dot == "|" else 1,
                          mfc="none" if dot == "o" else colour, clip_on=False)  # fmt: skip
            axes.set_title(f"{short(dataset, 24)}\n{short(protocol, 24)}", size=9, loc="left")
            axes.set_xlim(left=0)
            axes.margins(x=0.1)
            axes.locator_params(axis="x", nbins=4)
            axes.tick_params(axis="y", length=0)
            axes.set_yticks(range(len(methods)), [short(m) for m in methods])
            axes.set_ylim(-0.7, len(methods) - 0.3)
        for axes in list(every):
            axes.set_visible(False)
        figure.supxlabel(f"standard deviation of {metric_name(results.headline)} between seeds",
                         size=9)  # fmt: skip
        handles = [
            Line2D([], [], color=colour, marker=dot, ls="", ms=8 if dot == "|" else 5.5,
                   mew=1.6 if dot == "|" else 1, mfc="none" if dot == "o" else colour)
            for _, colour, dot in map(SOURCES.__getitem__, sources)
        ]  # fmt: skip
        figure.legend(handles, [SOURCES[s][0] for s in sources], loc="outside upper left",
                      ncols=max(1, int(wide / 2.2)), frameon=False, fontsize=8)  # fmt: skip

    seeds = int(table["seeds"].min())  # type: ignore[arg-type]
    words = (
        "What a seed changes",
        f"Standard deviation, over {seeds} seeds or more, of a seed's mean "
        f"{metric_name(results.headline)} at "
        "the largest K. "
        + ("Of so few seeds it is itself rough, by a factor of two and more: read "
           "the order of size. " if seeds < 10 else "")
        + f"Settings run with one seed are left out.{settings(results)[0].stamp}",
        "A mark: the spread when seeds move that one thing and the others stay. The grey line: "
        "what other users of the same kind would spread a mean by, with the method unchanged "
        "(its standard error). Spread well beyond the line comes from more than who is cold. "
        "Methods of one seed have the same users, so that differences between them spread less "
        "than their levels do.",
    )  # fmt: skip
    size = (wide, (1.0 + 0.24 * max(3, len(methods))) * rows + 0.4)
    return drawn(results, "variance", words, table, size, draw)


def _spreads(results: Results) -> pl.DataFrame:
    names: dict[str, str] = {}  # what a protocol is apart from `vary` -> the name it goes by
    spreads = []
    for setting in settings(results):
        fields = dict(setting.cells()[0].spec.protocol_fields)
        source = str(fields.pop("vary", "all"))
        key = json.dumps([setting.dataset, fields], sort_keys=True)
        if names.setdefault(key, setting.protocol) != setting.protocol and source == "all":
            names[key] = setting.protocol
        users = setting.of(results.users)
        if not setting.shots or users.is_empty():
            continue
        seeds = users.filter(shots=setting.max_shots).drop_nulls(results.headline)
        means = seeds.group_by("method", "seed", maintain_order=True).agg(
            mean=pl.col(results.headline).mean(),
            error=pl.col(results.headline).std() / pl.len().sqrt(),
        )
        for (method,), rows in means.group_by("method", maintain_order=True):
            if len(rows) > 1:
                spread = {source: rows["mean"].std()}
                if source == "all":
                    spread["users"] = sqrt((rows["error"].drop_nulls() ** 2).mean() or 0)  # type: ignore[arg-type]
                spreads += [
                    {"dataset": setting.dataset, "protocol": key, "method": method, "source": of,
                     "sd": sd, "seeds": len(rows)} for of, sd in spread.items()
                ]  # fmt: skip
    table = pl.DataFrame(spreads, _COLUMNS)
    return table.with_columns(pl.col("protocol").replace(names))


_COLUMNS = {
    "dataset": pl.String, "protocol": pl.String, "method": pl.String, "source": pl.String,
    "sd": pl.Float64, "seeds": pl.Int64,
}  # fmt: skip
