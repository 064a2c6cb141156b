"""What a method could only know by a leak: controls that an honest one passes, read off its cells.

At K = 0 a method knows nothing of the user: an item must score the same for all of them. And the
labels of another user should be worth nothing; where they are worth something, either there is a
leak, or the method's K = 0 is not its best start, and then its gain is not personal.
"""

import json
from collections import defaultdict
from typing import Any

import numpy as np

from coldbench import gains, statistics
from coldbench.blocks import Blocks, Draws, read_blocks
from coldbench.cell import Cell
from coldbench.metrics import known, per_user

SAME = 1e-6  # scores closer than this are the same
ASKED = "all methods were asked for the same items"
BLIND = "at K = 0 an item scores the same for every user"
OTHERS = "another user's labels are worth nothing"

Row = dict[str, Any]


def control(
    methods: dict[str, dict[int, Blocks]], cells: dict[str, list[Cell]], metric: str, draws: Draws
) -> list[Row]:
    """At the largest K: the gain over K = 0 by the user's own labels, by another user's, and the
    one less the other. Holm's correction is over all methods."""
    rows = []
    for method, by_shots in methods.items():
        done = [c for c in cells[method] if (c.folder / "swapped.parquet").is_file()]
        if not done or 0 not in by_shots or max(by_shots) == 0:
            continue
        ((shots, other),) = read_blocks(done, [metric], "swapped").items()
        own, other = by_shots[shots].beside(other)
        start, _ = by_shots[0].beside(own)
        column = [per_user(metric, blocks.judged).numpy() for blocks in (own, other, start)]
        changes = np.stack([column[0] - column[2], column[1] - column[2], column[0] - column[1]], 1)
        found = gains.paired(changes, draws.of(own), own.seeds)
        row: Row = {"method": method, "shots": shots, "metric": metric}
        for name, one in zip(("own", "others", "personal"), found, strict=True):
            row |= {f"{name}{end}": one[key] for end, key in
                    (("", "mean"), ("_low", "low"), ("_high", "high"), ("_p", "p"))}  # fmt: skip
        rows.append(row)
    for name in ("own", "others", "personal"):
        # where nothing moved nothing is tested, and nothing is counted
        p = np.array([row[f"{name}_p"] if row[name] else np.nan for row in rows], np.float64)
        for row, adjusted in zip(rows, statistics.holm(p), strict=True):
            row[f"{name}_p"] = gains.number(adjusted)
    return rows


def facts(
    methods: dict[str, dict[int, Blocks]], cells: dict[str, list[Cell]], controls: list[Row]
) -> list[Row]:
    """The leak audit: of the splits, then of the methods. `who` names what broke it."""
    done = [cell for many in cells.values() for cell in many if cell.status == "done"]
    found = [*_of_splits(done), _asked(done)]
    if any(0 in by_shots for by_shots in methods.values()):
        random = {c.name for c in done if c.spec.method == "random"}
        told = {m: by[0] for m, by in methods.items() if 0 in by and m not in random}
        seeing = [method for method, blocks in told.items() if _sees_users(blocks)]
        found.append(_fact(BLIND, len(told), seeing))
    if controls:
        better = [row["method"] for row in controls if _gains(row)]
        found.append(_fact(OTHERS, len(controls), better))
    return found


def _fact(says: str, checked: int, who: list[str]) -> Row:
    return {"says": says, "checked": checked, "broken": len(who), "who": ", ".join(who)}


def _of_splits(done: list[Cell]) -> list[Row]:
    sums: dict[str, Row] = {}
    for path in dict.fromkeys(cell.split / "leaks.json" for cell in done):
        for fact in json.loads(path.read_text(encoding="utf-8")) if path.is_file() else ():
            row = sums.setdefault(fact["says"], _fact(fact["says"], 0, []))
            row["checked"] += fact["checked"]
            row["broken"] += fact["broken"]
    return list(sums.values())


def _asked(done: list[Cell]) -> Row:
    hashes: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for cell in done:
        hashes[cell.spec.seed][cell.facts.get("candidates", "")].append(cell.name)
    odd = [
        method
        for by_hash in hashes.values()
        for methods in sorted(by_hash.values(), key=len)[:-1]
        for method in methods
    ]
    return _fact(ASKED, len(done), list(dict.fromkeys(odd)))


def _sees_users(blocks: Blocks) -> bool:
    """Whether an item of one seed scores differently for two users."""
    mask = blocks.judged.mask.numpy()
    score = blocks.judged.scores.numpy()[mask]
    seed = np.broadcast_to(blocks.seeds[:, None], mask.shape)[mask]
    key = np.unique(np.stack([seed, blocks.items[mask]]), axis=1, return_inverse=True)[1].ravel()
    low, high = np.full(key.max() + 1, np.inf), np.full(key.max() + 1, -np.inf)
    np.minimum.at(low, key, score)
    np.maximum.at(high, key, score)
    return bool((high - low > SAME).any())


def _gains(row: Row) -> bool:
    better = 1 if known(row["metric"])[0].higher_is_better else -1
    sure = row["others_p"] is not None and row["others_p"] < gains.CERTAIN
    return sure and row["others"] * better > 0
