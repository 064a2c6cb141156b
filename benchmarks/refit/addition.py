"""New ratings for a served log: a user's own file, held to the log that it is to grow."""

from typing import Any

import polars as pl

from coldbench import registry
from coldbench.cell import Spec
from coldbench.errors import UserError
from coldbench.files.frames import catalogue_of
from coldbench.files.schema import ISO, NUMBER, Column, InvalidValue

from ..dataset_names import Source
from .growth import ROW, Grown, items_of

COLUMNS = ("user", "item", "rating", "time", "time_unit", "separator", "encoding")


def read(
    path: str, stated: dict[str, Any], spec: Spec, grown: Grown, since: str | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a file that the log has not, and the items that they bring.

    stated: parameters of the file, as of `coldbench run -d FILE`; columns that a log of the same
    kind had keep their names. since: rows before this time are left out, seconds since 1970 or
    ISO 8601. Raises UserError, BadFile among them, where the file cannot be taken as it is.
    """
    source = Source.of(path, _params(path, stated, spec, grown))
    dataset: Any = source.dataset()
    if not hasattr(dataset, "tables"):
        raise UserError(f"{path}: new ratings are a file of your own, such as new.csv")
    rows, items = dataset.tables()
    if "time" not in rows.columns:
        raise UserError(
            f"{path}: has no times, and the log has; name their column: --with time=..."
        )
    if dataset.explicit != grown.explicit:
        has, log = ("no ratings", "ratings") if grown.explicit else ("ratings", "likes only")
        raise UserError(f"{path}: has {has}, and the log has {log}")
    rows = rows.select(*ROW).cast(ROW)
    if since is not None:
        rows = rows.filter(pl.col("time") >= _moment(since))
    rows = rows.join(grown.rows, on=[*ROW], how="anti", maintain_order="left")
    if not rows.height:
        after = f" from {since} on" if since is not None else ""
        raise UserError(f"{path}: holds no rating{after} that the log has not")
    return rows, _new_items(path, rows, items, grown, named_items=bool(dataset.items))


def _params(path: str, stated: dict[str, Any], spec: Spec, grown: Grown) -> dict[str, Any]:
    """The parameters that the file is read by: those of the log, then those that are stated."""
    known = registry.find("datasets", Source.of(path).loader).__dataclass_fields__
    given = spec.dataset_params if spec.files else {}
    kept: dict[str, Any] = {
        name: given[name] for name in COLUMNS if name in given and name in known
    }
    kept |= {"scale": list(grown.scale), "like_above": grown.like_above}
    if not grown.explicit:
        kept["rating"] = "none"
    return {key: value for key, value in kept.items() if key in known} | stated


def _new_items(
    path: str, rows: pl.DataFrame, items: pl.DataFrame, grown: Grown, *, named_items: bool
) -> pl.DataFrame:
    new = rows["item"].unique(maintain_order=True)
    new = new.filter(~new.is_in(grown.items["item"].implode()))
    named = bool((grown.items["item"] == grown.items["text"]).all())  # the log's are their ids
    if len(new) and grown.vectors is not None:
        raise UserError(
            f"{path}: {len(new):,} items are not in the catalogue, {new[0]!r} among them, and its "
            "items have vectors of their own: train anew with vectors for all"
        )
    if len(new) and not (named_items or named):
        raise UserError(
            f"{path}: {len(new):,} items are not in the catalogue, {new[0]!r} among them; say what "
            "they are: --with items=ITEMS.csv, with a row for each item of the file"
        )
    mine = pl.DataFrame({"item": new}).join(items, on="item", maintain_order="left")
    if mine["text"].null_count():
        lacking = mine.filter(pl.col("text").is_null())["item"][0]
        raise UserError(f"{path}: item {lacking!r} is not in the table of items; add it there")
    return items_of(catalogue_of(mine))


def _moment(since: str) -> int:
    """Microseconds since 1970."""
    unit = "seconds" if NUMBER.fullmatch(since) else ISO
    try:
        moment = Column("since", "time", unit=unit).parse(since)
    except InvalidValue as wrong:
        raise UserError(f"--since {since!r}: expected {wrong.expected}") from None
    assert isinstance(moment, int)
    return moment
