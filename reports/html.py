"""HTML: index.html, the whole run as one page. No network, and nothing on it runs but its own."""

import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from coldbench.report import Report
from coldbench.results.results import Results

from ._elicitation import elicitation_table
from ._escape import slug, xml
from ._figures import pictures, run_pictures
from ._overview import overview
from ._provenance import origin
from ._setting import SettingResults, settings
from ._summary import summary
from ._svg import inline
from ._tables import tables
from .figures import Figures

HERE = Path(__file__).parent
MAIN = (
    "quality",
    "audit",
    "control",
    "leaks",
    "everyone",
    "kshot",
    "costs",
    "failed",
)  # not folded


class Html(Report):
    format = "html"

    def write(self, results: Results, folder: Path) -> list[Path]:
        written = Figures().write(results, folder)  # the page links the data behind them
        path = folder / "index.html"
        path.write_text(xml(page(results)), encoding="utf-8")
        return [path, *written]


def page(results: Results) -> str:
    style, script = (_own(f"_page.{end}") for end in ("css", "js"))
    templates = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,  # select_autoescape would go by the file's name
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawings = pictures(results)
    sections = []
    for setting in settings(results):
        name = f"{slug(setting.dataset)}-{slug(setting.protocol)}"
        made = {table.name: table for table in tables(setting)}
        figures = {
            drawing.name: {"drawing": drawing, "svg": Markup(inline(drawing.svg))}
            for drawing in drawings[setting.dataset, setting.protocol]
        }
        sections.append(
            {
                "id": name, "setting": setting, "summary": summary(setting), "tables": made,
                "figures": figures, "groups": [n for n in made if n.startswith("groups-")],
                "main": [n for n in made if n.split("-")[0] in MAIN and n != "quality-k0"],
                "methods": list(_methods(setting)),
            }
        )  # fmt: skip
    return templates.get_template("_page.html").render(
        results=results,
        overview=overview(results),
        asked=elicitation_table(results),
        figures=[
            {"drawing": drawing, "svg": Markup(inline(drawing.svg))}
            for drawing in run_pictures(results)
        ],
        sections=sections,
        origin=origin(results),
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'",
    )


def _own(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _methods(setting: SettingResults) -> Iterator[dict[str, Any]]:
    """What is known of every method beside its numbers."""
    reports = dict(setting.of(setting.results.reports).select("method", "report").iter_rows())
    shown = set()
    for cell in setting.cells():
        if cell.name in shown:
            continue
        shown.add(cell.name)
        yield {
            "name": cell.name,
            "paper": cell.facts.get("paper", ""),
            "params": json.dumps(cell.spec.params, sort_keys=True, ensure_ascii=False),
            "cells": [
                f"seed {c.spec.seed}: {c.spec.fingerprint}"
                + ("" if c.status == "done" else f" ({c.status})")
                for c in setting.cells()
                if c.name == cell.name
            ],
            "report": reports.get(cell.name, ""),
        }
