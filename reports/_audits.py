"""Tables that ask whether numbers may be believed: whose labels help, and does anything leak."""

from typing import Any

from coldbench.gains import CERTAIN

from ._parts import Part, Row, Table, Value, difference, groups, metric_name


def audits(part: Part) -> list[Table]:
    return [*_control(part), *_leaks(part)]


def _control(part: Part) -> list[Table]:
    rows, shots = {}, 0
    for row in part.of(part.results.controls).iter_rows(named=True):
        shots = row["shots"]
        rows[row["method"]] = tuple(
            difference(_one(row, name)) for name in ("own", "others", "personal")
        )
    metric = metric_name(part.results.headline)
    return [
        Table(
            "control",
            f"Is it the user's own labels? A control at K = {shots}",
            part.note,
            "The first column is the gain over the method's own K = 0 by the user's labels, the "
            "second by the labels of another user, the third the one less the other. What "
            "another user's labels give as well is no personalisation. ▲ and ▼: significant at "
            f"{100 * CERTAIN:.0f} % after Holm's correction over the methods of a column.",
            (f"{metric}, own labels", "another user's labels", "own − another's"),
            groups(part, rows),
        )
    ] * bool(rows)


def _one(row: dict[str, Any], name: str) -> dict[str, float] | None:
    if row[name] is None:
        return None
    found = {end: row[f"{name}_{end}"] for end in ("low", "high")}
    moved = float(bool(row[name] or found["low"] or found["high"]))
    return found | {"mean": row[name], "p_holm": row[f"{name}_p"], "helped": moved, "harmed": 0.0}


def _leaks(part: Part) -> list[Table]:
    rows = [
        Row(
            row["says"],
            (
                Value("holds" if not row["broken"] else "broken", None,
                      mark="" if not row["broken"] else "worse"),
                Value(f"{row['checked']:,}", row["checked"]),
                Value(f"{row['broken']:,}", row["broken"]),
                Value(row["who"]),
            ),
        )
        for row in part.of(part.results.leaks).iter_rows(named=True)
    ]  # fmt: skip
    broken = sum(row.cells[2].number != 0 for row in rows)
    return [
        Table(
            "leaks",
            "Does anything leak? Facts counted on the rows themselves",
            f"{len(rows)} facts looked at, {broken or 'none'} broken. {part.title}.{part.stamp}",
            "checked: how many users, items, pairs or methods a fact was looked for on. A method "
            "that scores an item differently for two users at K = 0, of whom it knows nothing, has "
            "seen something it should not. One to which another user's labels are worth something "
            "either leaks or has no good start.",
            ("", "checked", "broken", "by"),
            (("", tuple(rows)),),
            "fact",
        )
    ] * bool(rows)
