"""What a split is made of, kept once for all methods: runs/<name>/splits/<key>/.

users.parquet: user, activity (interactions in the whole log), entropy (bits, of likes among the
labels at the largest K), and what the dataset knows of people. items.parquet: item, seen (warm
users' interactions). leaks.json: the leak audit, a list of {says, checked, broken}.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl

from coldbench.cell import Spec
from coldbench.dataset import Dataset
from coldbench.interactions import Interactions
from coldbench.leaks import leaks
from coldbench.protocol import Protocol, Seeds, Split, split


def cut(spec: Spec, dataset: Dataset, log: Interactions) -> tuple[Protocol, Split]:
    """The split that a cell is learnt and judged on."""
    fields = spec.protocol_fields
    protocol = Protocol(**fields | {"shots": tuple(fields["shots"])})
    labels = dataset.labels(log.ratings, protocol.labels)
    seeds = Seeds.of(spec.seed, protocol.vary)
    made = split(log, labels, protocol, seeds, explicit=dataset.explicit)
    return protocol, replace(made, cold=made.cold.first(spec.limit)) if spec.limit else made


def keep(spec: Spec, dataset: Dataset, log: Interactions, folder: Path) -> None:
    """Write the folder, at once or not at all."""
    protocol, made = cut(spec, dataset, log)
    partial = folder.with_name(f".{folder.name}")
    partial.mkdir(parents=True, exist_ok=True)
    _users(made, dataset, log, protocol).write_parquet(partial / "users.parquet")
    seen = made.warm.seen()
    items = pl.DataFrame({"item": np.arange(len(seen), dtype=np.int32), "seen": seen})
    items.filter(pl.col("item").is_in(made.candidates)).write_parquet(partial / "items.parquet")
    facts = [asdict(fact) for fact in leaks(made, protocol)]
    (partial / "leaks.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    partial.rename(folder)


def _users(made: Split, dataset: Dataset, log: Interactions, protocol: Protocol) -> pl.DataFrame:
    cold = made.cold
    ids = cold.users.ids[cold.who]
    given = cold.support >= 0
    like = (cold.users.labels[cold.support] > dataset.like_at(protocol.labels)) & given
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
