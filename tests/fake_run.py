"""A small run written by hand: what `coldbench run` leaves behind, with scores made up."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from coldbench import registry, store
from coldbench.cell import RECORD, Spec, record, write_plan
from coldbench.interactions import Catalogue
from coldbench.results.trials import Trial

METHODS = {  # family, and how much of the user's taste a method finds per label
    "constant": ("simple", 0.0),
    "item-bias": ("simple", 0.0),
    "ridge": ("regression", 0.5),
    "stuck": ("meta", 0.0),
}


def spec(method: str, seed: int, dataset: str = "toy", limit: int | None = None) -> Spec:
    return Spec(
        dataset, {}, "da7a", "user-cold", {"shots": [0, 2], "query": 6}, method, {}, {"name": "e"},
        "e", seed, limit, "cpu", 1, "c0de", {"torch": "2"},
    )  # fmt: skip


def write_cell(
    run: Path,
    which: Spec,
    status: str,
    *,
    reason: str = "",
    scores: pl.DataFrame | None = None,
    timing: dict[str, Any] | None = None,
    **facts: Any,
) -> None:
    folder = run / "cells" / f".{which.fingerprint}"
    folder.mkdir(parents=True)
    stage = "" if status == "done" else "meta-train"
    known = {"like_at": 0.625, "span": 4.0, "graded": True, "adapts": True, "hardware": "a box"}
    known["chance"] = which.method == "random"
    if scores is not None:
        scores.write_parquet(folder / "scores.parquet")
    if timing is not None:
        (folder / "timing.json").write_text(json.dumps(timing))
    kept = record(status, stage, reason, known | facts)
    store.seal(folder, RECORD, kept, run / "cells" / which.fingerprint)


def reseal(folder: Path, status: str = "", stage: str = "") -> None:
    """Have the cell's record fit the files that a test has written into its folder."""
    known = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    kept = record(
        status or known["status"], stage or known["stage"], known["reason"], known["facts"]
    )
    partial = folder.rename(folder.with_name(f".{folder.name}"))
    for name in (RECORD, store.SIDE):
        (partial / name).unlink(missing_ok=True)
    store.seal(partial, RECORD, kept, folder)


def trial(value: float | None, number: int = 1, params: dict[str, Any] | None = None) -> Trial:
    """One of a search; without a value it failed."""
    status = "failed" if value is None else "done"
    return Trial(
        "d", "p", "log-loss", 0, "m", number, params or {"x": 0.1 * number}, status, "", value,
        [value], 1.0,
    )  # fmt: skip


def made_up(method: str, seed: int, users: int, shots: tuple[int, ...] = (0, 2)) -> pl.DataFrame:
    """Six items a user: quality that all see, taste that labels tell, and noise."""
    rng = np.random.default_rng(seed)
    who = rng.choice(40 if users <= 40 else 4 * users, users, replace=False)
    quality, taste, noise = rng.normal(size=(3, users, 6))
    stars = np.clip(np.round(3.4 + 0.7 * quality + 0.7 * taste + 0.4 * noise), 1, 5)
    parts = []
    for k in shots:
        logits = 0.35 * quality + METHODS[method][1] * k * 0.35 * taste
        score = np.full((users, 6), 0.5) if method == "constant" else 1 / (1 + np.exp(-2 * logits))
        if method == "stuck":
            score = np.clip(score + 1e-5 * k * noise, 0, 1)
        columns = {
            "user": np.repeat(who, 6),
            "shots": np.full(users * 6, k, np.int16),
            "item": np.tile(np.arange(6, dtype=np.int32), users),
            "rating": stars.ravel().astype(np.float32),
            "label": ((stars - 1) / 4).ravel().astype(np.float32),
            "score": score.ravel().astype(np.float32),
        }
        parts.append(pl.DataFrame(columns))
    return pl.concat(parts)


def write_run(
    run: Path, specs: list[Spec], scores: pl.DataFrame | None = None, **facts: Any
) -> None:
    """Cells that are done, with these scores or made-up ones of nine users, and their plan."""
    for which in specs:
        given = made_up(which.method, which.seed, 9) if scores is None else scores
        write_cell(run, which, "done", scores=given, **facts)
    write_plan(run, specs)


def write_two_ways(run: Path, field: str, ways: dict[str, pl.Expr], **fields: Any) -> Path:
    """Ridge on 20 users of two seeds, under two values of a protocol's field, named by them: each
    with what becomes of the scores."""
    specs = []
    for way, score in ways.items():
        for seed in (0, 1):
            plain = spec("ridge", seed)
            stated = plain.protocol_fields | fields | {field: way}
            specs.append(replace(plain, protocol=way, protocol_fields=stated))
            scores = made_up("ridge", seed, 20).with_columns(score=score.cast(pl.Float32))
            write_cell(run, specs[-1], "done", scores=scores, family="regression")
    write_plan(run, specs)
    return run


def build(
    run: Path, *, users: int = 30, dataset: str = "toy", limit: int | None = None, reason: str = ""
) -> Path:
    """Four methods done under two seeds, `broken` failed under both, `late` not run yet."""
    specs = []
    run.mkdir(parents=True, exist_ok=True)
    for method, (family, _) in METHODS.items():
        for seed in (0, 1):
            which = spec(method, seed, dataset, limit)
            specs.append(which)
            timing: dict[str, Any] = {"meta_train_seconds": 2.5, "peak_memory_bytes": 2**20}
            if seed == 0:
                timing |= {
                    "shots": 2, "adapt_ms_p50": 0.25, "adapt_ms_p95": 0.5,
                    "score_ms_p50": 0.125, "idle_ms_p50": 0.0001,
                    "adapt_users_per_second": 4e4, "score_items_per_second": 1e6,
                    "state_bytes_per_user": 64.0, "flops_per_user": 1_280_000,
                    "tokens_per_user": 0,
                    "adapt_by_batch": [{"users": u, "users_per_second": u * 4e3} for u in (1, 8)],
                }  # fmt: skip
            write_cell(run, which, "done", scores=made_up(method, seed, users), timing=timing,
                       family=family, adapts=family != "simple", trained_parameters=7)  # fmt: skip
    for seed in (0, 1):
        specs += [spec("broken", seed, dataset, limit), spec("late", seed, dataset, limit)]
        write_cell(run, specs[-2], "failed", reason=reason or "ValueError: no", family="meta")
    write_plan(run, specs)
    return run


def later_users(folder: Path, old: int = 200) -> Catalogue:
    """ratings.csv of so many users, new.csv of 600 less those who came later, and items.csv."""
    data = registry.find("datasets", "synthetic")(
        n_users=600, n_items=60, per_user=20, popularity=1
    )
    log, catalogue = data.load()
    item = pl.Series(catalogue.ids)[log.items.astype(np.int64)]
    rows = {"user": log.users, "item": item, "rating": log.ratings}
    table = pl.DataFrame(rows | {"time": 1_000_000_000 + log.users * 1000 + np.arange(len(log))})
    table.filter(pl.col("user") < old).write_csv(folder / "ratings.csv")
    table.filter(pl.col("user") >= old).write_csv(folder / "new.csv")
    pl.DataFrame({"item": catalogue.ids, "title": catalogue.text}).write_csv(folder / "items.csv")
    return catalogue
