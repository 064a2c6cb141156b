"""Tables that ask whether numbers may be believed: whose labels help, and does anything leak."""

from typing import Any

from coldbench.results.controls import CHANGES
from coldbench.results.paired import ALPHA

from ._setting import SettingResults, groups
from ._values import Row, Table, Value, difference, metric_name

HEADS = {
    "own": "own labels", "others": "another user's labels", "personal": "own − another's",
    "shuffled": "own items, labels shuffled", "labels": "own − shuffled",
}  # fmt: skip


def audits(setting: SettingResults) -> list[Table]:
    return [*_control(setting), *_leaks(setting)]


def _control(setting: SettingResults) -> list[Table]:
    rows, shots = {}, 0
    controls = setting.of(setting.results.controls)
    kept = [name for name in CHANGES if controls[name].count()]  # a cell may have kept one control
    for row in controls.iter_rows(named=True):
        shots = row["shots"]
        rows[row["method"]] = tuple(difference(_one(row, name)) for name in kept)
    metric = metric_name(setting.results.headline)
    return [
        Table(
            "control",
            f"Is it the user's own labels? A control at K = {shots}",
            setting.note,
            "Gains over the method's own K = 0: by the user's labels, by the support of another "
            "user, and the one less the other. What another user's labels give as well is no "
            "personalisation. Then by the user's own items with their labels in another order, and "
            "own less that: what shuffled labels give as well comes of which items were rated, not "
            f"of how. ▲ and ▼: significant at {100 * ALPHA:.0f} % after Holm's correction over "
            "the methods of a column, p beside it.",
            tuple(f"{metric}, {HEADS[name]}" if name == "own" else HEADS[name] for name in kept),
            groups(setting, rows),
        )
    ] * bool(rows)


def _one(row: dict[str, Any], name: str) -> dict[str, Any] | None:
    if row[name] is None:
        return None
    change = {end: row[f"{name}_{end}"] for end in ("low", "high")}
    moved = float(bool(row[name] or change["low"] or change["high"]))
    change |= {"mean": row[name], "p_holm": row[f"{name}_p"], "metric": row["metric"]}
    return change | {"helped": moved, "harmed": 0.0}


def _ties(row: dict[str, Any]) -> str:
    """Where an order in time holds but just, since clocks of whole seconds tell no more."""
    if row["tied"] is None or not row["checked"]:
        return ""
    share = 100 * row["tied"] / row["checked"]
    return f" (for {share:.0f} % of them the last label and the query share an instant)"


def _leaks(setting: SettingResults) -> list[Table]:
    rows = [
        Row(
            row["says"] + _ties(row),
            (
                Value("holds" if not row["broken"] else "broken", None,
                      mark="" if not row["broken"] else "worse"),
                Value(f"{row['checked']:,}", row["checked"]),
                Value(f"{row['broken']:,}", row["broken"]),
                Value(row["who"]),
            ),
        )
        for row in setting.of(setting.results.leaks).iter_rows(named=True)
    ]  # fmt: skip
    broken = sum(row.cells[2].number != 0 for row in rows)
    return [
        Table(
            "leaks",
            "Does anything leak? Facts counted on the rows themselves",
            f"{len(rows)} facts looked at, {broken or 'none'} broken. {setting.title}."
            f"{setting.stamp}",
            "checked: how many users, items, pairs or methods a fact was looked for on. A method "
            "that scores an item differently for two users at K = 0, of whom it knows nothing, has "
            "seen something it should not. One to which another user's labels are worth something "
            "either leaks or has no good start.",
            ("", "checked", "broken", "by"),
            (("", tuple(rows)),),
            "fact",
        )
    ] * bool(rows)
