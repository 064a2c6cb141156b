"""The first table of a run: for every dataset and protocol its best method, and is it real."""

from coldbench.gains import OWN, REFERENCE
from coldbench.results import Results

from ._parts import Part, Row, Table, Value, difference, level, metric_name, parts


def overview(results: Results) -> Table | None:
    """None for a run of one section: its own words say as much."""
    made = [row for part in parts(results) if (row := _row(part)) is not None]
    if len(made) < 2:
        return None
    metric = metric_name(results.headline)
    return Table(
        "overview",
        "Every dataset at a glance",
        f"The best method of each by {metric} at the largest K, paired by user; the sections below "
        "say on how many users and seeds, and which cells each number comes from.",
        "▲ significant after Holm's correction within the dataset. The best of many looks better "
        "than it is: read the last columns first.",
        (f"best by {metric}", "level", "chance", f"− {REFERENCE}", "− own K = 0", "verdict",
         "ms a user"),
        (("", tuple(made)),),
        "dataset, protocol",
    )  # fmt: skip


def _row(part: Part) -> Row | None:
    results, metric = part.results, part.results.headline
    ranked = part.ranked
    if ranked.is_empty():
        return None
    shots, best = part.shots[-1], ranked.row(0, named=True)
    method = best["method"]
    chance = part.of(results.table, method="chance", metric=metric, shots=shots)
    gains = part.of(results.gains, method=method, metric=metric, shots=shots)
    by = {row["against"]: row for row in gains.iter_rows(named=True)}
    moved = part.of(results.moved, method=method, shots=shots)
    cost = part.of(results.costs, method=method)["adapt_ms_p50"][0]
    return Row(
        f"{part.title}, K = {shots}",
        (
            Value(method),
            level(best),
            level({"value": chance["value"][0], "low": None, "high": None})
            if len(chance)
            else Value(""),
            difference(by.get(REFERENCE)),
            difference(by.get(OWN)),
            Value(moved["verdict"][0] if len(moved) else ""),
            Value("" if cost is None else f"{cost:.2g}", cost),
        ),
    )
