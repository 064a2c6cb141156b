"""`coldbench list`: what a room holds, without importing it. A line each, that fits a terminal."""

import json
import os
import re
import shutil
import sys
from typing import Any

from coldbench import registry
from coldbench.errors import Unavailable, printable, unknown

from .completion import ROOMS

COLUMNS = {  # of the short list, beside the name; all there is of one: `list ROOM NAME`
    "methods": ("family", "summary"),
    "datasets": ("domain", "users", "interactions", "likes", "here"),
    "protocols": ("fields",),
    "reports": ("format", "summary"),
    "metrics": ("scope", "better", "summary"),
    "encoders": ("package", "family", "weights", "memory", "summary"),
}
COUNTS = ("users", "interactions", "weights")  # stand to the right


def rows(room: str, name: str | None = None) -> list[dict[str, Any]]:
    """One dictionary a name, with `name` and `summary` in each; where one is asked for, it alone.
    Raises UserError where there is no such room or name."""
    listed = _rows(room)
    if name is None:
        return listed
    matching = [row for row in listed if row["name"] == name]
    if not matching:
        names = [row["name"] for row in listed]
        raise unknown(room.removesuffix("s"), name, names, f"coldbench list {room}")
    return matching


def _rows(room: str) -> list[dict[str, Any]]:
    if room == "protocols":
        from coldbench.protocol import PRESETS

        return [{"name": n, "summary": "", "fields": f} for n, f in PRESETS.items()]
    if room == "encoders":
        from coldbench.encoder import PACKAGED

        packaged = [_model(name, package) for name, (package, _) in PACKAGED.items()]
        other = {
            "name": "HUB/NAME or FOLDER",
            "summary": "any transformers encoder or causal model",
        }
        vectors = {"name": "vectors", "summary": "the features that come with the dataset"}
        return [*packaged, vectors, other]
    if room == "metrics":
        from coldbench.metrics.compute import METRICS

        return [
            {
                "name": name,
                "summary": metric.summary,
                "scope": "per user" if metric.per_user else "pooled",
                "better": "higher" if metric.higher_is_better else "lower",
            }
            for name, metric in METRICS.items()
        ]
    if room not in ROOMS:
        raise unknown("list", room, ROOMS, f"one of {', '.join(ROOMS)}")
    listed = [
        {"name": entry.name, "summary": entry.summary, **entry.attributes}
        for entry in registry.entries(room)
    ]
    if room == "methods":
        common = {"family": "yours", "adapts": True, "paper": "", "state_size": ""}
        listed = [common | row for row in listed]
    return [_dataset(row) for row in listed] if room == "datasets" else listed


def _model(name: str, package: str) -> dict[str, Any]:
    """What a packaged model is; its settings are read where its package is there, no weights."""
    from coldbench.language.pretrained import place, size_of

    row = {"name": name, "summary": "not installed", "package": package}
    try:
        place(name)
    except Unavailable:
        return row
    size = size_of(name)
    use = "reads items, can be tuned a user" + ("; answers as a language model" * size.causal)
    memory = f"{4 * size.weights / 2**20:,.0f} MiB"  # in float32
    return row | {"family": size.family, "weights": size.weights, "memory": memory, "summary": use}


def _dataset(row: dict[str, Any]) -> dict[str, Any]:
    """What a dataset says of itself, its size as numbers where it is of one size."""
    dataset = registry.find("datasets", row["name"])
    sizes = re.match(r"([\d,]+) \w+, ([\d,]+) \w+, ([\d,]+) ", dataset.size)
    counts = [int(number.replace(",", "")) for number in sizes.groups()] if sizes else [None] * 3
    (low, high), above = dataset.scale, dataset.like_above
    alone = dataset.explicit is False
    return row | {
        "domain": dataset.domain,
        "size": dataset.size,
        **dict(zip(("users", "items", "interactions"), counts, strict=True)),
        "likes": "likes only" if alone else f"above {above:g} of {low:g} to {high:g}",
        "licence": dataset.licence,
        "citation": dataset.citation,
        "here": _here(row["name"]),
    }


def _here(name: str) -> bool:
    """Whether it can be loaded without a download."""
    from coldbench.files.locate import local_path

    dataset = registry.find("datasets", name)
    editions = [edition for edition in (dataset.files, dataset.or_else) if edition]
    folder = dataset.folder or name
    return not editions or any(all(local_path(folder, f) for f in files) for files in editions)


def show(room: str, listed: list[dict[str, Any]]) -> None:
    """A table of one line a row: what does not fit a terminal's width is cut; in a pipe nothing."""
    columns = ("name", *COLUMNS[room])
    heads = tuple("in the log" if c == "interactions" else c for c in columns)  # 80 columns
    table = [heads, *(tuple(_word(row.get(c, "")) for c in columns) for row in listed)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    width = _width()
    for row in table:
        cells = (
            word.rjust(wide) if column in COUNTS else word.ljust(wide)
            for word, wide, column in zip(row, widths, columns, strict=True)
        )
        line = printable("  ".join(cells)).rstrip()
        print(line if width is None or len(line) <= width else f"{line[: width - 3]}...")


def show_one(row: dict[str, Any]) -> None:
    """All that is known of one, a line each."""
    for key, value in row.items():
        print(printable(f"{key:14} {_word(value)}").rstrip())


def _width() -> int | None:
    """Characters of a line; None: as many as there are."""
    fits = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return max(40, shutil.get_terminal_size().columns) if fits else None


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "any"
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value)
