"""HTML: index.html, the whole run as one page. No network, and nothing on it runs but its own."""

import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from coldbench.report import Report
from coldbench.results.results import Results

from ._elicitation import elicitation_table
from ._escape import slug, xml
from ._figures import pictures, run_pictures
from ._overview import glance, overview
from ._parts import parts
from ._provenance import origin
from ._setting import SettingResults, settings
from ._site import write_site
from ._summary import summary, terms
from ._svg import Drawing, inline
from ._tables import tables
from .figures import Figures

HERE = Path(__file__).parent
FOLDED = ("critical", "variance", "health")  # of the run as a whole


class Html(Report):
    format = "html"

    def write(self, results: Results, folder: Path) -> list[Path]:
        written = Figures().write(results, folder)  # the page links the data behind them
        path = folder / "index.html"
        path.write_text(xml(page(results)), encoding="utf-8")
        return [path, *written]

    def site(self, results: Results, folder: Path, docs: Path | None) -> list[Path]:
        """A static site of them, into `folder`; docs: a folder of Markdown that is rendered too."""
        return write_site(results, folder, docs)


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
        by_name = {table.name: table for table in tables(setting)}
        figures = {d.name: _shown(d) for d in drawings[setting.dataset, setting.protocol]}
        sections.append(
            {
                "id": name, "setting": setting, "summary": summary(setting),
                "terms": terms(setting), "tables": by_name,
                "figures": figures, "quality": f"quality-k{setting.max_shots}",
                "parts": parts(setting, list(by_name), list(figures)),
                "methods": list(_methods(setting)),
            }
        )  # fmt: skip
    notes = [setting.note for setting in settings(results)]
    templates.filters["said"] = lambda caption: _without(caption, notes)
    return templates.get_template("_page.html").render(
        results=results,
        overview=overview(results),
        asked=elicitation_table(results),
        glance=glance(results),
        figures=[_shown(drawing) for drawing in run_pictures(results)],
        sections=sections,
        origin=origin(results),
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'",
    )


def _shown(drawing: Drawing) -> dict[str, Any]:
    named = f'role="img" aria-label="{escape(drawing.title)}"'
    svg = Markup(inline(drawing.svg).replace('role="img"', named, 1))
    return {"drawing": drawing, "svg": svg, "open": drawing.name not in FOLDED}


def _without(caption: str, notes: list[str]) -> str:
    """A caption less what stands once at the head of its section."""
    for note in notes:
        caption = caption.replace(note, "")
    return " ".join(caption.split())


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
