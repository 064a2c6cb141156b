"""What the frame of an analysis looks like: columns by name, each of a kind."""

from typing import Any

import polars as pl

TEXT, WHOLE, REAL = pl.String, pl.Int64, pl.Float64
KEYS: dict[str, Any] = {"dataset": TEXT, "protocol": TEXT}  # of every frame, in front

Schema = dict[str, Any]
Row = dict[str, Any]


def schema(text: str = "", whole: str = "", real: str = "", **more: Any) -> Schema:
    """Names of columns by their kind, separated by spaces; more: columns of another kind."""
    kinds = ((text, TEXT), (whole, WHOLE), (real, REAL))
    return {name: kind for names, kind in kinds for name in names.split()} | more
