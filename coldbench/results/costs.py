"""What a method costs, from its one timed cell, and how many of its cells are done."""

from collections import Counter
from typing import Any

import polars as pl

from coldbench import registry
from coldbench.cell import UNDONE
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting

FRAME = "costs"
SCHEMA = schema(
    "method family",
    "shots peak_memory_bytes trained_parameters flops_per_user tokens_per_user "
    f"done {' '.join(UNDONE)}",
    "adapt_ms_p50 adapt_ms_p95 score_ms_p50 idle_ms_p50 adapt_users_per_second "
    "score_items_per_second state_bytes_per_user meta_train_seconds joules_per_user",
    by_batch=pl.List(pl.Struct({"users": pl.Int64, "users_per_second": pl.Float64})),
)
TIMED = (
    "shots adapt_ms_p50 adapt_ms_p95 score_ms_p50 idle_ms_p50 adapt_users_per_second "
    "score_items_per_second state_bytes_per_user peak_memory_bytes meta_train_seconds "
    "flops_per_user tokens_per_user joules_per_user"
).split()


def rows(setting: Setting) -> list[Row]:
    """One row a method, of the largest K."""
    costs = []
    for method, cells in setting.cells.items():
        timings = [cell.timing() for cell in cells if cell.status == "done"]
        timed = next((t for t in timings if "adapt_ms_p50" in t), (timings or [{}])[0])
        facts: dict[str, Any] = next((cell.facts for cell in cells if cell.facts), {})
        counts = Counter(cell.status for cell in cells)
        row: Row = {
            "method": method,
            "family": facts.get("family") or _family(cells[0].spec.method),
        }
        row |= {key: timed.get(key) for key in TIMED}
        row["by_batch"] = timed.get("adapt_by_batch", [])
        row["trained_parameters"] = facts.get("trained_parameters")
        for status in ("done", *UNDONE):
            row[status] = counts[status]
        costs.append(row)
    return costs


def _family(method: str) -> str:
    """Of a method no cell of which got so far as to say it."""
    known_here = method in registry.names("methods")
    return str(registry.entry("methods", method).attributes.get("family", "")) if known_here else ""
