"""The README.md of an exported model: what it is, how well it ranks, what it cannot do."""

from typing import Any

from coldbench.cell import Cell, read_run
from coldbench.metrics.compute import parse_metric
from coldbench.metrics.statistics import RESAMPLES
from coldbench.results import levels, paired
from coldbench.results.setting import Setting

METRICS = ("ndcg@5", "auc", "log-loss")
COLUMNS = ("method", "shots", "metric", "value", "low", "high", "users", "seeds")


def figures(cell: Cell) -> list[dict[str, Any]]:
    """The rows of the report that are the cell's method's: each metric at each K with its interval,
    and its difference from item-bias; over all seeds of the run."""
    spec = cell.spec
    beside: dict[str, list[Cell]] = {spec.name: [cell]}
    for other in read_run(cell.folder.parents[1]):
        same_setting = (other.spec.dataset, other.spec.protocol) == (spec.dataset, spec.protocol)
        same = other.spec.name == spec.name and other.spec.params == spec.params
        if same_setting and other.status == "done" and (same or other.spec.name == paired.BASELINE):
            cells = beside.setdefault(other.spec.name, [])
            if other.spec.fingerprint != spec.fingerprint:
                cells.append(other)
    setting = Setting(METRICS, RESAMPLES, beside)
    method_levels = [row for row in setting.rows(levels) if row["method"] in (spec.name, "chance")]
    gains = {
        (row["shots"], row["metric"]): {name: row[name] for name in ("mean", "low", "high")}
        for row in setting.rows(paired)
        if (row["method"], row["against"]) == (spec.name, paired.BASELINE)
    }
    return [
        {key: row.get(key) for key in COLUMNS}
        | ({"minus_item_bias": gains.get((row["shots"], row["metric"]))} if _own(row) else {})
        for row in method_levels
    ]


def _own(row: dict[str, Any]) -> bool:
    return bool(row["method"] != "chance")


def readme(card: dict[str, Any]) -> str:
    """The model card, as Markdown."""
    shots = ", ".join(map(str, card["shots"]))
    warm = card["split"]
    users, ratings = warm["warm users"], warm["warm interactions"]
    paper = f", {card['paper']}" if card["paper"] else ""
    trial = f"\n**Evaluated on {card['limit']} users only: a trial.**\n" if card["limit"] else ""
    return f"""# {card["method"]} on {card["dataset"]}

A method of cold-start recommendation, trained by coldbench: it ranks items for a new user from a
few ratings. It keeps nothing of a user.
{trial}
    coldbench recommend THIS-FOLDER ratings.csv

```python
import coldbench
rec = coldbench.Recommender.load("THIS-FOLDER")
rec.recommend({{"{card["example"]}": {card["best"]:g}}}, n=10)
```

| | |
|---|---|
| method | `{card["method"]}` ({card["family"]}{paper}) |
| trained on | {card["dataset"]}: {users:,} users, {ratings:,} ratings |
| protocol | {card["protocol"]}, seed {card["seed"]} |
| ratings | {card["low"]:g} to {card["best"]:g}; scores are expected labels in 0..1 |
| cell | {card["fingerprint"]}, code {card["code"]}, commit {card["commit"]} |
| explains its scores, takes new items | {_yes(card["explains"])}, {_yes(card["grows"])} |
| made on | {card["hardware"]} |
| data's licence | {card["licence"]} |

`items.parquet` holds the dataset's own ids and texts: its licence goes with them. Ask it before
this folder is passed on. {card["citation"]}

## How well it ranks
Of {warm["cold users"]:,} users it never saw, after K ratings; 95 % intervals. `item-bias` ranks by
the items' ratings and ignores the user.

{_table(card["figures"], card["method"])}

## What it cannot do
- It was evaluated at K = {shots}. Beyond that nothing was measured.
- It was evaluated on {_asked(card)}: what the whole catalogue's top looks like to a user was not.
- It knows the tastes of {card["dataset"]}'s users. Whether yours are alike, only your data says.
- An expected label is no probability of anything else, such as a purchase.
- Unless it was fitted again, it does not know what people have rated since.
"""


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def _asked(card: dict[str, Any]) -> str:
    ranked = card["spec"]["protocol_fields"]["candidates"]
    return {
        "rated": "items that users had chosen to rate",
        "all": "held-back items among the whole catalogue",
        "popular": "likes among unseen items drawn by popularity",
    }[ranked]


def _table(rows: list[dict[str, Any]], method: str) -> str:
    lines = [
        "| K | metric | value | minus item-bias | chance | users |",
        "|---|---|---|---|---|---|",
    ]
    chance = {(r["shots"], r["metric"]): r["value"] for r in rows if r["method"] == "chance"}
    for row in rows:
        if row["method"] != method or row["value"] is None:
            continue
        at = row["shots"], row["metric"]
        gain = row.get("minus_item_bias")
        minus = f"{gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]" if gain else ""
        luck = f"{chance[at]:.3f}" if chance.get(at) is not None else ""
        better = "" if parse_metric(row["metric"])[0].higher_is_better else " (lower is better)"
        value = f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        lines.append(
            f"| {row['shots']} | {row['metric']}{better} | {value} | {minus} | {luck} "
            f"| {row['users']:,} |"
        )
    return "\n".join(lines)
