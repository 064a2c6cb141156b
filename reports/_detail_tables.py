"""Tables that look closer: who beats whom, what a pooled AUC is made of, for whom it works, what
is shown."""

import polars as pl

from coldbench.metrics.compute import parse_metric
from coldbench.results.paired import ALPHA

from ._setting import SettingResults, groups, level
from ._values import Table, Value, metric_name, point

Cells = dict[str, tuple[Value, ...]]


def closer(setting: SettingResults) -> list[Table]:
    tables = [
        _everyone(setting),
        _pooled(setting),
        _calibration(setting),
        *_buckets(setting),
        _exposure(setting),
    ]
    return [table for table in tables if table.groups]


def _everyone(setting: SettingResults) -> Table:
    """Each method against all others: how many it beats, and its robust mean."""
    metric = metric_name(setting.results.headline)
    counts: dict[str, list[int]] = {}
    pairs = setting.of(setting.results.pairs)
    for row in pairs.iter_rows(named=True):
        sure = row["p_holm"] is not None and row["p_holm"] < ALPHA
        won = sure and (row["mean"] > 0) == parse_metric(row["metric"])[0].higher_is_better
        for method, mine in ((row["method"], won), (row["other"], sure and not won)):
            tally = counts.setdefault(method, [0, 0, 0])
            tally[0 if mine else 2 if sure else 1] += 1
    middle = {
        row["method"]: row
        for row in setting.of(setting.results.interquartile).iter_rows(named=True)
    }
    rows: Cells = {}
    for method, tally in counts.items():
        robust = level(setting, middle[method], "iqm", "iqm_") if method in middle else Value("")
        rows[method] = (*(Value(str(n), n) for n in tally), robust)
    return Table(
        "everyone",
        f"Who beats whom? {len(pairs):,} pairs, paired by user",
        setting.note,
        "A pair counts where the difference is significant at "
        f"{100 * ALPHA:.0f} % after Holm's correction over all pairs. IQM: the mean of the "
        "middle half of the evaluated users, which a few odd users cannot move.",
        ("beats", "no difference shown", "is beaten by", f"IQM of {metric}"),
        groups(setting, rows),
    )


def _pooled(setting: SettingResults) -> Table:
    levels = setting.of(setting.results.table, metric="auc", shots=setting.max_shots)
    users = {row["method"]: row for row in levels.iter_rows(named=True)}
    rows: Cells = {}
    for row in setting.of(setting.results.pooled).iter_rows(named=True):
        mine = users.get(row["method"])
        rows[row["method"]] = (
            *(point(row[x]) for x in ("pooled", "between", "within", "level")),
            level(setting, mine) if mine else Value(""),
        )
    share = setting.of(setting.results.pooled)["share"].max()
    words = f" {100 * float(share):.1f} % of its pairs lie within a user." if share else ""  # type: ignore[arg-type]
    return Table(
        "pooled",
        "What does a pooled AUC reward?",
        f"{setting.note}{words}",
        "Pooled over the users of a seed, and a mean over seeds: nearly all pairs are between "
        "users. Level: the AUC left when each user's "
        "scores are replaced by their mean, so that nothing but who likes much is known. Only "
        "pairs within a user, and the AUC per user, say whether a user's items are ranked.",
        ("pooled", "between users", "within users", "level alone", "AUC per user"),
        groups(setting, rows),
    )


def _calibration(setting: SettingResults) -> Table:
    ends = list(dict.fromkeys([*setting.shots[:1], *setting.shots[-1:]]))
    wanted = [(metric, shots) for metric in ("ece", "log-loss") for shots in ends]
    by_method: dict[str, dict[tuple[str, int], Value]] = {}
    for row in setting.of(setting.results.table).drop_nulls("value").iter_rows(named=True):
        if (row["metric"], row["shots"]) in wanted and row["method"] != "chance":
            by_method.setdefault(row["method"], {})[row["metric"], row["shots"]] = level(
                setting, row
            )
    rows = {m: tuple(by.get(column, Value("")) for column in wanted) for m, by in by_method.items()}
    return Table(
        "calibration",
        "Do scores mean what they say, before and after the labels?",
        setting.note,
        "ECE: mean distance between score and label in ten bins of the score; log-loss in nats. "
        "Both are lower where scores are better probabilities.",
        tuple(f"{metric_name(metric)} at K = {shots} ↓" for metric, shots in wanted),
        groups(setting, rows),
    )


def _buckets(setting: SettingResults) -> list[Table]:
    frame = setting.of(setting.results.subgroups)
    tables = []
    for number, kind in enumerate(frame["kind"].unique(maintain_order=True)):
        items = kind == "item popularity"
        of_kind = frame.filter(kind=kind)
        names = of_kind.group_by("bucket", maintain_order=True).agg(pl.col("n").max())
        if items:
            order = ["never rated", *(f"tenth {at}" for at in range(1, 11))]
            names = names.sort(pl.col("bucket").replace_strict(order, range(len(order))))
        by = {(r["method"], r["bucket"]): r for r in of_kind.iter_rows(named=True)}
        rows = {
            method: tuple(
                level(setting, by[method, name]) if (method, name) in by else Value("")
                for name in names["bucket"]
            )
            for method in of_kind["method"].unique(maintain_order=True)
        }
        what = "share rightly ordered" if items else metric_name(setting.results.headline)
        tables.append(
            Table(
                f"groups-{number}",
                f"By {kind}: {what}",
                setting.note,
                "An item is rightly ordered against another that the user rated differently if it "
                "scores on the right side; .5 is chance. Tenth 10 holds the most popular tenth of "
                "the items that warm users rated."
                if items
                else "Groups of few users have wide intervals; groups were not chosen by what "
                "came out, and no test is made between them.",
                tuple(f"{name} ({n:,})" for name, n in names.iter_rows()),
                groups(setting, rows),
            )
        )
    return tables


def _exposure(setting: SettingResults) -> Table:
    rows = {
        row["method"]: tuple(point(row[x]) for x in ("popularity", "coverage", "gini"))
        for row in setting.of(setting.results.exposure).iter_rows(named=True)
    }
    return Table(
        "exposure",
        "What is recommended?",
        setting.note,
        "Of the five items shown to each user: how popular they are (share of the candidates that "
        "are less popular), what share of the items that could be shown is shown to anybody, and "
        "how unequally (Gini: 0 all alike, 1 one item takes all). Where only a query's items are "
        "ranked nothing else can be shown, so read these beside the row chance.",
        ("popularity", "coverage", "Gini"),
        groups(setting, rows),
    )
