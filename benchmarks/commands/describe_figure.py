"""`coldbench describe --figure`: users with enough ratings, unequal items, the ratings."""

from pathlib import Path
from typing import Any

import numpy as np

from coldbench.dataset import Dataset
from coldbench.errors import UserError
from coldbench.protocol import Protocol

from ..dataset_names import read_though_refused
from .describe import FEW, popularity_of

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#b4bcc5"
STYLE: Any = {
    "font.size": 9, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": "#dfe3e8", "axes.axisbelow": True,
    "text.parse_math": False,  # a file may be called $x
}  # fmt: skip


def draw(name: str, dataset: Dataset, path: Path) -> None:
    """One figure: what K asks of users, how unequal items are, and ratings where there are some."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if path.suffix not in (".png", ".svg", ".pdf"):
        raise UserError(f"--figure {path}: end its name in .png, .svg or .pdf")
    log, *_ = read_though_refused(dataset)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10 if dataset.explicit else 7, 3.2), layout="constrained")
        panels = figure.subplots(1, 3 if dataset.explicit else 2)
        _draw_users(panels[0], log.counts)
        _draw_items(panels[1], np.bincount(log.items, minlength=log.n_items))
        if dataset.explicit:
            _draw_ratings(panels[2], dataset, log.ratings)
        for axes in panels:
            axes.yaxis.set_major_formatter(_percent)
        figure.suptitle(
            f"{name}: {log.n_users:,} users, {log.n_items:,} items, {len(log):,} interactions"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)


def _percent(share: float, _: object) -> str:
    return f"{100 * share:.3g}%"


def _draw_users(axes: Any, counts: np.ndarray) -> None:
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    numbers, users = np.unique(counts, return_counts=True)
    left = np.cumsum(users[::-1])[::-1] / len(counts)  # with as many or more
    x, y = [1, *numbers, numbers[-1]], [1, *left, 0]
    axes.step(x, y, where="pre", color=BLUE)
    protocol = Protocol.of("user-cold")
    for k in (protocol.shots[0], protocol.max_shots):
        needed = k + protocol.query
        axes.axvline(needed, color=ORANGE, lw=0.8, ls="--")
        word = f"K = {k}: {(counts >= needed).mean():.0%} "
        axes.text(needed, 0.02, word, rotation=90, ha="right", va="bottom")
    most = max(numbers[-1], needed)
    axes.set(title="Users long enough for K", xlabel="interactions", xscale="log")
    axes.set(ylabel="users with as many or more", xlim=(1, 1.3 * most), ylim=(0, 1.03))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < 1000 else (1,)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter("")


def _draw_items(axes: Any, counts: np.ndarray) -> None:
    reached = np.append(0, np.cumsum(np.sort(counts)[::-1]) / counts.sum())
    axes.plot(np.linspace(0, 1, len(reached)), reached, color=BLUE)
    axes.plot([0, 1], [0, 1], color=GREY, ls=":")
    axes.set(title=f"Popularity, Gini {popularity_of(counts)['gini']:.2f}", ylim=(0, 1.03))
    axes.set(xlabel="items, the most popular first", ylabel="of all interactions", xlim=(0, 1))
    axes.xaxis.set_major_formatter(_percent)


def _draw_ratings(axes: Any, dataset: Dataset, ratings: np.ndarray) -> None:
    values, liked = np.unique(ratings), dataset.labels(ratings, "like") > 0
    for chosen, word, colour in ((~liked, "no like", GREY), (liked, "like", BLUE)):
        label = f"{word}: {chosen.mean():.0%}"
        if len(values) <= FEW:
            shares = [(ratings[chosen] == value).sum() / len(ratings) for value in values]
            axes.bar([f"{value:g}" for value in values], shares, color=colour, label=label)
        else:
            edges, each = np.linspace(*dataset.scale, 41), np.full(chosen.sum(), 1 / len(ratings))
            axes.hist(ratings[chosen], edges, weights=each, color=colour, label=label)
    axes.set(title="Ratings", xlabel=f"rating; a like is above {dataset.like_above:g}")
    axes.set_ylabel("of all interactions")
    axes.margins(y=0.3)  # room for the legend
    axes.legend(frameon=False)
