"""Figures of cells: who beats whom, and what of the grid is done."""

from math import sqrt

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from coldbench.cell import UNDONE
from coldbench.results.paired import ALPHA
from coldbench.results.results import Results

from ._labels import short
from ._setting import BASELINES, SettingResults, settings
from ._svg import COLOURS, FAINT, GREY, INK, MUTED, Drawing, drawn

MOST = 24  # methods that a matrix has room for
STATES = dict(zip(("done", *UNDONE), (*COLOURS[:2], GREY, FAINT, INK), strict=True))  # colours


def wins(setting: SettingResults) -> Drawing | None:
    """For how many evaluated users each method beats each other."""
    every = setting.of(setting.results.pairs)
    compared = {*every["method"], *every["other"]}
    ranked = [method for method in setting.ranked["method"].to_list() if method in compared]
    methods = ranked[:MOST]
    few = every["method"].is_in(methods) & every["other"].is_in(methods)
    table = every.filter(few).drop("dataset", "protocol")
    if table.is_empty():
        return None
    shares: dict[tuple[str, str], tuple[float, float, bool]] = {}  # better, worse, significant
    for row in table.iter_rows(named=True):
        winner, other, better, worse = (row[x] for x in ("method", "other", "helped", "harmed"))
        sure = row["p_holm"] is not None and row["p_holm"] < ALPHA
        shares[winner, other], shares[other, winner] = (better, worse, sure), (worse, better, sure)
    reach = max(0.1, *(abs(better - worse) for better, worse, _ in shares.values()))
    n = len(methods)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for (winner, other), (better, worse, sure) in shares.items():
            x, y = methods.index(other), methods.index(winner)
            colour, strength = _shade(better - worse, reach)
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc=colour, alpha=strength, lw=0))
            text = f"{100 * better:.0f}{'*' if sure else ''}"
            axes.text(x, y, text, size=7, ha="center", va="center", weight="bold" * sure or None)
        _grid(axes, n, n)
        _scale(figure, reach)
        axes.set_xticks(range(n), [short(m) for m in methods], rotation=90)
        axes.set_yticks(range(n), [short(m) for m in methods])
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            label.set_color(MUTED if label.get_text() in BASELINES else INK)

    left_out = f" The best {n} of {len(ranked)} methods are shown." if len(ranked) > n else ""
    words = (
        f"Who beats whom, in per cent of the evaluated users at K = {table['shots'][0]}",
        setting.note + left_out,
        "Row beats column for so many per cent of the users that both have; with the mirrored "
        "cell it sums to less than 100 where some are ties. Colour: wins less losses, blue where "
        "the row wins more often and orange where it loses more often, the stronger the more. "
        f"A star: the mean difference is significant after Holm's correction over all {len(every)} "
        "pairs. Sorted by the headline metric; reference rows are grey.",
    )
    size = 1.6 + 0.29 * n
    return drawn(setting, "wins", words, table, (max(size, 4.6) + 0.4, size + 0.5), draw)


def _shade(lead: float, reach: float) -> tuple[str, float]:
    """Colour and strength of wins less losses."""
    return COLOURS[0] if lead > 0 else COLOURS[1], round(0.62 * sqrt(abs(lead) / reach), 2)


def _scale(figure: Figure, reach: float) -> None:
    """What colour means: wins less losses, from the most losses to the most wins."""
    steps = [reach * at / 4 for at in range(-4, 5)]
    handles = [
        Rectangle((0, 0), 1, 1, fc=colour, alpha=strength, lw=0)
        for colour, strength in (_shade(step, reach) for step in steps)
    ]
    labels = [f"{100 * step:+.0f}".replace("-", "−") if step else "0" for step in steps]
    figure.legend(
        handles, labels, loc="outside upper center", ncols=9, frameon=False, fontsize=8,
        handlelength=1.2, handletextpad=0.4, columnspacing=0.9, title_fontsize=8,
        title="wins less losses of the row, points of per cent",
    )  # fmt: skip


def health(results: Results) -> Drawing | None:
    """What of the grid is done, failed, unavailable or missing."""
    table = results.costs.select("dataset", "protocol", "method", *STATES)
    if table.is_empty():
        return None
    methods = list(dict.fromkeys(table["method"]))
    columns = results.settings

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for row in table.iter_rows(named=True):
            x, y = columns.index((row["dataset"], row["protocol"])), methods.index(row["method"])
            whole, left = sum(row[state] for state in STATES), x - 0.5
            for state, colour in STATES.items():
                wide = row[state] / whole
                alpha = 0.45 if state == "done" else 0.8
                axes.add_patch(Rectangle((left, y - 0.5), wide, 1, fc=colour, alpha=alpha, lw=0))
                left += wide
            text = f"{whole}" if row["done"] == whole else f"{row['done']} of {whole}"
            axes.text(x, y, text, size=7.5, ha="center", va="center")
        _grid(axes, len(columns), len(methods))
        names = [f"{short(d, 24)}\n{short(p, 24)}" for d, p in columns]
        axes.set_xticks(range(len(columns)), names, rotation=90 if len(columns) > 6 else 0)
        axes.set_yticks(range(len(methods)), [short(m) for m in methods])
        handles = [
            Rectangle((0, 0), 1, 1, fc=colour, alpha=0.45 if state == "done" else 0.8, lw=0)
            for state, colour in STATES.items()
        ]
        figure.legend(handles, list(STATES), loc="outside upper left", ncols=5, frameon=False)

    sums = {state: int(table[state].sum()) for state in STATES}
    words = (
        "What of the grid is done",
        f"{sum(sums.values())} cells: {', '.join(f'{n} {state}' for state, n in sums.items())}."
        f"{settings(results)[0].stamp}",
        "A cell of the picture is a method on a data set under a protocol, its number how many "
        "seeds are done, its colours their shares. Reasons stand in each setting's table of cells "
        "not done.",
    )
    wide = 2.2 + max(3.6, (0.55 if len(columns) > 6 else 1.5) * len(columns))
    tall = 1.2 + 0.24 * len(methods) + (1.2 if len(columns) > 6 else 0)
    return drawn(results, "health", words, table, (wide, tall), draw)


def _grid(axes: Axes, columns: int, rows: int) -> None:
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for x in range(columns + 1):
        axes.axvline(x - 0.5, color=FAINT, lw=0.6)
    for y in range(rows + 1):
        axes.axhline(y - 0.5, color=FAINT, lw=0.6)
    for spine in axes.spines.values():
        spine.set_visible(False)
