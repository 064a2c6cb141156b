"""What labels are worth: the gain over a method's own K = 0, by a user's labels or another's."""

import polars as pl
from matplotlib.figure import Figure

from coldbench.results.paired import ALPHA, BASELINE, OWN_ZERO_SHOT
from coldbench.results.rounding import plain

from ._labels import adapting
from ._setting import BASELINES, SettingResults
from ._svg import COLOURS, GREY, MUTED, Drawing, drawn
from ._values import metric_name


def gains(setting: SettingResults) -> Drawing | None:
    """Gain of each method over its own K = 0, at every K."""
    metric = setting.results.headline
    table = setting.of(setting.results.gains, metric=metric, against=OWN_ZERO_SHOT).select(
        "method", "shots", "mean", "low", "high", "p_holm", "helped", "harmed", "users"
    )
    steady = (
        setting.of(setting.results.adaptation).filter(verdict="does not adapt")["method"].to_list()
    )
    known = {c.name for c in setting.results.cells if c.facts.get("adapts") is False}
    table = table.filter(
        ~pl.col("method").is_in([*known, *BASELINES]), pl.col("mean").is_not_null()
    )
    if table.is_empty():
        return None
    shots = sorted(table["shots"].unique())
    last = table.filter(shots=shots[-1]).sort("mean", maintain_order=True)["method"].to_list()
    methods = [m for m in dict.fromkeys(table["method"]) if m not in last] + last

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(shots), sharex=True, sharey=True, squeeze=False)[0]
        ends = table.select(pl.coalesce("low", "mean"), high=pl.coalesce("high", "mean"))
        left, right = float(ends["low"].min()), float(ends["high"].max())  # type: ignore[arg-type]
        width = max(right - min(left, 0), 1e-3)
        panels[0].set_xlim(min(left, 0) - 0.05 * width, max(right, 0) + 0.3 * width)
        for axes, k in zip(panels, shots, strict=True):
            axes.axvline(0, color=MUTED, lw=0.8)
            for row in table.filter(shots=k).iter_rows(named=True):
                y = methods.index(row["method"])
                sure = row["p_holm"] is not None and row["p_holm"] < ALPHA
                colour = MUTED if not sure else COLOURS[0] if row["mean"] > 0 else COLOURS[1]
                if row["low"] is not None:
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
        setting.note + (f" Scores that hardly move: {', '.join(stay)}." if stay else ""),
        "Each dot is a paired difference with its 95 % interval; blue gains and orange losses are "
        "significant after Holm's correction, grey ones are not. Small numbers: the share of "
        "evaluated users whom the labels harmed. "
        f"Methods that take no labels are left out; {BASELINE} is one.",
    )
    size = (9.2, 1.2 + 0.23 * len(methods))
    return drawn(setting, "gains", words, table, size, draw)


def control(setting: SettingResults) -> Drawing | None:
    """Gain by the user's own labels beside the gain by another user's."""
    table = setting.of(setting.results.controls).drop("dataset", "protocol")
    shown = adapting(setting, table.drop_nulls(["own", "others"])["method"].to_list())
    table = table.filter(pl.col("method").is_in(shown)).sort("own", maintain_order=True)
    if table.is_empty():
        return None
    methods = table["method"].to_list()

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axvline(0, color=MUTED, lw=0.8)
        for y, row in enumerate(table.iter_rows(named=True)):
            sure = row["own_p"] is not None and row["own_p"] < ALPHA
            colour = MUTED if not sure else COLOURS[0] if row["own"] > 0 else COLOURS[1]
            axes.plot([row["own"], row["others"]], [y, y], "-", color=GREY, lw=0.8)
            for name, lift, ink, dot in (("own", 0.13, colour, colour),
                                         ("others", -0.13, MUTED, "none")):  # fmt: skip
                ends = [row[f"{name}_low"], row[f"{name}_high"]]
                if None not in ends:
                    axes.plot(ends, [y + lift] * 2, "-", color=ink, lw=1.3)
                axes.plot(row[name], y + lift, "o", color=ink, mfc=dot, mew=1.1, ms=4.5)
            star = "*" if row["personal_p"] is not None and row["personal_p"] < ALPHA else ""
            text = plain(row["personal"]).replace("-", "−")
            sign = "+" * (row["personal"] > 0 and text != ".000")
            axes.text(1.09, y, sign + text, size=8, ha="right", va="center",
                      transform=axes.get_yaxis_transform(), color=MUTED)  # fmt: skip
            axes.text(1.095, y, star, size=9, va="center", transform=axes.get_yaxis_transform())
        axes.text(1.09, 1.01, "own − other's", size=7.5, ha="right", transform=axes.transAxes,
                  color=MUTED)  # fmt: skip
        axes.set_yticks(range(len(methods)), methods)
        axes.set_ylim(-0.7, len(methods) - 0.3)
        axes.tick_params(length=0)
        axes.set_xlabel(f"gain in {metric_name(table['metric'][0])} over the method's own K = 0")

    words = (
        "Is it the user's own labels? A control",
        f"At K = {table['shots'][0]}, each user once with their own labels and once with "
        f"another user's. {setting.note}",
        "Filled: gain by the user's own labels, blue or orange where it is significant after "
        "Holm's correction. Hollow: by the labels of somebody else, which an honest method that "
        "starts well cannot use. Bars: 95 %. The number is the first less the second; a star: "
        "significant after Holm's correction.",
    )
    return drawn(setting, "control", words, table, (7.2, 1.1 + 0.26 * len(methods)), draw)
