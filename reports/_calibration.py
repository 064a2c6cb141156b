"""Figure of calibration: what share of the items with a score were liked, before and after."""

import polars as pl
from matplotlib.figure import Figure

from coldbench.results.rounding import plain

from ._labels import colours, short
from ._setting import SettingResults
from ._svg import FAINT, MUTED, Drawing, drawn


def calibration(setting: SettingResults) -> Drawing | None:
    """Mean label against mean score, before the first label and after the last."""
    every = setting.of(setting.results.reliability)
    bright = {m: c for m, c in colours(setting).items() if m in set(every["method"])}
    error = setting.of(setting.results.table, metric="ece").select("method", "shots", ece="value")
    table = every.filter(pl.col("method").is_in(list(bright))).join(
        error, ["method", "shots"], "left", maintain_order="left"
    )
    table = table.drop("dataset", "protocol")
    if table.is_empty():
        return None
    most = float(table["predictions"].max())  # type: ignore[arg-type]
    last = setting.max_shots
    columns = min(3, len(bright))
    rows = -(-len(bright) // columns)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
        for axes, (method, colour) in zip(panels, bright.items(), strict=False):
            axes.plot([0, 1], [0, 1], "-", color=FAINT, lw=1.2)
            errors = []
            for shots, bins in (
                table.filter(method=method).sort("shots").group_by("shots", maintain_order=True)
            ):
                k, x, y = shots[0], bins["score"], bins["label"]
                after = k == last
                ink = colour if after else MUTED
                axes.plot(x, y, "-" if after else "--", color=ink, lw=1.4 if after else 1.1)
                area = 5 + 95 * bins["predictions"].to_numpy() / most
                axes.scatter(x, y, area, marker="o", fc=ink if after else "none", ec=ink, lw=1,
                             zorder=3 + after)  # fmt: skip
                if bins["ece"][0] is not None:
                    errors.append(f"K = {k}: ECE {plain(bins['ece'][0])}")
            axes.text(0.97, 0.04, "\n".join(errors), transform=axes.transAxes, ha="right", size=8,
                      color=MUTED)  # fmt: skip
            axes.set_title(short(method), size=9, loc="left", color=colour)
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
            axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
            axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
        for axes in list(panels):
            axes.set_visible(False)
        figure.supxlabel("mean score", size=9)
        figure.supylabel("mean label", size=9)

    words = (
        "Do scores mean what they say?",
        setting.note,
        "Each dot is a tenth of the scale, its area how many predictions fall there; on the "
        "diagonal the mean label is the mean score. Dashed and hollow: before the first label; "
        f"filled: after {last}. ECE is the mean distance from the diagonal. Small dots wander by "
        "chance.",
    )
    return drawn(
        setting, "calibration", words, table, (2.7 * columns + 0.4, 2.7 * rows + 0.4), draw
    )
