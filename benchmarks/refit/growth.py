"""What a served model was trained on, and how it grows: logs/<version>/ of a served folder.

added.parquet: user, item (String), rating, time: the rows that this version brought; the first has
all. items.parquet: item, text, tags: the items it brought. users.parquet: user, trained: every user
so far, in the order of their numbers, and whether the version learnt from or chose by them.
log.json: `after`, the version it grew from, `rows`, a digest of what was added, and hashes.

A log is the chain from the first version to its own: what a refused version brought is in no other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coldbench import store
from coldbench.dataset import Dataset
from coldbench.errors import UserError
from coldbench.interactions import Catalogue, Interactions

from .served import Served

RECORD = "log.json"
ROW: dict[str, Any] = {"user": pl.String, "item": pl.String, "rating": pl.Float64, "time": pl.Int64}
ITEM: dict[str, Any] = {"item": pl.String, "text": pl.String, "tags": pl.List(pl.String)}


@dataclass(frozen=True, kw_only=True)
class Grown(Dataset):
    """A log as it is now. Users and items keep their numbers; new ones come after them."""

    rows: pl.DataFrame  # of ROW
    items: pl.DataFrame  # of ITEM
    trained: dict[str, bool]  # user -> whether learnt from, in the order of their numbers
    scale: tuple[float, float]  # type: ignore[misc]
    like_above: float  # type: ignore[misc]
    explicit: bool  # type: ignore[misc]
    vectors: NDArray[np.float32] | None = None  # that came with the first items

    domain = "served"
    licence = "as the first version's"
    citation = "as the first version's"

    def load(self) -> tuple[Interactions, Catalogue]:
        users = {user: number for number, user in enumerate(self.trained)}
        items = {item: number for number, item in enumerate(self.items["item"])}
        log = Interactions.from_rows(
            _numbers(self.rows["user"], users),
            _numbers(self.rows["item"], items),
            self.rows["rating"].to_numpy(),
            self.rows["time"].to_numpy(),
            len(items),
        )
        tags = tuple(tuple(of_item) for of_item in self.items["tags"].to_list())
        ids, text = (tuple(self.items[name]) for name in ("item", "text"))
        return log, Catalogue(ids, text, tags, self.vectors)

    def after(self, rows: pl.DataFrame, items: pl.DataFrame) -> "Grown":
        """With these rows and items added; nobody new was learnt from."""
        new = rows["user"].unique(maintain_order=True)
        users = self.trained | {user: False for user in new if user not in self.trained}
        both = pl.concat([self.rows, rows]), pl.concat([self.items, items])
        return replace(self, rows=both[0], items=both[1], trained=users)


def _numbers(values: pl.Series, number: dict[str, int]) -> NDArray[np.int32]:
    keys = pl.Series(list(number), dtype=pl.String)
    places = pl.Series(range(len(keys)), dtype=pl.Int32)
    return values.replace_strict(keys, places, return_dtype=pl.Int32).to_numpy()


def of_dataset(dataset: Dataset, learnt: NDArray[np.int64]) -> Grown:
    """The log of a registered dataset or of own files. learnt: numbers of users learnt from.

    Users are called by their ids where the dataset is a user's own file, else by their numbers.
    Raises UserError where the log has no times.
    """
    log, catalogue = dataset.load()
    if log.times is None:
        raise UserError("the log has no times: who came last cannot be told, and so not refitted")
    read: Any = getattr(dataset, "user_ids", None)
    names = read() if read else [str(number) for number in range(log.n_users)]
    rows = {
        "user": pl.Series(names, dtype=pl.String)[log.users],
        "item": pl.Series(catalogue.ids, dtype=pl.String)[log.items.astype(np.int64)],
        "rating": log.ratings.astype(np.float64),
        "time": log.times,
    }
    trained = np.isin(np.arange(log.n_users), learnt)
    users = dict(zip(names, trained.tolist(), strict=True))
    low, high = map(float, dataset.scale)
    return Grown(
        rows=pl.DataFrame(rows, ROW), items=items_of(catalogue), trained=users, scale=(low, high),
        like_above=float(dataset.like_above), explicit=dataset.explicit, vectors=catalogue.vectors,
    )  # fmt: skip


def items_of(catalogue: Catalogue) -> pl.DataFrame:
    tags = [list(of_item) for of_item in catalogue.tags]
    return pl.DataFrame({"item": catalogue.ids, "text": catalogue.text, "tags": tags}, ITEM)


def digest(rows: pl.DataFrame) -> str:
    """What the rows say, as 16 hexadecimal digits."""
    hashed = blake2b(digest_size=8)
    for column in rows.select(*ROW).iter_columns():
        hashed.update(repr(column.to_list()).encode())
    return hashed.hexdigest()


def write(
    served: Served, version: str, after: str, grown: Grown, parts: Sequence[pl.DataFrame]
) -> None:
    """Seal what a version was trained on. parts: the rows and the items that it brought."""
    rows, items = parts
    whole = served.log(version)
    partial = whole.with_name(f".{version}")
    store.remove(partial)
    partial.mkdir(parents=True)
    rows.write_parquet(partial / "added.parquet")
    items.write_parquet(partial / "items.parquet")
    users = {"user": list(grown.trained), "trained": list(grown.trained.values())}
    pl.DataFrame(users, {"user": pl.String, "trained": pl.Boolean}).write_parquet(
        partial / "users.parquet"
    )
    if grown.vectors is not None:
        np.save(partial / "vectors.npy", grown.vectors)
    facts = {"scale": grown.scale, "like_above": grown.like_above, "explicit": grown.explicit}
    store.seal(partial, RECORD, {"after": after, "rows": digest(rows)} | facts, whole)


def read(served: Served, version: str) -> Grown:
    """What a version was trained on. Raises UserError where any of its chain is torn."""
    chain: list[Path] = []
    facts: dict[str, Any] = {}
    at = version
    while at:
        folder = served.log(at)
        record = store.read(folder, RECORD)
        if record is None:
            raise UserError(
                f"{folder} is torn or missing: the log cannot grow; restore it, or begin anew "
                "with --start"
            )
        chain.insert(0, folder)
        at, facts = record["after"], record
    rows, items = (
        pl.concat([pl.read_parquet(folder / f"{name}.parquet") for folder in chain])
        for name in ("added", "items")
    )
    users = pl.read_parquet(chain[-1] / "users.parquet")
    trained = dict(zip(users["user"], users["trained"], strict=True))
    vectors = chain[0] / "vectors.npy"
    features = np.load(vectors, allow_pickle=False) if vectors.is_file() else None
    low, high = facts["scale"]
    return Grown(
        rows=rows, items=items, trained=trained, scale=(low, high), like_above=facts["like_above"],
        explicit=facts["explicit"], vectors=features,
    )  # fmt: skip
