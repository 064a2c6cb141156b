"""The tables that every text format shows, in reading order."""

import polars as pl

from coldbench.metrics import statistics
from coldbench.metrics.compute import known
from coldbench.results.paired import CERTAIN, OWN, REFERENCE
from coldbench.results.rounding import plain

from ._audits import audits
from ._costs import NOTHING, cost, idle
from ._detail_tables import closer
from ._setting import Part, groups, level
from ._values import Row, Table, Value, difference, metric_name

QUALITY = "ndcg@10 ndcg@5 auc auc-matched auc-pooled accuracy f1 mrr mae log-loss ece".split()


def tables(part: Part) -> list[Table]:
    """All tables of a section, in reading order."""
    last = part.shots[-1] if part.shots else 0
    made = [quality(part, last), audit(part, last), *audits(part), kshot(part)]
    if part.shots and part.shots[0] == 0 and last:
        made.append(quality(part, 0))
    return [*made, *closer(part), costs(part), *failures(part)]


def quality(part: Part, shots: int) -> Table:
    metrics = [m for m in QUALITY if m in part.results.metrics] or list(part.results.metrics)
    levels = _levels(part, part.of(part.results.table, shots=shots), "metric")
    there = {m for by in levels.values() for m, value in by.items() if value != Value("")}
    metrics = [m for m in metrics if m in there] or metrics  # of likes alone some say nothing
    arrows = [("↑" if known(m)[0].higher_is_better else "↓") for m in metrics]
    return Table(
        f"quality-k{shots}",
        f"Quality at K = {shots}",
        part.note,
        "↑ higher is better, ↓ lower is better. Chance is exact: scores drawn at random, ties in "
        "expectation. NDCG's gain is 2^g − 1, g the rating mapped to 1..5 (of likes: the like); "
        "MAE is in rating units; AUC matched is that over pairs of items which all people rate "
        "equally well, to a tenth of a star: above .5 is what their ratings do not tell, and above "
        "the same row at K = 0 it is of the user; a pooled AUC is that within a seed, a mean over "
        "seeds. Read no difference between methods off overlapping intervals: the table of "
        "differences pairs them user by user.",
        tuple(f"{metric_name(m)} {a}" for m, a in zip(metrics, arrows, strict=True)),
        groups(part, {m: tuple(by.get(c, Value("")) for c in metrics) for m, by in levels.items()}),
    )


def kshot(part: Part) -> Table:
    metric = part.results.headline
    levels = _levels(part, part.of(part.results.table, metric=metric), "shots")
    return Table(
        "kshot",
        f"{metric_name(metric)} from K = {part.shots[0] if part.shots else 0} labels on",
        part.note,
        "Along a row the same users meet the same method with more of their labels; K = 0 is the "
        "method before it has seen any.",
        tuple(f"K = {k}" for k in part.shots),
        groups(
            part,
            {m: tuple(by.get(k, Value("")) for k in part.shots) for m, by in levels.items()},
        ),
    )


def audit(part: Part, shots: int) -> Table:
    """Is it real: paired differences, who is helped and harmed, whether scores moved at all."""
    metric = part.results.headline
    gains = part.of(part.results.gains, shots=shots)
    moved = {r["method"]: r for r in part.of(part.results.moved, shots=shots).iter_rows(named=True)}
    second = "auc" if "auc" in part.results.metrics and metric != "auc" else ""
    wanted = [(m, to) for m in (metric, second) if m for to in (REFERENCE, OWN)]
    found = {
        (r["method"], r["metric"], r["against"]): r
        for r in gains.iter_rows(named=True)
        if (r["metric"], r["against"]) in wanted
    }
    rows = {}
    for method in dict.fromkeys(part.of(part.results.users)["method"]):
        own = found.get((method, metric, OWN))
        still = moved.get(method)
        rows[method] = (
            *(difference(found.get((method, m, to))) for m, to in wanted),
            _share(own, "helped"), _share(own, "harmed"),
            Value(plain(still["moved"], 4), still["moved"]) if still else Value(""),
            Value(still["verdict"] if still else ""),
        )  # fmt: skip
    heads = [f"{metric_name(m)} − {'own K = 0' if to == OWN else to}" for m, to in wanted]
    return Table(
        "audit",
        f"Is it real? Differences at K = {shots}, paired by user",
        part.note,
        f"▲ better and ▼ worse mark what is significant at {100 * CERTAIN:.0f} % after Holm's "
        f"correction, p beside it. {_family(part, [m for m in (metric, second) if m], shots)} "
        "Helped and harmed: share of evaluated users whom the labels moved up or down. Moved: mean "
        "|change of score| from K = 0, as a share of the scale.",
        (*heads, "helped", "harmed", "moved", "verdict"),
        groups(part, rows),
    )


def _family(part: Part, metrics: list[str], shots: int) -> str:
    """Over what Holm's correction is, and what is left of the marks by a wider one."""
    tests = [part.tested(metric, shots) for metric in metrics]
    says = " and ".join(
        f"{len(rows)} {'difference' if len(rows) == 1 else 'differences'} in {metric_name(metric)}"
        for rows, metric in zip(tests, metrics, strict=True)
    )
    if len(metrics) == 1:
        return f"The family is the {says}."
    every = pl.concat(tests)
    if every.is_empty():
        return "Nothing was tested."
    marks = int((every["p_holm"] < CERTAIN).sum())
    wide = int((statistics.holm(every["p"].to_numpy()) < CERTAIN).sum())
    return (
        f"Each metric is a family of its own: {says}. Taken as one family of {len(every)}, "
        f"{wide} of the {marks} marks would stand."
    )


def _levels(part: Part, frame: pl.DataFrame, by: str) -> dict[str, dict[object, Value]]:
    found: dict[str, dict[object, Value]] = {}
    for r in frame.filter(pl.col("value").is_not_null()).iter_rows(named=True):
        found.setdefault(r["method"], {})[r[by]] = level(part, r)
    return found


def _share(row: dict[str, float] | None, name: str) -> Value:
    return Value("") if row is None else Value(f"{row[name]:.0%}".replace("%", " %"), row[name])


UNDONE = ("failed", "unavailable", "missing", "damaged")


def costs(part: Part) -> Table:
    rows = {}
    for r in part.of(part.results.costs).iter_rows(named=True):
        cells = f"{r['done']} / {sum(r[status] for status in UNDONE)}"
        nothing = Value(NOTHING, 0.0)
        rows[r["method"]] = (
            _amount(cost(r)),
            *((nothing, Value(""), Value("")) if idle(r) else
              (_amount(r["adapt_ms_p50"]), _amount(r["adapt_ms_p95"]),
               _amount(r["adapt_users_per_second"]))),
            _amount(r["score_ms_p50"]), _amount(r["score_items_per_second"]),
            _bytes(r["state_bytes_per_user"]), _bytes(r["peak_memory_bytes"]),
            _amount(r["trained_parameters"]), _amount(r["meta_train_seconds"]),
            Value(cells, r["done"]),
        )  # fmt: skip
    hardware = {c.facts["hardware"] for c in part.results.cells if c.facts.get("hardware")}
    return Table(
        "costs",
        "What it costs",
        f"Measured on {'; '.join(sorted(hardware)) or 'unknown hardware'}, at the largest K, one "
        f"cell a method.{part.stamp}",
        "ms a user: to adapt to one new user and to score what they are asked for, the medians "
        f"together. {NOTHING}: adapting takes as long as an empty call, its work is in the "
        "scoring. users/s and items/s: the best batch. peak memory: of the device on CUDA, else of "
        "the whole process. cells: done / not done.",
        ("ms a user", "adapt ms p50", "adapt ms p95", "users/s adapted", "score ms p50",
         "items/s scored", "state per user", "peak memory", "trained parameters",
         "meta-training s", "cells"),
        groups(part, {m: c for m, c in rows.items() if c[1].text or c[-1].number}),
    )  # fmt: skip


def failures(part: Part) -> list[Table]:
    rows = []
    for cell in part.cells():
        if cell.status != "done":
            words = str(cell.spec.seed), cell.status, cell.stage, cell.reason
            rows.append(Row(cell.name, tuple(Value(word) for word in words)))
    how = "`coldbench run` does what is missing; `--retry-failed` runs failed cells again."
    head = ("seed", "status", "stage", "reason")
    caption = f"{len(rows)} cells are not done; their log lies in the cell's folder.{part.stamp}"
    return [Table("failed", "Cells not done", caption, how, head, (("", tuple(rows)),))] * bool(
        rows
    )


def _amount(x: float | None) -> Value:
    """Three significant digits, thousands set apart."""
    if x is None:
        return Value("")
    text = f"{x:.3g}" if abs(x) < 1000 else f"{float(f'{x:.3g}'):,.0f}"
    return Value(text, x)


def _bytes(x: float | None) -> Value:
    if x is None:
        return Value("")
    size, unit = float(x), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if size >= 1024:
            size, unit = size / 1024, larger
    return Value(f"{size:.3g} {unit}" if size < 1000 else f"{size:.0f} {unit}", x)
