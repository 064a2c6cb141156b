"""The first screen in words: which method, at what cost, is it real. Made from the numbers."""

from typing import Any

from coldbench.cell import UNDONE
from coldbench.metrics.compute import parse_metric
from coldbench.results.paired import ALPHA, BASELINE, OWN_ZERO_SHOT
from coldbench.results.resolution import COARSE
from coldbench.results.rounding import plain, significant

from ._costs import NOTHING, cost, idle
from ._setting import BASELINES, TOO_SMALL, SettingResults
from ._values import metric_name, p_value, span


def summary(setting: SettingResults) -> list[str]:
    """One sentence or two a point; empty numbers are said to be empty."""
    results, metric = setting.results, setting.results.headline
    ranked = setting.ranked
    if ranked.is_empty():
        return [f"On {setting.title} no cell is done yet: there is nothing to compare."]
    shots = setting.max_shots
    best = ranked.row(0, named=True)
    gains = {
        (r["method"], r["against"]): r
        for r in setting.of(results.gains, metric=metric, shots=shots).iter_rows(named=True)
    }
    return [
        f"On {setting.title} at K = {shots}, {best['method']} has the best {metric_name(metric)}: "
        f"{_level(best)}{_beside_chance(setting, shots)}.",
        _against(setting, best["method"], gains),
        *_second(setting, best["method"], shots),
        _own(setting, best["method"], gains.get((best["method"], OWN_ZERO_SHOT))),
        *_cost(setting, best["method"]),
        *_field(setting, shots, len(ranked)),
        *_gaps(setting),
        *_coarse(setting),
    ]


def terms(setting: SettingResults) -> str:
    """What the words of the summary mean, for who reads the first report."""
    metric = setting.results.headline
    first = metric.partition("@")[2]
    meaning = (
        f"how well the first {first} of a user's list are ordered, 1 being the best order"
        if metric.startswith("ndcg@")
        else parse_metric(metric)[0].summary.split(";")[0]
    )
    return (
        f"K: how many ratings a method sees of a new user. {metric_name(metric)}: {meaning}. "
        f"{BASELINE}: everybody gets the same order. Chance: the order is drawn at random. "
        "[a, b]: 95 % interval. Holm's correction: p is raised, since many differences are tested."
    )


def _coarse(setting: SettingResults) -> list[str]:
    if setting.detectable is None or not setting.is_too_small:
        return []
    least = plain(setting.detectable)
    return [
        f"These users are {TOO_SMALL} by: they could show a difference of {least} "
        f"or more, where methods seldom differ by {plain(COARSE)}."
    ]


def _level(row: dict[str, Any]) -> str:
    return f"{plain(row['value'])} {span(row)}"


def _beside_chance(setting: SettingResults, shots: int) -> str:
    metric = setting.results.headline
    chance = setting.of(setting.results.table, method="chance", metric=metric, shots=shots)
    return f", where chance is {plain(chance['value'][0])}" if len(chance) else ""


def _change(row: dict[str, Any]) -> str:
    sign = "+" if row["mean"] > 0 else ""
    return f"{sign}{plain(row['mean'])} {span(row)}"


def _certain(row: dict[str, Any]) -> bool:
    return row["p_holm"] is not None and row["p_holm"] < ALPHA


def _rule(setting: SettingResults, row: dict[str, Any]) -> str:
    """The verdict on a difference, by which rule it is, and what the other rule would say."""
    if row["p"] is None:
        return "of which nothing can be said: it has been seen of one user"
    tests = len(setting.tested(row["metric"], row["shots"]))
    alone = "significant" if row["p"] < ALPHA else "not significant"
    return (
        f"{'' if _certain(row) else 'not '}significant after Holm's correction over the {tests} "
        f"differences in {metric_name(row['metric'])} (p {p_value(row['p_holm'])}; alone and "
        f"uncorrected, as coldbench compare has it, p {p_value(row['p'])}: {alone})"
    )


def _against(
    setting: SettingResults, best: str, gains: dict[tuple[str, str], dict[str, Any]]
) -> str:
    if best == BASELINE:
        return (
            f"That is {BASELINE}, which knows nothing of the user: nothing in this run has a "
            f"higher mean {metric_name(setting.results.headline)}."
        )
    row = gains.get((best, BASELINE))
    if row is None:
        return f"Without the row {BASELINE} nothing can be said of what personalisation adds."
    if _certain(row):
        return f"That is {_change(row)} over {BASELINE}, {_rule(setting, row)}."
    return (
        f"Its lead over {BASELINE}, {_change(row)}, is {_rule(setting, row)}: this run does not "
        f"show that it beats {BASELINE} in {metric_name(setting.results.headline)}."
    )


def _second(setting: SettingResults, best: str, shots: int) -> list[str]:
    """The same question asked of AUC per user, which looks at the whole list."""
    gains = setting.of(
        setting.results.gains, metric="auc", shots=shots, method=best, against=BASELINE
    ).drop_nulls("p")
    if setting.results.headline == "auc" or gains.is_empty():
        return []
    row = gains.row(0, named=True)
    return [f"By {metric_name('auc')} its difference is {_change(row)}, {_rule(setting, row)}."]


def _own(setting: SettingResults, best: str, row: dict[str, Any] | None) -> str:
    moved = setting.of(setting.results.adaptation, method=best)
    if row is None or moved.is_empty():
        return "Whether its labels help cannot be said: the run has no K = 0 beside a larger K."
    verdict = moved["verdict"][-1]
    if verdict == "does not adapt":
        return f"It does not adapt: the {row['shots']} labels leave its scores where they were."
    metric = metric_name(setting.results.headline)
    if not _certain(row):
        return (
            f"Against its own K = 0 the {row['shots']} labels make {_change(row)} of {metric}, "
            f"{_rule(setting, row)}."
        )
    return (
        f"Its {row['shots']} labels are worth {_change(row)} of {metric} over its own K = 0; they "
        f"help {100 * row['helped']:.0f} % of the evaluated users and harm "
        f"{100 * row['harmed']:.0f} %."
    )


def _cost(setting: SettingResults, best: str) -> list[str]:
    row = setting.of(setting.results.costs, method=best).row(0, named=True)
    ms = cost(row)
    if ms is None:
        return []
    adapting = NOTHING if idle(row) else f"{significant(row['adapt_ms_p50'])} ms"
    return [
        f"One new user costs it {significant(ms)} ms (medians): adapting {adapting}, scoring "
        f"{significant(row['score_ms_p50'])} ms."
    ]


def _field(setting: SettingResults, shots: int, methods: int) -> list[str]:
    """How many methods gain, by each of two metrics: what holds of one need not of the other."""
    metrics = dict.fromkeys([setting.results.headline, "auc"])
    sentences = []
    for metric in metrics:
        rows = list(setting.tested(metric, shots).iter_rows(named=True))
        if metric not in setting.results.metrics or not rows:
            continue
        rises = parse_metric(metric)[0].higher_is_better
        better = [row for row in rows if _certain(row) and (row["mean"] > 0) == rises]
        moved = [row["method"] for row in better if row["against"] == OWN_ZERO_SHOT]
        above = [r["method"] for r in better if r["against"] == BASELINE]
        above = [method for method in above if method not in BASELINES]
        beside = any(row["against"] == BASELINE for row in rows)
        than = f"{_many(above)} significantly better than {BASELINE} and " if beside else ""
        sentences.append(
            f"By {metric_name(metric)}, of {methods} methods {than}{_many(moved)} significantly "
            f"better for the labels than without; {len(rows)} differences in it were tested at "
            "once."
        )
    return [*sentences, "The best of many looks better than it is."] if sentences else []


def _many(methods: list[str]) -> str:
    shown = f" ({', '.join(methods)})" if 0 < len(methods) <= 4 else ""
    return f"{len(methods) or 'none'}{shown} {'are' if len(methods) > 1 else 'is'}"


def _gaps(setting: SettingResults) -> list[str]:
    costs = setting.of(setting.results.costs)
    counts = {s: int(costs[s].sum()) for s in UNDONE}
    words = [f"{many} {status}" for status, many in counts.items() if many]
    if not words:
        return []
    every = int(costs["done"].sum()) + sum(counts.values())
    return [f"Of {every} cells, {', '.join(words)}: see below."]
