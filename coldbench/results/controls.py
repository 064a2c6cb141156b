"""What a method could only know by a leak: controls that an honest one passes, read off its cells.

At K = 0 a method knows nothing of the user: an item must score the same for all of them. And the
labels of another user should be worth nothing; where they are worth something, either there is a
leak, or the method's K = 0 is not its best start, and then its gain is not personal. Another user's
support moves items and labels together; the user's own items with their labels in another order
tell the two apart: what is left of a gain then comes of which items were rated, not of how.
"""

import json
from collections import defaultdict
from typing import Any

import numpy as np

from coldbench.cell import Cell
from coldbench.leakage import Check
from coldbench.metrics import statistics
from coldbench.metrics.compute import known, per_user
from coldbench.results import paired
from coldbench.results.user_scores import Blocks, Draws, kept, read_blocks

SAME = 1e-6  # scores closer than this are the same
ASKED = "all methods were asked for the same items"
BLIND = "at K = 0 an item scores the same for every user"
OTHERS = "another user's labels are worth nothing"
READ = "the audit of every split can be read"

Row = dict[str, Any]


CONTROLS = {  # what a cell keeps -> the gain over K = 0 that it gives, and what own less it is
    "shuffled": ("shuffled", "labels"),
    "swapped": ("others", "personal"),
}
ENDS = {"": "mean", "_low": "low", "_high": "high", "_p": "p"}  # of a column, and what they hold
CHANGES = ("own", "others", "personal", "shuffled", "labels")


def control(
    methods: dict[str, dict[int, Blocks]], cells: dict[str, list[Cell]], metric: str, draws: Draws
) -> list[Row]:
    """At the largest K: the gain over K = 0 by the user's own labels, by another user's and by own
    items with shuffled labels, and the first less each. None where no done cell kept the control.
    Holm's correction is over all methods, in each column."""
    rows = []
    for method, by_shots in methods.items():
        row: Row = {"method": method, "metric": metric}
        row |= {f"{name}{end}": None for name in CHANGES for end in ENDS}
        for file, (gain, less) in CONTROLS.items():
            done = kept(cells[method], file)
            if not done or 0 not in by_shots or max(by_shots) == 0:
                continue
            ((shots, other),) = read_blocks(done, [metric], file).items()
            own, other = by_shots[shots].beside(other)
            start, _ = by_shots[0].beside(own)
            now, then, first = (per_user(metric, b.judged).numpy() for b in (own, other, start))
            changes = np.stack([now - first, then - first, now - then], 1)
            found = paired.paired(changes, draws.of(own), own.seeds)
            row["shots"] = shots
            for name, one in zip(("own", gain, less), found, strict=True):
                row |= {f"{name}{end}": one[key] for end, key in ENDS.items()}
        if row["own"] is not None:
            rows.append(row)
    for name in CHANGES:
        # where nothing moved nothing is tested, and nothing is counted
        p = np.array([row[f"{name}_p"] if row[name] else np.nan for row in rows], np.float64)
        for row, adjusted in zip(rows, statistics.holm(p), strict=True):
            row[f"{name}_p"] = paired.number(adjusted)
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
    swapped = [row for row in controls if row["others"] is not None]
    if swapped:
        better = [row["method"] for row in swapped if _gains(row)]
        found.append(_fact(OTHERS, len(swapped), better))
    return found


def _fact(says: str, checked: int, who: list[str]) -> Row:
    return {
        "says": says,
        "checked": checked,
        "broken": len(who),
        "who": ", ".join(who),
        "tied": None,
    }


def _of_splits(done: list[Cell]) -> list[Row]:
    """Sums over splits. One whose audit is missing or torn is a fact that is broken."""
    sums: dict[str, Row] = {}
    paths = list(dict.fromkeys(cell.split / "leaks.json" for cell in done))
    unread = []
    for path in paths:
        try:
            audit = json.loads(path.read_text(encoding="utf-8"))
            for check in [Check.from_json(row) for row in audit]:
                row = sums.setdefault(check.claim, _fact(check.claim, 0, []))
                row["checked"] += check.n
                row["broken"] += check.violations
                if check.tied is not None:
                    row["tied"] = (row["tied"] or 0) + check.tied
        except (OSError, ValueError, TypeError, KeyError):
            unread.append(path.parent.name)
    return [*([_fact(READ, len(paths), unread)] if unread else []), *sums.values()]


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
    sure = row["others_p"] is not None and row["others_p"] < paired.CERTAIN
    return sure and row["others"] * better > 0
