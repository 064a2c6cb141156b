"""What a split is made of, stored once for all methods: runs/<name>/splits/<key>/.

episodes.safetensors: what a method's process may hold: warm users, valid users, and the cold users'
supports with the items to be scored. answers.parquet: what it may not, the cold users' ratings and
labels of these items (user, item, rating, label), in the order in which they are asked for.
pool.npy: where a protocol has an asker, the labels of the items it may ask for (elicitation.py).
users.parquet: user, activity (interactions in the whole log), entropy (bits, of likes among the
labels at the largest K), and what the dataset knows of people. items.parquet: item, seen (warm
users' interactions). leaks.json: the leak audit, a list of {says, checked, broken, tied}.
split.json: the facts that a reader of scores needs, and the hashes of these files.
"""

import json
from dataclasses import asdict, fields, is_dataclass, replace
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coldbench import store
from coldbench.cell import Spec
from coldbench.dataset import Dataset
from coldbench.interactions import Int, Interactions
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.spilled import Column, in_bounds
from coldbench.splits.rolling import roles

from . import arrays as stored

if TYPE_CHECKING:  # torch comes with them, and a run's parent reads facts alone
    from coldbench.episode import Episodes
    from coldbench.splits.split import Split

RECORD = "split.json"
POOL = "pool.npy"
STORED = {"user_index": "who", "n_source": "lent"}  # how files name these fields


def protocol_of(spec: Spec) -> Protocol:
    stated = spec.protocol_fields
    return Protocol(**stated | {"shots": tuple(stated["shots"])})


def cut(spec: Spec, dataset: Dataset, log: Interactions) -> "tuple[Protocol, Split]":
    """The split that a cell is trained and evaluated on, with its answers."""
    from coldbench.splits.split import split

    protocol = protocol_of(spec)
    made = Column()
    for _, rows in in_bounds(log.offsets):
        made.append(dataset.labels(log.ratings[rows], protocol.labels))
    labels = made.whole()
    seeds, who = Seeds.of(spec.seed, protocol.vary), None
    if protocol.split == "rolling":
        kept, who = roles(log, protocol, spec.seed)
        log, labels = log.rows(kept), labels[kept]
    data_split = split(log, labels, protocol, seeds, explicit=dataset.explicit, roles=who)
    return protocol, replace(
        data_split, cold=data_split.cold.first(spec.limit)
    ) if spec.limit else data_split


def save(spec: Spec, dataset: Dataset, log: Interactions, folder: Path) -> None:
    """Write the folder, at once or not at all."""
    from coldbench.item_sums import prior
    from coldbench.splits.leakage import leaks

    from .loop import swap

    protocol, data_split = cut(spec, dataset, log)
    data_split = replace(
        data_split, cold=_mixed(data_split.cold, protocol, Seeds.of(spec.seed, protocol.vary).draw)
    )
    partial = folder.with_name(f".{folder.name}")
    store.remove(partial)
    partial.mkdir(parents=True)
    arrays, rest = _taken_apart(withheld(data_split, protocol))
    arrays["swapped"] = swap(data_split.cold).support
    stored.save(arrays, partial / "episodes.safetensors", json.dumps(rest))
    answers(data_split.cold).write_parquet(partial / "answers.parquet")
    if protocol.asks:
        np.save(partial / POOL, pool_labels(data_split.cold))
    _users(data_split, dataset, log, protocol).write_parquet(partial / "users.parquet")
    seen = data_split.warm.item_counts()
    columns = {"item": np.arange(len(seen), dtype=np.int32), "seen": seen}
    items = pl.DataFrame(columns | {"prior": prior(data_split.warm)})
    items.filter(pl.col("item").is_in(data_split.candidates)).write_parquet(
        partial / "items.parquet"
    )
    audit = [check.as_json() for check in leaks(data_split, protocol)]
    (partial / "leaks.json").write_text(json.dumps(audit, indent=1), encoding="utf-8")
    store.seal(partial, RECORD, {"facts": _facts(data_split, dataset, protocol)}, folder)


def facts(folder: Path) -> dict[str, Any] | None:
    """What a reader of the split's scores needs; None where the folder is absent or damaged."""
    record = store.read(folder, RECORD)
    return None if record is None else record["facts"]


def load(folder: Path) -> "tuple[Split, Episodes]":
    """The split as a method's process may hold it, the answers to the queries withheld; and its
    cold users with another user's support each, the control."""
    from coldbench.splits.split import Split

    arrays, rest = stored.load(folder / "episodes.safetensors")
    data_split: Split = _put_together(Split, "", arrays, json.loads(rest))
    return data_split, replace(data_split.cold, support=arrays["swapped"])


def withheld(data_split: "Split", protocol: Protocol) -> "Split":
    """The split without the answers: ratings and labels of the queries are NaN. Where the catalogue
    is ranked the items asked for are withheld too, since in a positive-only log they are the
    answers; others of the candidates stand in for them, for whoever measures time."""
    cold, log = data_split.cold, data_split.cold.users.log
    rows = cold.query[cold.query >= 0]
    if protocol.asks:  # what is not asked is not told
        rows = np.concatenate([rows, cold.support[cold.support >= 0]])
    ratings, labels, items = log.ratings.copy(), cold.users.labels.copy(), log.items.copy()
    ratings[rows] = labels[rows] = np.nan
    if protocol.candidates == "all":
        items[rows] = data_split.candidates[np.arange(len(rows)) % len(data_split.candidates)]
    users = replace(cold.users, log=replace(log, items=items, ratings=ratings), labels=labels)
    return replace(data_split, cold=replace(cold, users=users))


def answers(cold: "Episodes") -> pl.DataFrame:
    """user, item, rating, label: a row for each item of each query, user by user."""
    real = cold.query >= 0
    rows, log = cold.query[real], cold.users.log
    users = np.broadcast_to(cold.users.ids[cold.user_index][:, None], real.shape)[real]
    columns = {"user": users, "item": log.items[rows], "rating": log.ratings[rows]}
    return pl.DataFrame(columns | {"label": cold.users.labels[rows]})


def pool_labels(cold: "Episodes") -> NDArray[np.float32]:
    """(E, P) the label of each item that may be asked for; NaN where there is none."""
    return np.where(cold.support >= 0, cold.users.labels[cold.support], np.float32(np.nan))


def _mixed(cold: "Episodes", protocol: Protocol, seed: int) -> "Episodes":
    """A query of likes and sampled items in random order, so that an item's place tells nothing."""
    if protocol.candidates != "popular":
        return cold
    place = np.random.default_rng(seed).random(cold.query.shape).argsort(1)
    return replace(cold, query=np.take_along_axis(cold.query, place, 1))


def _facts(data_split: "Split", dataset: Dataset, protocol: Protocol) -> dict[str, Any]:
    asked = blake2b(data_split.cold.users.log.items[data_split.cold.query].tobytes(), digest_size=8)
    asked.update(data_split.candidates.tobytes())
    return {
        **asdict(dataset.label_scale(protocol.labels)),  # like_at, span, graded
        "split": data_split.summary(),
        "candidates": asked.hexdigest(),  # the same for every method, or they are not comparable
        "domain": dataset.domain,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "unclaimed": list(dataset.unclaimed),  # columns of a user's file that nobody reads
    }


def _users(
    data_split: "Split", dataset: Dataset, log: Interactions, protocol: Protocol
) -> pl.DataFrame:
    cold = data_split.cold
    ids = cold.users.ids[cold.user_index]
    given = cold.support >= 0
    scale = dataset.label_scale(protocol.labels)
    like = (cold.users.labels[cold.support] > scale.like_at) & given
    with np.errstate(divide="ignore", invalid="ignore"):
        p = like.sum(1) / given.sum(1)
        bits = -np.nan_to_num(p * np.log2(p)) - np.nan_to_num((1 - p) * np.log2(1 - p))
    table = pl.DataFrame({"user": ids, "activity": log.counts[ids], "entropy": bits})
    people = dataset.people()
    if people is None:
        return table
    return table.join(
        people.with_row_index("user").cast({"user": pl.Int64}), "user", maintain_order="left"
    )


def _taken_apart(part: Any, prefix: str = "") -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays of nested dataclasses by path, "cold.users.ids", and their plain values."""
    arrays: dict[str, NDArray[Any]] = {}
    rest: dict[str, Any] = {}
    for field in fields(part):
        path, value = _stored(prefix, field.name), getattr(part, field.name)
        if is_dataclass(value):
            more, plain = _taken_apart(value, f"{path}.")
            arrays |= more
            rest |= plain
        elif isinstance(value, np.ndarray):
            arrays[path] = np.ascontiguousarray(value)
        else:
            rest[path] = value
    return arrays, rest


@cache
def _parts() -> dict[type, dict[str, type]]:
    """The dataclasses a split is made of."""
    from coldbench.episode import Episodes, Users
    from coldbench.splits.split import Split

    return {
        Split: {"warm": Users, "valid": Episodes, "cold": Episodes},
        Episodes: {"users": Users},
        Users: {"log": Interactions},
    }


def _put_together(
    cls: type, prefix: str, arrays: dict[str, NDArray[Any]], rest: dict[str, Any]
) -> Any:
    values: dict[str, Any] = {}
    for field in fields(cls):
        path = _stored(prefix, field.name)
        part = _parts().get(cls, {}).get(field.name)
        if part is not None:
            values[field.name] = _put_together(part, f"{path}.", arrays, rest)
        elif path in arrays:
            values[field.name] = arrays[path]
        else:
            plain = rest[path]
            values[field.name] = tuple(plain) if isinstance(plain, list) else plain
    return cls(**values)


def _stored(prefix: str, name: str) -> str:
    return f"{prefix}{STORED.get(name, name)}"


def support_items(cold: "Episodes") -> Int:
    """(E, S) the items of every cold user's longest support; -1 where there is none."""
    return np.where(cold.support >= 0, cold.users.log.items[cold.support], -1).astype(np.int64)
