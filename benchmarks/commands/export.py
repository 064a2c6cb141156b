"""`coldbench export RUN CELL DIR`: the method of a cell, trained, as a folder that serves.

A model that the run kept is taken up; else the method is trained again from the cell's own
specification. Either way the folder is loaded, asked what the cell was asked, and refused where a
score is not the one that the cell stored.
"""

from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from coldbench import registry, store
from coldbench.cell import MODEL, Cell
from coldbench.errors import UserError
from coldbench.method import Method, from_params
from coldbench.recommend import artefact, onnx
from coldbench.recommend.artefact import About
from coldbench.recommend.ratings import Scale
from coldbench.recommend.recommender import Recommender

from .bench import Bench
from .model_card import figures, readme

SAME = 1e-6  # how far a score may be from the one that the cell stored


def export(cell: Cell, folder: Path, *, as_onnx: bool = False) -> dict[str, Any]:
    """Write the artefact; returns what was done. Raises UserError where the folder is there
    already, or where a score is not the cell's."""
    spec = cell.spec
    artefact.vacant(folder)
    if ">" in spec.loader:
        raise UserError(f"{spec.title} is trained on another data set's items: nothing to serve")
    if as_onnx:
        _check_graph(spec.method)
    bench = Bench.of(spec)
    method, kept = _method(cell, bench)
    rec = recommender(cell, bench, method)
    partial = folder.absolute().with_name(f".{folder.absolute().name}-unproven")
    store.remove(partial)
    try:
        most = max(1, spec.protocol_fields["shots"][-1])
        rec.save(partial, (lambda at: onnx.write(rec, at / onnx.NAME, most)) if as_onnx else None)
        loaded = Recommender.load(partial, str(bench.device))
        compared, off = furthest(cell, bench, loaded)
        if not off <= SAME:
            how = "the model that the run kept" if kept else "the method, trained again,"
            raise UserError(
                f"{how} does not score as {spec.title} did (by {off:.2g} at most): data, code, "
                "libraries or machine have changed since; run the cell again"
            )
        if folder.is_dir():
            folder.rmdir()  # it is empty
        partial.rename(folder)
    finally:
        store.remove(partial)
    return {
        "folder": str(folder), "cell": spec.fingerprint, "title": spec.title, "kept": kept,
        "items": len(bench.catalogue), "bytes": sum(f.stat().st_size for f in folder.iterdir()),
        "compared": compared, "furthest": off,
    }  # fmt: skip


def show(done: dict[str, Any]) -> None:
    how = "as the run kept it" if done["kept"] else "trained again"
    print(f"{done['folder']}: {done['title']}, {how}; {done['items']:,} items, ", end="")
    print(f"{done['bytes'] / 1e6:.1f} MB")
    print(f"{done['compared']:,} scores compared with the cell's: {done['furthest']:.1g} at most")
    print(f"next: coldbench recommend {done['folder']} RATINGS.csv")


def recommender(cell: Cell, bench: Bench, method: Method[Any]) -> Recommender:
    """What a trained method is as an artefact, with the scores it must repeat once loaded."""
    spec, dataset = cell.spec, bench.dataset
    low, high = map(float, dataset.scale)
    scale = Scale(low, high, float(dataset.like_above), bench.protocol.labels)
    items, warm = bench.items(), bench.split.warm
    about = About(
        spec.method, spec.params, scale, items.catalogue.hash(), spec.encoder, spec.encoder_hash,
        _card(cell, bench), mean=0.5 if warm.negatives_per_positive else float(warm.labels.mean()),
        unseen=bool(warm.negatives_per_positive),
    )  # fmt: skip
    rec = Recommender(method, items, about, warm.item_counts(), readme(about.card))
    return replace(rec, about=replace(about, probe=rec.probe()))


def furthest(cell: Cell, bench: Bench, loaded: Recommender) -> tuple[int, float]:
    """How many scores of evaluated users were compared, and the largest difference."""
    cold, names, seconds = bench.split.cold, loaded.catalogue.ids, 1e-6
    log, stored, parts = cold.users.log, cell.scores(), []
    for shots in bench.protocol.shots:
        seen, asked = cold.support[:, cold.max_shots - shots :], cold.query
        rated = [[_rating(bench, row, seconds) for row in rows] for rows in seen]
        items = [[names[log.items[row]] for row in rows if row >= 0] for rows in asked]
        now = None if log.times is None else list(log.times[asked].min(1) * seconds)
        scores = loaded.score(rated, items, now)
        numbers = log.items[asked[asked >= 0]]
        parts.append(
            pl.DataFrame(
                {
                    "user": np.repeat(cold.users.ids[cold.user_index], (asked >= 0).sum(1)),
                    "item": numbers,
                    "again": np.concatenate(scores),
                }
            ).with_columns(shots=pl.lit(shots, pl.Int16))
        )
    both = stored.join(pl.concat(parts), on=["user", "shots", "item"], how="full")
    off = (both["score"].cast(pl.Float64) - both["again"]).abs()
    return len(both), float("inf") if off.null_count() else float(off.max() or 0.0)  # type: ignore[arg-type]


def _rating(bench: Bench, row: int, seconds: float) -> tuple[Any, ...]:
    log = bench.split.cold.users.log
    pair = bench.catalogue.ids[log.items[row]], float(log.ratings[row])
    return pair if log.times is None else (*pair, float(log.times[row] * seconds))


def _method(cell: Cell, bench: Bench) -> tuple[Method[Any], bool]:
    """The trained method, and whether the run had kept it."""
    spec = cell.spec
    method = from_params(registry.find("methods", spec.method), spec.method, spec.params)
    if store.read(cell.model, MODEL) is not None:
        with suppress(UserError):  # saved by other code: it is trained again
            method.load(cell.model, bench.items())
            return method, True
    bench.train(method)
    return method, False


def _check_graph(name: str) -> None:
    """Said before an hour of training."""
    onnx.check_installed()
    method = registry.find("methods", name)
    if method.graph is Method.graph:
        method().graph()


def _card(cell: Cell, bench: Bench) -> dict[str, Any]:
    spec, dataset, facts = cell.spec, bench.dataset, cell.facts
    method = registry.find("methods", spec.method)
    return {
        "method": spec.name, "dataset": spec.dataset, "protocol": spec.protocol, "seed": spec.seed,
        "fingerprint": spec.fingerprint, "shots": spec.protocol_fields["shots"],
        "low": float(dataset.scale[0]), "best": float(dataset.scale[1]),
        "example": bench.catalogue.ids[int(np.argmax(bench.split.warm.item_counts()))],
        "limit": spec.limit, "family": facts.get("family", ""), "paper": facts.get("paper", ""),
        "licence": dataset.licence, "citation": dataset.citation, "domain": dataset.domain,
        "explicit": dataset.explicit, "split": bench.split.summary(), "versions": spec.versions,
        "explains": method.explains, "grows": method.grows,
        "hardware": facts.get("hardware", ""), "commit": facts.get("commit", ""),
        "code": spec.code, "data": spec.data, "figures": figures(cell), "spec": asdict(spec),
    }  # fmt: skip
