"""The catalogue of a run's dataset, stored once: runs/<name>/catalogues/<hash>/, without the log,
so that a method's process need not read the file that holds the ratings."""

from pathlib import Path

import numpy as np
import polars as pl

from coldbench import store
from coldbench.cell import Spec
from coldbench.interactions import Catalogue

RECORD = "catalogue.json"


def folder_of(run: Path, spec: Spec) -> Path:
    return run / "catalogues" / spec.data.rpartition("-")[2]


def save(catalogue: Catalogue, folder: Path) -> None:
    """Write the folder, at once or not at all."""
    partial = folder.with_name(f".{folder.name}")
    store.remove(partial)
    partial.mkdir(parents=True)
    tags = pl.Series("tags", [list(of_item) for of_item in catalogue.tags], pl.List(pl.String))
    table = pl.DataFrame({"id": catalogue.ids, "text": catalogue.text}).with_columns(tags)
    table.write_parquet(partial / "items.parquet")
    if catalogue.vectors is not None:
        np.save(partial / "vectors.npy", catalogue.vectors)
    store.seal(partial, RECORD, {}, folder)


def load(folder: Path) -> Catalogue:
    table, vectors = pl.read_parquet(folder / "items.parquet"), folder / "vectors.npy"
    return Catalogue(
        tuple(table["id"]),
        tuple(table["text"]),
        tuple(tuple(of_item) for of_item in table["tags"].to_list()),
        np.load(vectors) if vectors.is_file() else None,
    )
