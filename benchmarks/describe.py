"""`coldbench describe`: what a log holds, and how many of its users can be met at which K."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from coldbench.dataset import Dataset
from coldbench.interactions import Catalogue, Interactions
from coldbench.protocol import Protocol

PARTS = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)


def describe(name: str, dataset: Dataset) -> dict[str, Any]:
    """Counts and shares of a log, ready for JSON."""
    log, catalogue = dataset.load()
    counts, popularity = log.counts, np.bincount(log.items, minlength=log.n_items)
    return {
        "name": name,
        "domain": dataset.domain,
        "licence": dataset.licence,
        "users": log.n_users,
        "items": len(catalogue),
        "interactions": len(log),
        "duplicates_dropped": log.duplicates,
        "density": len(log) / max(1, log.n_users * len(catalogue)),
        "interactions_per_user": _quantiles(counts),
        "interactions_per_item": _quantiles(popularity),
        "can_be_met": _can_be_met(counts),
        "labels": _labels(dataset, log),
        "times": _times(log, ordered=dataset.ordered),
        "popularity": _popularity(popularity),
        "text": _text(catalogue),
    }


def _quantiles(counts: np.ndarray) -> dict[str, float]:
    if not len(counts):
        return {}
    names = ("least", "10%", "25%", "median", "75%", "90%", "most")
    found = np.quantile(counts, PARTS)
    return {n: float(v) for n, v in zip(names, found, strict=True)} | {"mean": float(counts.mean())}


def _can_be_met(counts: np.ndarray) -> dict[str, Any]:
    """Users with K + Q interactions, at the default query and every K; the rest are dropped."""
    protocol = Protocol.of("user-cold")
    able = {str(k): int((counts >= k + protocol.query).sum()) for k in protocol.shots}
    length = protocol.shots[-1] + protocol.query
    short = len(counts) - able[str(protocol.shots[-1])]
    why = f"fewer than {protocol.shots[-1]} + {protocol.query} = {length} interactions"
    return {"query": protocol.query, "at_k": able, "users_too_short": short, "why": why}


def _labels(dataset: Dataset, log: Interactions) -> dict[str, Any]:
    values, times = np.unique(log.ratings, return_counts=True)
    liked = dataset.labels(log.ratings, "like")
    shares = np.bincount(log.users, liked, log.n_users) / np.maximum(log.counts, 1)
    known: dict[str, Any] = {
        "kind": "ratings" if dataset.explicit else "likes alone",
        "scale": list(dataset.scale),
        "like_above": dataset.like_above,
        "likes": float(liked.mean()) if len(liked) else None,
        "users_of_one_label": int(((shares == 0) | (shares == 1)).sum()),
    }
    if len(values) <= 20:
        known["ratings"] = {f"{v:g}": int(n) for v, n in zip(values, times, strict=True)}
    return known


def _times(log: Interactions, *, ordered: bool) -> dict[str, Any]:
    if log.times is None or not len(log):
        return {"known": False, "order": "by the file's rows" if ordered else "unknown: by lot"}
    first, last = (str(np.datetime64(int(t), "s")) for t in (log.times.min(), log.times.max()))
    same = np.diff(log.times) == 0
    ties = float((same & (np.diff(log.users) == 0)).sum() / max(1, len(log)))
    return {"known": True, "first": first, "last": last, "at_once": ties}


def _popularity(counts: np.ndarray) -> dict[str, float]:
    """How unequal items are: the shares of the most popular, and Gini's coefficient."""
    ordered = np.sort(counts)[::-1].astype(float)
    n, total = len(ordered), max(1.0, ordered.sum())
    shares = {
        f"top_{part}%": float(ordered[: max(1, n * part // 100)].sum() / total)
        for part in (1, 10, 50)
    }
    gini = float((n + 1 - 2 * (np.cumsum(ordered[::-1]).sum() / total)) / n) if n else 0.0
    return shares | {"gini": gini}


def _text(catalogue: Catalogue) -> dict[str, Any]:
    lengths = np.array([len(text) for text in catalogue.text])
    bare = sum(text == own for text, own in zip(catalogue.text, catalogue.ids, strict=True))
    tags = {tag for own in catalogue.tags for tag in own}
    return {
        "characters": _quantiles(lengths),
        "items_without_text": bare,
        "tags": len(tags),
        "vectors": None if catalogue.vectors is None else catalogue.vectors.shape[1],
    }


def show(found: dict[str, Any]) -> None:
    """The same for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for key, value in found.items():
        if isinstance(value, dict):
            for at, (inner, each) in enumerate(value.items()):
                table.add_row("" if at else key.replace("_", " "), f"{inner}: {_word(each)}")
        else:
            table.add_row(key.replace("_", " "), _word(value))
    Console().print(table)


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_word(each)}" for key, each in value.items())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if isinstance(value, str) else json.dumps(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def draw(name: str, dataset: Dataset, path: Path) -> None:
    """One figure: interactions per user and what K asks for, popularity, ratings."""
    from matplotlib.figure import Figure

    log, _ = dataset.load()
    protocol = Protocol.of("user-cold")
    figure = Figure(figsize=(10, 3), layout="constrained")
    users, items, ratings = figure.subplots(1, 3)
    counts = np.sort(log.counts)[::-1]
    users.plot(counts, np.arange(1, len(counts) + 1) / len(counts))
    for k in (0, protocol.shots[-1]):
        users.axvline(k + protocol.query, color="0.6", lw=0.8)
        users.annotate(f"K = {k}", (k + protocol.query, 1), rotation=90, va="top", fontsize=8)
    users.set(xscale="log", xlabel="interactions", ylabel="share of users with as many or more")
    popular = np.sort(np.bincount(log.items, minlength=log.n_items))[::-1]
    items.plot(np.arange(1, len(popular) + 1), popular)
    items.set(xscale="log", yscale="log", xlabel="item, by popularity", ylabel="interactions")
    values, times = np.unique(log.ratings, return_counts=True)
    if len(values) <= 20:
        ratings.bar([f"{v:g}" for v in values], times / len(log), color="C0")
    else:
        ratings.hist(log.ratings, bins=40, weights=np.full(len(log), 1 / len(log)))
        ratings.axvline(dataset.like_above, color="0.6", lw=0.8)
    ratings.set(xlabel=f"rating; a like is above {dataset.like_above:g}", ylabel="share")
    figure.suptitle(
        f"{name}: {log.n_users:,} users, {log.n_items:,} items, {len(log):,} interactions"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
