"""Controls: what a method gains by labels that say nothing of the user.

The labels of another user should be worth nothing; where they are worth something, either there is
a leak, or the method's K = 0 is not its best start, and then its gain is not personal. Another
user's support moves items and labels together; the user's own items with their labels in another
order tell the two apart: what is left of a gain then comes of which items were rated, not of how.
"""

import numpy as np

from coldbench.cell import Cell
from coldbench.metrics import statistics
from coldbench.metrics.compute import per_user
from coldbench.results import paired
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.rounding import number
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting
from coldbench.results.user_scores import MethodScores, kept, read_user_scores

CONTROLS = {  # what a cell keeps -> the gain over K = 0 that it gives, and what own less it is
    "shuffled": ("shuffled", "labels"),
    "swapped": ("others", "personal"),
}
ENDS = {"": "mean", "_low": "low", "_high": "high", "_p": "p"}  # of a column, and what they hold
CHANGES = ("own", "others", "personal", "shuffled", "labels")
FRAME = "controls"
SCHEMA = schema("method metric", "shots", " ".join(f"{x}{end}" for x in CHANGES for end in ENDS))


def rows(setting: Setting) -> list[Row]:
    """At the largest K: gain over K = 0 by own labels, by another user's, by own shuffled."""
    return control(setting.scores, setting.cells, setting.headline, setting.bootstrap)


def control(
    methods: MethodScores, cells: dict[str, list[Cell]], metric: str, bootstrap: Bootstrap
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
            ((shots, other),) = read_user_scores(done, [metric], file).items()
            scores, other = by_shots[shots].align(other)
            start, _ = by_shots[0].align(scores)
            now, then, first = (
                per_user(metric, b.predictions).numpy() for b in (scores, other, start)
            )
            changes = np.stack([now - first, then - first, now - then], 1)
            differences = paired.differences(changes, bootstrap.weights(scores), scores.seeds)
            row["shots"] = shots
            for name, difference in zip(("own", gain, less), differences, strict=True):
                row |= {f"{name}{end}": difference[key] for end, key in ENDS.items()}
        if row["own"] is not None:
            rows.append(row)
    for name in CHANGES:
        # where nothing moved nothing is tested, and nothing is counted
        p = np.array([row[f"{name}_p"] if row[name] else np.nan for row in rows], np.float64)
        for row, adjusted in zip(rows, statistics.holm(p), strict=True):
            row[f"{name}_p"] = number(adjusted)
    return rows
