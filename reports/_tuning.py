"""The tuning-budget curve: the best value reached so far, against trials and against seconds."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from coldbench.metrics.compute import parse_metric
from coldbench.results.results import Results
from coldbench.results.rounding import plain

from ._labels import end_labels, short
from ._svg import COLOURS, MUTED, Drawing, laid_out
from ._values import metric_name

STUDY = ["dataset", "protocol", "metric"]


def tuning(results: Results) -> Drawing | None:
    """What a search for parameters brought on valid users."""
    return of_trials(results.trials, results.name)


def of_trials(trials: pl.DataFrame, name: str) -> Drawing | None:
    """trials: the columns of coldbench.results.trials.CURVE; None where none is done."""
    table = trials.filter(pl.col("best").is_not_null().any().over(STUDY))
    if table.is_empty():
        return None
    studies = [setting for _, setting in table.group_by(STUDY, maintain_order=True)]

    def draw(figure: Figure) -> None:
        rows = figure.subplots(len(studies), 2, sharey="row", squeeze=False)
        for (left, right), study in zip(rows, studies, strict=True):
            _panels(left, right, study)
            if len(studies) > 1:
                left.set_title(short(", ".join(study.row(0)[:2]), 44), size=9, loc="left")
        rows[-1, 0].set_xlabel("trials of a method; the first has its defaults")
        rows[-1, 1].set_xlabel("seconds of its trials")

    words = (
        "What a search for parameters brought, by its budget",
        _caption(studies),
        "A step is a configuration better than all before it; a dot is a trial, the ring the "
        "defaults, a cross at the foot a trial that failed. "
        "Where a line is flat from the first trial on, searching brought nothing; where it still "
        "steps at the end, the budget was short. Methods are comparable at an equal budget, left "
        "in trials, right in time. The best of many trials looks better on the users it was chosen "
        "by than it is: what tuning is worth is said by cold users alone.",
    )
    size = (8.6, 0.6 + 3.1 * len(studies))
    return laid_out("tuning", words, table, size, draw, salt=name)


def _panels(left: Axes, right: Axes, study: pl.DataFrame) -> None:
    metric = study["metric"][0]
    low, high = _frame(study)
    left.set_ylim(low, high)
    ends = []
    for at, method in enumerate(dict.fromkeys(study["method"])):
        rows, colour = study.filter(method=method), COLOURS[at % len(COLOURS)]
        for axes, x in ((left, "trial"), (right, "seconds")):
            axes.plot(rows[x], rows["best"], color=colour, lw=1.8, drawstyle="steps-post", zorder=4)
            axes.plot(rows[x], rows["value"], "o", color=colour, ms=3.5, alpha=0.45, mew=0)
            axes.plot(rows[x][:1], rows["value"][:1], "o", color=colour, ms=6, mfc="none", zorder=5)
            failed = rows.filter(pl.col("value").is_null())[x]
            axes.plot(failed, [0.03] * len(failed), "x", color=colour, ms=4,
                      transform=axes.get_xaxis_transform())  # fmt: skip
        best, spent = rows["best"][-1], rows["seconds"][-1]
        if best is not None:
            ends.append((f"{short(method, 22)} {plain(best, 4)}", best, colour))
            right.plot([spent, 1e9], [best, best], ":", color=colour, lw=0.9)  # to the edge
    outside = study.filter((pl.col("value") < low) | (pl.col("value") > high)).height
    if outside:
        left.text(0.99, 0.97, f"{outside} of {len(study)} trials outside the frame", size=7.5,
                  transform=left.transAxes, color=MUTED, ha="right", va="top")  # fmt: skip
    better = "higher" if parse_metric(metric)[0].higher_is_better else "lower"
    left.set_ylabel(f"{metric_name(metric)} on valid users, {better} is better")
    left.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    seconds = study["seconds"].to_numpy().clip(min=1e-3)
    right.set_xlim(0, 1.04 * seconds.max())
    if seconds.max() > 20 * seconds.min():  # a method of milliseconds beside one of minutes
        right.set_xscale("log")
        right.set_xlim(0.8 * seconds.min(), 1.3 * seconds.max())
        right.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    end_labels(right, ends, right.get_xlim()[1], 190)


def _frame(study: pl.DataFrame) -> tuple[float, float]:
    """From the best of all to the worst of the methods' first, and half as far beyond: one
    that fails to learn would squeeze all that is worth comparing into a line."""
    first = study.drop_nulls("best").group_by("method").agg(pl.col("best").first())["best"]
    every = [*study["best"].drop_nulls(), *first]
    low, high = min(every), max(every)
    room = max(high - low, 0.002)
    if parse_metric(study["metric"][0])[0].higher_is_better:
        return low - 0.5 * room, high + 0.1 * room
    return low - 0.1 * room, high + 0.5 * room


def _caption(studies: list[pl.DataFrame]) -> str:
    sentences = []
    for study in studies:
        dataset, protocol, metric = study.select(STUDY).row(0)
        spent = study.group_by("method", maintain_order=True).agg(
            pl.len(), pl.col("seconds").max(), (pl.col("status") != "done").sum().alias("failed")
        )
        each = ", ".join(
            f"{method} {trials} trials in {seconds:,.0f} s" + f", {failed} failed" * (failed > 0)
            for method, trials, seconds, failed in spent.iter_rows()
        )
        sentences.append(
            f"{dataset}, {protocol}: best mean {metric_name(metric)} so far over "
            f"{study.get_column('users').max()!s} valid users, who are neither learnt from nor "
            f"chosen by in a trial; {each}."
        )
    return " ".join(sentences) + " No cold user was looked at."
