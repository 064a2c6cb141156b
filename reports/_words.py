"""The first screen in words: which method, at what cost, is it real. Made from the numbers."""

from typing import Any

from coldbench.gains import CERTAIN, OWN, REFERENCE, plain

from ._parts import FLOOR, Part, metric_name


def summary(part: Part) -> list[str]:
    """One sentence or two a point; empty numbers are said to be empty."""
    results, metric = part.results, part.results.headline
    ranked = part.ranked
    if ranked.is_empty():
        return [f"On {part.title} no cell is done yet: there is nothing to compare."]
    shots = part.shots[-1]
    best = ranked.row(0, named=True)
    gains = {
        (r["method"], r["against"]): r
        for r in part.of(results.gains, metric=metric, shots=shots).iter_rows(named=True)
    }
    return [
        f"On {part.title} at K = {shots}, {best['method']} has the best {metric_name(metric)}: "
        f"{_level(best)}{_beside_chance(part, shots)}.",
        _against(best["method"], gains),
        *_second(part, best["method"], shots),
        _own(part, best["method"], gains.get((best["method"], OWN))),
        *_cost(part, best["method"]),
        _field(part, gains, len(ranked)),
        *_gaps(part),
    ]


def _level(row: dict[str, Any]) -> str:
    return f"{plain(row['value'])} [{plain(row['low'])}, {plain(row['high'])}]"


def _beside_chance(part: Part, shots: int) -> str:
    metric = part.results.headline
    chance = part.of(part.results.table, method="chance", metric=metric, shots=shots)
    return f", where chance is {plain(chance['value'][0])}" if len(chance) else ""


def _change(row: dict[str, Any]) -> str:
    sign = "+" if row["mean"] > 0 else ""
    return f"{sign}{plain(row['mean'])} [{plain(row['low'])}, {plain(row['high'])}]"


def _certain(row: dict[str, Any]) -> bool:
    return row["p_holm"] is not None and row["p_holm"] < CERTAIN


def _against(best: str, gains: dict[tuple[str, str], dict[str, Any]]) -> str:
    if best == REFERENCE:
        return (
            f"That is {REFERENCE}, which knows nothing of the user: nothing in this run beats it."
        )
    row = gains.get((best, REFERENCE))
    if row is None:
        return f"Without the row {REFERENCE} nothing can be said of what personalisation adds."
    if _certain(row):
        return f"That is {_change(row)} over {REFERENCE}, significant after Holm's correction."
    return (
        f"Its lead over {REFERENCE}, {_change(row)}, is not significant after Holm's correction: "
        f"this run does not show that it beats {REFERENCE}."
    )


def _second(part: Part, best: str, shots: int) -> list[str]:
    """The same question asked of AUC per user, which looks at the whole list."""
    found = part.of(
        part.results.gains, metric="auc", shots=shots, method=best, against=REFERENCE
    ).drop_nulls("p")
    if part.results.headline == "auc" or found.is_empty():
        return []
    row = found.row(0, named=True)
    words = "" if _certain(row) else "not "
    return [
        f"By {metric_name('auc')} the difference is {_change(row)}, {words}significant after "
        "Holm's correction."
    ]


def _own(part: Part, best: str, row: dict[str, Any] | None) -> str:
    moved = part.of(part.results.moved, method=best)
    if row is None or moved.is_empty():
        return "Whether its labels help cannot be said: the run has no K = 0 beside a larger K."
    verdict = moved["verdict"][-1]
    if verdict == "does not adapt":
        return f"It does not adapt: the {row['shots']} labels leave its scores where they were."
    if not _certain(row):
        return (
            f"Against its own K = 0 the {row['shots']} labels make {_change(row)}, which is not "
            "significant after Holm's correction."
        )
    return (
        f"Its {row['shots']} labels are worth {_change(row)} over its own K = 0; they help "
        f"{100 * row['helped']:.0f} % of the meetings and harm {100 * row['harmed']:.0f} %."
    )


def _cost(part: Part, best: str) -> list[str]:
    row = part.of(part.results.costs, method=best).row(0, named=True)
    if row["adapt_ms_p50"] is None:
        return []
    return [
        f"It adapts to one new user in {row['adapt_ms_p50']:.2g} ms (median; 95th percentile "
        f"{row['adapt_ms_p95']:.2g} ms) and to {row['adapt_users_per_second']:,.0f} users a second "
        "in batches."
    ]


def _field(part: Part, gains: dict[tuple[str, str], dict[str, Any]], methods: int) -> str:
    above = [
        method
        for (method, against), row in gains.items()
        if against == REFERENCE and _certain(row) and row["mean"] > 0 and method not in FLOOR
    ]
    own = [m for (m, a), row in gains.items() if a == OWN and _certain(row) and row["mean"] > 0]
    tested = sum(bool(row["helped"] or row["harmed"]) for row in gains.values())
    if not any(against == REFERENCE for _, against in gains):
        return (
            f"Of {methods} methods, {_many(own)} significantly better for the labels than without; "
            f"{tested} differences were tested at once."
        )
    return (
        f"Of {methods} methods, {_many(above)} significantly better than {REFERENCE} and "
        f"{_many(own)} significantly better for the labels than without; {tested} differences were "
        "tested at once, and the best of many looks better than it is."
    )


def _many(methods: list[str]) -> str:
    shown = f" ({', '.join(methods)})" if 0 < len(methods) <= 4 else ""
    return f"{len(methods) or 'none'}{shown} {'are' if len(methods) > 1 else 'is'}"


def _gaps(part: Part) -> list[str]:
    costs = part.of(part.results.costs)
    counts = {s: int(costs[s].sum()) for s in ("failed", "unavailable", "missing")}
    words = [f"{many} {status}" for status, many in counts.items() if many]
    if not words:
        return []
    every = int(costs["done"].sum()) + sum(counts.values())
    return [f"Of {every} cells, {', '.join(words)}: see below."]
