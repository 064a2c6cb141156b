"""The tables that every text format shows, in reading order."""

import polars as pl

from coldbench.cell import UNDONE
from coldbench.metrics import statistics
from coldbench.metrics.compute import parse_metric
from coldbench.results.paired import ALPHA, BASELINE, OWN_ZERO_SHOT
from coldbench.results.rounding import plain

from ._audits import audits
from ._costs import NOTHING, cost, idle
from ._detail_tables import closer
from ._setting import SettingResults, groups, level
from ._values import Row, Table, Value, difference, metric_name, with_best

WORK = {  # columns of what one user takes, adapted to and scored, and their units
    "flops_per_user": ("Mflop a user", 1e-6),
    "tokens_per_user": ("tokens a user", 1.0),
    "joules_per_user": ("J a user", 1.0),
}
QUALITY = "ndcg@10 ndcg@5 auc auc-matched auc-pooled accuracy f1 mrr mae log-loss ece".split()


def tables(setting: SettingResults) -> list[Table]:
    """All tables of a setting, in reading order."""
    last = setting.max_shots
    all_tables = [quality(setting, last), audit(setting, last), *audits(setting), kshot(setting)]
    if setting.shots and setting.shots[0] == 0 and last:
        all_tables.append(quality(setting, 0))
    return [*all_tables, *closer(setting), costs(setting), *failures(setting)]


def quality(setting: SettingResults, shots: int) -> Table:
    metrics = [m for m in QUALITY if m in setting.results.metrics] or list(setting.results.metrics)
    levels = _levels(setting, setting.of(setting.results.table, shots=shots), "metric")
    defined = {m for by in levels.values() for m, value in by.items() if value != Value("")}
    metrics = [m for m in metrics if m in defined] or metrics  # of likes only some say nothing
    rises: list[bool | None] = [parse_metric(m)[0].higher_is_better for m in metrics]
    rows = {m: tuple(by.get(c, Value("")) for c in metrics) for m, by in levels.items()}
    rows = with_best(rows, rises, ("chance",))
    ranks = setting.ranks(shots)
    rows = {m: (_rank(ranks.get(m)), *cells) for m, cells in rows.items()}
    return Table(
        f"quality-k{shots}",
        f"Quality at K = {shots}",
        setting.note,
        "↑ higher is better, ↓ lower is better. Chance is exact: scores drawn at random, ties in "
        "expectation. NDCG's gain is 2^g − 1, g the rating mapped to 1..5 (of likes: the like); "
        "MAE is in rating units; AUC matched is that over pairs of items which all people rate "
        "equally well, to a tenth of a star: above .5 is what their ratings do not tell, and above "
        "the same row at K = 0 it is of the user; a pooled AUC is that within a seed, a mean over "
        "seeds. Read no difference between methods off overlapping intervals: the table of "
        "differences pairs them user by user. "
        f"rank: by {metric_name(setting.results.headline)}; rows with fewer seeds stand where "
        "figures place them. Bold: the best of a column, among rows with all seeds; that is no "
        "test.",
        ("rank", *(f"{metric_name(m)} {'↑' if up else '↓'}"
                   for m, up in zip(metrics, rises, strict=True))),
        groups(setting, rows),
    )  # fmt: skip


def _rank(place: int | None) -> Value:
    return Value("") if place is None else Value(str(place), place)


def kshot(setting: SettingResults) -> Table:
    metric = setting.results.headline
    levels = _levels(setting, setting.of(setting.results.table, metric=metric), "shots")
    rises = parse_metric(metric)[0].higher_is_better
    rows = {m: tuple(by.get(k, Value("")) for k in setting.shots) for m, by in levels.items()}
    rows = with_best(rows, [rises] * len(setting.shots), ("chance",))
    return Table(
        "kshot",
        f"{metric_name(metric)} from K = {setting.shots[0] if setting.shots else 0} labels on",
        setting.note,
        "Along a row the same method is given more labels of the same users; K = 0 is the method "
        "before it has seen any. Bold: the best of a column.",
        tuple(f"K = {k}" for k in setting.shots),
        groups(setting, rows),
    )


def audit(setting: SettingResults, shots: int) -> Table:
    """Is it real: paired differences, who is helped and harmed, whether scores moved at all."""
    metric = setting.results.headline
    gains = setting.of(setting.results.gains, shots=shots)
    moved = {
        r["method"]: r
        for r in setting.of(setting.results.adaptation, shots=shots).iter_rows(named=True)
    }
    second = "auc" if "auc" in setting.results.metrics and metric != "auc" else ""
    wanted = [(m, to) for m in (metric, second) if m for to in (BASELINE, OWN_ZERO_SHOT)]
    by_pair = {
        (r["method"], r["metric"], r["against"]): r
        for r in gains.iter_rows(named=True)
        if (r["metric"], r["against"]) in wanted
    }
    rows = {}
    for method in dict.fromkeys(setting.of(setting.results.users)["method"]):
        of_own = by_pair.get((method, metric, OWN_ZERO_SHOT))
        still = moved.get(method)
        rows[method] = (
            *(difference(by_pair.get((method, m, to))) for m, to in wanted),
            _share(of_own, "helped"), _share(of_own, "harmed"),
            Value(plain(still["moved"], 4), still["moved"]) if still else Value(""),
            Value(still["verdict"] if still else ""),
        )  # fmt: skip
    heads = [f"{metric_name(m)} − {'own K = 0' if to == OWN_ZERO_SHOT else to}" for m, to in wanted]
    return Table(
        "audit",
        f"Is it real? Differences at K = {shots}, paired by user",
        setting.note,
        f"▲ better and ▼ worse mark what is significant at {100 * ALPHA:.0f} % after Holm's "
        f"correction, p beside it. {_family(setting, [m for m in (metric, second) if m], shots)} "
        "Helped and harmed: share of evaluated users whom the labels moved up or down. Moved: mean "
        "|change of score| from K = 0, as a share of the scale.",
        (*heads, "helped", "harmed", "moved", "verdict"),
        groups(setting, rows),
    )


def _family(setting: SettingResults, metrics: list[str], shots: int) -> str:
    """Over what Holm's correction is, and what is left of the marks by a wider one."""
    tests = [setting.tested(metric, shots) for metric in metrics]
    counted = " and ".join(
        f"{len(rows)} {'difference' if len(rows) == 1 else 'differences'} in {metric_name(metric)}"
        for rows, metric in zip(tests, metrics, strict=True)
    )
    if len(metrics) == 1:
        return f"The family is the {counted}."
    every = pl.concat(tests)
    if every.is_empty():
        return "Nothing was tested."
    marks = int((every["p_holm"] < ALPHA).sum())
    wide = int((statistics.holm(every["p"].to_numpy()) < ALPHA).sum())
    return (
        f"Each metric is a family of its own: {counted}. Taken as one family of {len(every)}, "
        f"{wide} of the {marks} marks would stand."
    )


def _levels(
    setting: SettingResults, frame: pl.DataFrame, by: str
) -> dict[str, dict[object, Value]]:
    by_method: dict[str, dict[object, Value]] = {}
    for r in frame.filter(pl.col("value").is_not_null()).iter_rows(named=True):
        by_method.setdefault(r["method"], {})[r[by]] = level(setting, r)
    return by_method


def _share(row: dict[str, float] | None, name: str) -> Value:
    return Value("") if row is None else Value(f"{row[name]:.0%}".replace("%", " %"), row[name])


def costs(setting: SettingResults) -> Table:
    rows, frame = {}, setting.of(setting.results.costs)
    work = {name: unit for name, unit in WORK.items() if frame[name].sum()}
    for r in frame.iter_rows(named=True):
        cells = f"{r['done']} / {sum(r[status] for status in UNDONE)}"
        nothing = Value(NOTHING, 0.0)
        rows[r["method"]] = (
            _amount(cost(r)),
            *((nothing, Value(""), Value("")) if idle(r) else
              (_amount(r["adapt_ms_p50"]), _amount(r["adapt_ms_p95"]),
               _amount(r["adapt_users_per_second"]))),
            _amount(r["score_ms_p50"]), _amount(r["score_items_per_second"]),
            *(_amount(r[name] and r[name] * unit) for name, (_, unit) in work.items()),
            _bytes(r["state_bytes_per_user"]), _bytes(r["peak_memory_bytes"]),
            _amount(r["trained_parameters"]), _amount(r["meta_train_seconds"]),
            Value(cells, r["done"]),
        )  # fmt: skip
    hardware = {c.facts["hardware"] for c in setting.results.cells if c.facts.get("hardware")}
    return Table(
        "costs",
        "What it costs",
        f"Measured on {'; '.join(sorted(hardware)) or 'unknown hardware'}, at the largest K, one "
        f"cell a method.{setting.stamp}",
        "ms a user: to adapt to one new user and to score what they are asked for, the medians "
        f"together. {NOTHING}: adapting takes as long as an empty call, its work is in the "
        "scoring. users/s and items/s: the best batch. Mflop: products of matrices, attention, "
        "factorisations and solves in torch; tokens: a language model's, read anew for the user; "
        "J: the power of the whole package or card meanwhile; none stands where nothing is told. "
        "peak memory: of the device on CUDA, else of the whole process. cells: done / not done.",
        ("ms a user", "adapt ms p50", "adapt ms p95", "users/s adapted", "score ms p50",
         "items/s scored", *(title for title, _ in work.values()), "state per user",
         "peak memory", "trained parameters", "meta-training s", "cells"),
        groups(setting, {m: c for m, c in rows.items() if c[1].text or c[-1].number}),
    )  # fmt: skip


def failures(setting: SettingResults) -> list[Table]:
    rows = []
    for cell in setting.cells():
        if cell.status != "done":
            words = str(cell.spec.seed), cell.status, cell.stage, cell.reason
            rows.append(Row(cell.name, tuple(Value(word) for word in words)))
    how = "`coldbench run` does what is missing; `--retry-failed` runs failed cells again."
    head = ("seed", "status", "stage", "reason")
    caption = f"{len(rows)} cells are not done; their log lies in the cell's folder.{setting.stamp}"
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
