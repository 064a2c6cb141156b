"""`coldbench describe`: what a log holds, and how many of its users can be evaluated at which K."""

from typing import Any

import numpy as np

from coldbench.dataset import Dataset
from coldbench.interactions import Catalogue, Interactions
from coldbench.protocol import Protocol

from ..dataset_names import read_though_refused

PARTS = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)
TOPS, FEW = (1, 10, 50), 20  # percent of the items; different ratings that are listed one by one


def describe(name: str, dataset: Dataset) -> dict[str, Any]:
    """Counts and shares of a log, ready for JSON."""
    log, catalogue, refused = read_though_refused(dataset)
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
        "popularity": popularity_of(popularity),
        "text": _text(catalogue),
        "columns_left_alone": list(dataset.unclaimed),
        "refused": refused,  # why it cannot be run though it can be looked at
    }


def _quantiles(counts: np.ndarray) -> dict[str, float]:
    if not len(counts):
        return {}
    names = ("least", "10%", "25%", "median", "75%", "90%", "most")
    quantiles = np.quantile(counts, PARTS)
    return {n: float(v) for n, v in zip(names, quantiles, strict=True)} | {
        "mean": float(counts.mean())
    }


def _can_be_met(counts: np.ndarray) -> dict[str, Any]:
    """Users with K + Q interactions, at the default query and every K; the rest are dropped."""
    protocol = Protocol.of("user-cold")
    able = {str(k): int((counts >= k + protocol.query).sum()) for k in protocol.shots}
    length = protocol.max_shots + protocol.query
    short = len(counts) - able[str(protocol.max_shots)]
    why = f"fewer than {protocol.max_shots} + {protocol.query} = {length} interactions"
    return {"query": protocol.query, "at_k": able, "users_too_short": short, "why": why}


def _labels(dataset: Dataset, log: Interactions) -> dict[str, Any]:
    if not dataset.explicit:
        return {"kind": "likes only"}
    values, times = np.unique(log.ratings, return_counts=True)
    liked = dataset.labels(log.ratings, "like")
    shares = np.bincount(log.users, liked, log.n_users) / np.maximum(log.counts, 1)
    known: dict[str, Any] = {
        "kind": "ratings",
        "scale": list(dataset.scale),
        "like_above": dataset.like_above,
        "likes": float(liked.mean()) if len(liked) else None,
        "users_of_one_label": int(((shares == 0) | (shares == 1)).sum()),
    }
    if len(values) <= FEW:
        known["ratings"] = {f"{v:g}": int(n) for v, n in zip(values, times, strict=True)}
    return known


def _times(log: Interactions, *, ordered: bool) -> dict[str, Any]:
    if log.times is None or not len(log):
        return {"known": False, "order": "by the file's rows" if ordered else "unknown: at random"}
    ends = (str(np.datetime64(int(t), "us")) for t in (log.times.min(), log.times.max()))
    first, last = (end.rstrip("0").rstrip(".") for end in ends)  # no fraction where there is none
    same = np.diff(log.times) == 0
    ties = float((same & (np.diff(log.users) == 0)).sum() / max(1, len(log)))
    return {"known": True, "first": first, "last": last, "at_once": ties}


def popularity_of(counts: np.ndarray) -> dict[str, float]:
    """How unequal items are: the shares of the most popular, and Gini's coefficient."""
    ordered = np.sort(counts)[::-1].astype(float)
    n, total = len(ordered), max(1.0, ordered.sum())
    shares = {
        f"top_{part}%": float(ordered[: max(1, n * part // 100)].sum() / total) for part in TOPS
    }
    gini = float((n + 1 - 2 * (np.cumsum(ordered[::-1]).sum() / total)) / n) if n else 0.0
    return shares | {"gini": gini}


def _text(catalogue: Catalogue) -> dict[str, Any]:
    lengths = np.array([len(text) for text in catalogue.text])
    bare = sum(
        text == tags_of_item
        for text, tags_of_item in zip(catalogue.text, catalogue.ids, strict=True)
    )
    tags = {tag for tags_of_item in catalogue.tags for tag in tags_of_item}
    return {
        "characters": _quantiles(lengths),
        "items_without_text": bare,
        "tags": len(tags),
        "vectors": None if catalogue.vectors is None else catalogue.vectors.shape[1],
    }


def show(description: dict[str, Any]) -> None:
    """The same for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for key, value in _in_words(description).items():
        table.add_row(key, value)
    Console(markup=False, highlight=False).print(table)


def _in_words(known: dict[str, Any]) -> dict[str, str]:
    reach, text, popular = (known[key] for key in ("can_be_met", "text", "popularity"))
    tops = {f"top {part}%": popular[f"top_{part}%"] for part in TOPS}
    words = {
        "name": f"{known['name']} ({known['domain']}; licence: {known['licence']})",
        "users": f"{known['users']:,}",
        "items": f"{known['items']:,}",
        "interactions": f"{known['interactions']:,}: {known['density']:.2%} of all pairs",
        "duplicates dropped": f"{known['duplicates_dropped']:,}",
        "interactions per user": _row(known["interactions_per_user"]),
        "interactions per item": _row(known["interactions_per_item"]),
        "users long enough": _row({f"K = {k}": n for k, n in reach["at_k"].items()}),
        "users too short": f"{reach['users_too_short']:,}: {reach['why']}",
        "labels": _labels_in_words(known["labels"]),
        "times": _times_in_words(known["times"]),
        "popularity": f"{_row(tops, '.0%')} of the interactions; Gini {popular['gini']:.2f}",
        "characters of text": _row(text["characters"]),
        "items without text": f"{text['items_without_text']:,}",
        "different tags": f"{text['tags']:,}",
        "columns left alone": ", ".join(known["columns_left_alone"]),
        "cannot be run": known["refused"],
    }
    return {key: value for key, value in words.items() if value}


def _row(values: dict[str, float], form: str = "") -> str:
    forms = (
        (name, value, form or (",.1f" if value % 1 else ",.0f")) for name, value in values.items()
    )
    return ", ".join(f"{name}: {value:{form}}" for name, value, form in forms)


def _labels_in_words(labels: dict[str, Any]) -> str:
    if labels["kind"] != "ratings":
        return str(labels["kind"])
    low, high = labels["scale"]
    rule = f"above {labels['like_above']:g} of {low:g} to {high:g}"
    counts = f"; {_row(labels['ratings'])}" if "ratings" in labels else ""
    alike = f"{labels['users_of_one_label']:,} users like all or nothing"
    return f"{labels['likes']:.0%} likes, rated {rule}; {alike}{counts}"


def _times_in_words(times: dict[str, Any]) -> str:
    if not times["known"]:
        return f"none; order of a user's interactions: {times['order']}"
    tied = f"{times['at_once']:.0%} at the same time as the user's one before"
    return f"{times['first']} to {times['last']}; {tied}"
