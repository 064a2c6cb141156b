"""`coldbench list`: what a room holds, without importing it."""

import json
from typing import Any

from coldbench import registry
from coldbench.errors import unknown

ROOMS = ("methods", "datasets", "protocols", "metrics", "encoders", "reports")
COLUMNS = {  # beside the name, and before what it is
    "methods": ("family", "adapts", "paper"),
    "datasets": ("domain", "size", "licence", "here"),
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
        found = [{"family": "yours", "adapts": True, "paper": ""} | row for row in found]
    if room == "datasets":
        for row in found:
            row["here"] = _here(row["name"])
    return found


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
    columns = ("name", *COLUMNS[room], "summary")
    for column in columns:
        table.add_column(column, no_wrap=column == "name")
    for row in found:
        table.add_row(*(_word(row.get(column, "")) for column in columns))
    Console().print(table)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value)
