"""What the site's leaderboard shows: methods by sets, mean ranks, costs."""

from collections import Counter
from dataclasses import replace

import polars as pl

from coldbench.metrics.compute import parse_metric
from coldbench.results.paired import ALPHA, BASELINE, OWN_ZERO_SHOT
from coldbench.results.resolution import COARSE
from coldbench.results.rounding import plain, significant

from ._costs import cost
from ._setting import SettingResults, level, telling
from ._values import Row, Table, Value, difference, metric_name, point, with_best

FEWER = " †: of fewer seeds, so of other users; not sorted."


def leaderboard(every: list[SettingResults]) -> Table:
    """Methods by settings, at the largest K of each: level, mark against item-bias; mean rank.

    The methods are those that stand on half of the settings or more, ranked among themselves.
    """
    metric = every[0].results.headline if every else "ndcg@5"
    rises = parse_metric(metric)[0].higher_is_better
    methods = common(every)
    places = [setting.ranks(setting.max_shots, methods) for setting in telling(every)]
    rows = _levels(every, methods, metric)
    for method, cells in rows.items():
        ranks = [place[method] for place in places if method in place]
        mean = sum(ranks) / len(ranks) if ranks else None
        whole = len(ranks) == len(places)
        text = "" if mean is None else f"{mean:.1f}"
        few = "" if whole or mean is None else f" ({len(ranks)} of {len(places)})"
        rows[method] = cells[0], Value(text + few, mean if whole else None), *cells[1:]
    wins = [None if setting.is_too_small else rises for setting in every]
    rows = with_best(rows, [None, False, *wins, None], ("chance",))
    order = sorted(rows, key=lambda name: (rows[name][1].number is None, rows[name][1].number or 0))
    small = any(setting.is_too_small for setting in every)
    return Table(
        "leaderboard",
        f"{metric_name(metric)} of new users, at the largest K of each set",
        "",
        f"▲ better and ▼ worse than {BASELINE}, significant at {100 * ALPHA:.0f} % after Holm's "
        "correction within the set, paired by user. Bold: the best of a column. a: not told apart "
        "from the best of the set, after Holm's correction over all pairs of its methods; where "
        "nearly all have it, the set has too few users to tell. Mean rank is among the methods of "
        "this table, over the sets; of a method that lacks one it is over so many, as (1 of 2), "
        "and not sorted. ms a user: adapting and scoring, median set."
        + f" Too small: the users of the set cannot show a difference of {plain(COARSE)}, so "
        "nothing of it is in bold, and mean ranks leave it out."
        * small
        + FEWER * any(setting.few for setting in every),
        ("family", "mean rank", *(_head(setting) for setting in every), "ms a user"),
        (("", tuple(Row(name, rows[name]) for name in order)),),
    )


def elsewhere(every: list[SettingResults]) -> Table:
    """The other methods, on the settings that have one of them."""
    metric = every[0].results.headline if every else "ndcg@5"
    known = set(common(every))
    rare = {setting.title: setting.ranks(setting.max_shots).keys() - known for setting in every}
    every = [setting for setting in every if rare[setting.title]]
    order = [name for s in every for name in s.ranked["method"] if name in rare[s.title]]
    rows = _levels(every, list(dict.fromkeys(order)), metric)
    return Table(
        "elsewhere",
        "Methods on fewer than half of the sets",
        "",
        "The same figures as above, of methods that are too seldom run for a mean rank. Best first."
        + FEWER * any(setting.few for setting in every),
        ("family", *(_head(setting) for setting in every), "ms a user"),
        (("", tuple(Row(name, cells) for name, cells in rows.items())),),
    )


def common(every: list[SettingResults]) -> list[str]:
    """The methods that stand on half of the settings or more."""
    stands = Counter(name for setting in every for name in setting.ranks(setting.max_shots))
    return [name for name, many in stands.items() if 2 * many >= len(every)]


def _levels(
    every: list[SettingResults], methods: list[str], metric: str
) -> dict[str, tuple[Value, ...]]:
    """Of each method its family, its level on each setting, its cost."""
    families: dict[str, str] = {}
    for setting in every:
        families |= {name: family for family, names in setting.methods for name in names}
    alike = [_alike(setting) for setting in every]
    return {
        method: (
            Value(families.get(method, "")),
            *(
                replace(_level(setting, method, metric), tied=method in names)
                for setting, names in zip(every, alike, strict=True)
            ),
            _cost(every, method),
        )
        for method in methods
    }


def _head(setting: SettingResults) -> str:
    small = ", too small" if setting.is_too_small else ""
    return f"{setting.dataset} K={setting.max_shots}{small}"


def _alike(setting: SettingResults) -> set[str]:
    """The best method at the largest K, and those that no test tells apart from it."""
    ranked = setting.ranked["method"].to_list()
    pairs = setting.of(setting.results.pairs).filter(pl.col("p_holm") < ALPHA)
    differ = {frozenset(pair) for pair in pairs.select("method", "other").iter_rows()}
    return {name for name in ranked if frozenset((name, ranked[0])) not in differ}


def _level(setting: SettingResults, method: str, metric: str) -> Value:
    shots = setting.max_shots
    row = setting.of(setting.results.table, method=method, metric=metric, shots=shots)
    row = row.drop_nulls("value")
    if row.is_empty():
        return Value("")
    value = level(setting, row.row(0, named=True))
    gap = setting.of(
        setting.results.gains, method=method, metric=metric, shots=shots, against=BASELINE
    )
    mark = difference(gap.row(0, named=True)).mark if len(gap) else ""
    text = f"{value.text} †" if value.few else value.text
    return Value(text, value.number, value.interval, mark)


def _cost(every: list[SettingResults], method: str) -> Value:
    costs = []
    for setting in every:
        rows = setting.of(setting.results.costs, method=method)
        if len(rows) and (ms := cost(rows.row(0, named=True))) is not None:
            costs.append(ms)
    if not costs:
        return Value("")
    middle = sorted(costs)[len(costs) // 2]
    return Value(significant(middle), middle)


def costs_table(every: list[SettingResults]) -> Table:
    """Methods by settings: ms for one new user."""
    methods = dict.fromkeys(name for setting in every for name in setting.ranked["method"])
    rows = {name: tuple(_cost([setting], name) for setting in every) for name in methods}
    rows = {name: cells for name, cells in rows.items() if any(cell.text for cell in cells)}
    order = sorted(rows, key=lambda name: min(c.number for c in rows[name] if c.number is not None))
    return Table(
        "costs",
        "ms for one new user",
        "",
        "Adapting and scoring, medians, of one timed cell a method and set, on the machine of that "
        "run. Compare within a set.",
        tuple(s.dataset for s in every),
        (("", tuple(Row(name, rows[name]) for name in order)),),
    )


def finished(every: list[SettingResults]) -> int:
    """How many cells of all settings are done."""
    return sum(cell.status == "done" for setting in every for cell in setting.cells())


def of_method(every: list[SettingResults], method: str) -> Table:
    """A method on every set: each K, its differences, its cost."""
    metric = every[0].results.headline if every else "ndcg@5"
    shots = sorted({k for setting in every for k in setting.shots})
    rows = []
    for setting in every:
        table = setting.of(setting.results.table, method=method, metric=metric)
        by = {row["shots"]: row for row in table.drop_nulls("value").iter_rows(named=True)}
        gains = setting.of(
            setting.results.gains, method=method, metric=metric, shots=setting.max_shots
        )
        against = {row["against"]: row for row in gains.iter_rows(named=True)}
        chance = setting.of(
            setting.results.table, method="chance", metric=metric, shots=setting.max_shots
        )
        cells = (
            point(chance["value"][0] if len(chance) else None),
            *(level(setting, by[k]) if k in by else Value("") for k in shots),
            difference(against.get(BASELINE)), difference(against.get(OWN_ZERO_SHOT)),
            _cost([setting], method),
        )  # fmt: skip
        rows.append(Row(setting.title, cells if by else (), "no finished cell"))
    return Table(
        "sets",
        f"{metric_name(metric)} on every set",
        "",
        "Levels with 95 % intervals over users. The differences are at the largest K, paired by "
        "user; ▲ and ▼: significant after Holm's correction within the set.",
        ("chance", *(f"K = {k}" for k in shots), f"− {BASELINE}", "− own K = 0", "ms a user"),
        (("", tuple(rows)),),
        "set",
    )
