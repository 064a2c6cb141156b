"""What a new user costs: adapting and scoring together, and when there is nothing to adapt."""

from typing import Any

IDLE = 1e-3  # ms over an empty call up to which `adapt` has done nothing: operations take longer
NOTHING = "nothing to do"


def cost(row: dict[str, Any]) -> float | None:
    """ms to adapt to one user and to score what they are asked for; None where not timed. An
    `adapt` that has nothing to do costs nothing: its work is in the scoring."""
    if row["adapt_ms_p50"] is None or row["score_ms_p50"] is None:
        return None
    return float(row["score_ms_p50"] + (0 if idle(row) else row["adapt_ms_p50"]))


def idle(row: dict[str, Any]) -> bool:
    """Whether `adapt` takes as long as an empty call."""
    taken = row["adapt_ms_p50"]
    return taken is not None and taken <= (row["idle_ms_p50"] or 0) + IDLE


def frontier(dots: list[tuple[float, float]], near: float = 1.1) -> list[tuple[float, float]]:
    """Those (ms, value), by ms, that none beats in both. A dot up to a tenth dearer counts as no
    dearer: clocks tell less than that apart."""
    kept: list[tuple[float, float]] = []
    for ms, value in sorted(dots, key=lambda dot: (dot[0], -dot[1])):
        beaten = any(other > value and cost <= ms * near for cost, other in dots)
        if not beaten and (not kept or value > kept[-1][1]):
            kept.append((ms, value))
    return kept
