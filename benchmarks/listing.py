"""`coldbench list`: what a room holds, without importing it."""

import json
import re
from typing import Any

from coldbench import registry
from coldbench.errors import unknown

ROOMS = ("methods", "datasets", "protocols", "metrics", "encoders", "reports")
COLUMNS = {  # beside the name, and before what it is
    "methods": ("family", "adapts", "state_size", "paper"),  # bytes a user, in K, D and parameters
    "datasets": ("domain", "users", "items", "interactions", "likes", "licence", "here"),
    "protocols": ("fields",),
    "reports": ("format",),
    "metrics": ("scope", "better"),
    "encoders": ("package",),
}


def rows(room: str) -> list[dict[str, Any]]:
    """One dictionary a name, with `name` and `summary` in each."""
    if room == "protocols":
        from coldbench.protocol import PRESETS

        return [{"name": n, "summary": "", "fields": f} for n, f in PRESETS.items()]
    if room == "encoders":
        from coldbench.encoder import PACKAGED

        packaged = [{"name": n, "summary": "", "package": p} for n, (p, _) in PACKAGED.items()]
        other = {
            "name": "HUB/NAME or FOLDER",
            "summary": "any transformers encoder or causal model",
        }
        own = {"name": "vectors", "summary": "the features that come with the dataset"}
        return [*packaged, own, other]
    if room == "metrics":
        from coldbench.metrics import METRICS

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
    found = [
        {"name": entry.name, "summary": entry.summary, **entry.facts}
        for entry in registry.entries(room)
    ]
    if room == "methods":
        common = {"family": "yours", "adapts": True, "paper": "", "state_size": ""}
        found = [common | row for row in found]
    return [_dataset(row) for row in found] if room == "datasets" else found


def _dataset(row: dict[str, Any]) -> dict[str, Any]:
    """What a dataset says of itself, its size as numbers where it is of one size."""
    dataset = registry.find("datasets", row["name"])
    told = re.match(r"([\d,]+) \w+, ([\d,]+) \w+, ([\d,]+) ", dataset.size)
    counts = [int(number.replace(",", "")) for number in told.groups()] if told else [None] * 3
    (low, high), above = dataset.scale, dataset.like_above
    alone = dataset.explicit is False
    return row | {
        "domain": dataset.domain,
        "size": dataset.size,
        **dict(zip(("users", "items", "interactions"), counts, strict=True)),
        "likes": "likes alone" if alone else f"above {above:g} of {low:g} to {high:g}",
        "licence": dataset.licence,
        "citation": dataset.citation,
        "here": _here(row["name"]),
    }


def _here(name: str) -> bool:
    """Whether it can be loaded without a download."""
    from coldbench.download import here

    dataset = registry.find("datasets", name)
    editions = [edition for edition in (dataset.files, dataset.or_else) if edition]
    folder = dataset.folder or name
    return not editions or any(all(here(folder, f) for f in files) for files in editions)


def show(room: str, found: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = ("name", *COLUMNS[room], *(() if room == "datasets" else ("summary",)))
    for column in columns:
        table.add_column(column, no_wrap=column == "name")
    for row in found:
        table.add_row(*(_word(row.get(column, "")) for column in columns))
    Console().print(table)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "any"
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value)
