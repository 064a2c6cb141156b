"""The first table of a run: for every dataset and protocol its best method, and is it real."""

from coldbench.results.paired import OWN, REFERENCE
from coldbench.results.results import Results

from ._costs import cost
from ._setting import TOO_SMALL, Part, level, parts
from ._values import Row, Table, Value, difference, metric_name, point


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
        f"▲ significant after Holm's correction over the differences in {metric} of its own "
        "section, p beside it. The best of many looks better than it is: read the last columns "
        "first. ms a user: adapting and scoring.",
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
    ms = cost(part.of(results.costs, method=method).row(0, named=True))
    return Row(
        f"{part.title}, K = {shots}",
        (
            Value(method),
            level(part, best),
            point(chance["value"][0] if len(chance) else None),
            difference(by.get(REFERENCE)),
            difference(by.get(OWN)),
            Value(_verdict(part, moved["verdict"][0] if len(moved) else "")),
            Value("" if ms is None else f"{ms:.2g}", ms),
        ),
    )


def _verdict(part: Part, told: str) -> str:
    return "; ".join(filter(None, (told, TOO_SMALL if part.is_too_small else "")))
