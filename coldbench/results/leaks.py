"""The leak audit: what a method could only know by a leak, and what must hold of every split.

At K = 0 a method knows nothing of the user: an item must score the same for all of them. The splits
were audited when they were cut (coldbench/splits/leakage.py); here their counts are summed.
"""

import json
from collections import defaultdict

import numpy as np

from coldbench.cell import Cell
from coldbench.metrics.compute import parse_metric
from coldbench.results import controls
from coldbench.results.paired import ALPHA
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting
from coldbench.results.user_scores import MethodScores, UserScores
from coldbench.splits.leakage import Check

SAME = 1e-6  # scores closer than this are the same
SAME_QUERIES = "all methods were asked for the same items"
USER_FREE = "at K = 0 an item scores the same for every user"
PERMUTED_SUPPORT = "another user's labels are worth nothing"
AUDITS_READABLE = "the audit of every split can be read"
FRAME = "leaks"
SCHEMA = schema("says who", "checked broken tied")


def rows(setting: Setting) -> list[Row]:
    """Facts that must hold: on how many things checked, broken by whom."""
    return facts(setting.scores, setting.cells, setting.rows(controls))


def facts(methods: MethodScores, cells: dict[str, list[Cell]], controls: list[Row]) -> list[Row]:
    """The leak audit: of the splits, then of the methods. `who` names what broke it."""
    done = [cell for many in cells.values() for cell in many if cell.status == "done"]
    checks = [*_of_splits(done), _asked(done)]
    if any(0 in by_shots for by_shots in methods.values()):
        chance = {cell.name for cell in done if cell.facts.get("chance")}
        start = {m: by[0] for m, by in methods.items() if 0 in by and m not in chance}
        seeing = [method for method, scores in start.items() if _sees_users(scores)]
        checks.append(_fact(USER_FREE, len(start), seeing))
    swapped = [row for row in controls if row["others"] is not None]
    if swapped:
        better = [row["method"] for row in swapped if _gains(row)]
        checks.append(_fact(PERMUTED_SUPPORT, len(swapped), better))
    return checks


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
    return [*([_fact(AUDITS_READABLE, len(paths), unread)] if unread else []), *sums.values()]


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
    return _fact(SAME_QUERIES, len(done), list(dict.fromkeys(odd)))


def _sees_users(scores: UserScores) -> bool:
    """Whether an item of one seed scores differently for two users."""
    mask = scores.predictions.mask.numpy()
    score = scores.predictions.scores.numpy()[mask]
    seed = np.broadcast_to(scores.seeds[:, None], mask.shape)[mask]
    key = np.unique(np.stack([seed, scores.items[mask]]), axis=1, return_inverse=True)[1].ravel()
    low, high = np.full(key.max() + 1, np.inf), np.full(key.max() + 1, -np.inf)
    np.minimum.at(low, key, score)
    np.maximum.at(high, key, score)
    return bool((high - low > SAME).any())


def _gains(row: Row) -> bool:
    better = 1 if parse_metric(row["metric"])[0].higher_is_better else -1
    sure = row["others_p"] is not None and row["others_p"] < ALPHA
    return sure and row["others"] * better > 0
