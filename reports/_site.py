"""The site: a leaderboard over settings, a plot to explore, a page a method, a page a setting, and
the documentation.

Every page is whole without JavaScript, the plot apart, and asks nothing of the network.
"""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from coldbench import registry
from coldbench.results.results import Results
from coldbench.results.rounding import plain

from . import _explore
from ._board import board, explored
from ._claims import answer, claims
from ._escape import slug, xml
from ._figures import OF_RUN, OF_SETTING
from ._leaderboard import costs_table, elsewhere, finished, leaderboard, of_method
from ._markdown_pages import pages_of
from ._overview import overview
from ._setting import TOO_SMALL, SettingResults, settings
from ._small_curves import curves
from ._summary import summary, terms
from ._svg import Drawing, inline
from ._tables import tables
from ._values import metric_name

HERE = Path(__file__).parent
DRAWN = ("kshot", "pareto")  # on the page of a setting
ROOMY = 7  # settings beside which the leaderboard has room for the column of families


@dataclass(frozen=True)
class Page:
    """A page of the site before it is laid out; `path` is relative to the site's root."""

    path: str
    template: str
    title: str
    words: dict[str, Any]


def write_site(results: Results, folder: Path, docs: Path | None) -> list[Path]:
    """Every page, by name; docs: a folder of Markdown that is rendered too."""
    templates = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.filters |= {"said": str, "slug": slug}
    style = _own("_page.css") + _own("_site.css")
    script = _own("_page.js") + _own("_site.js")
    plot = _own("_explore.js")
    written = _explore.write_library(folder) if _explore.is_here() else []
    for page in _pages(results, docs):
        path = folder / page.path
        path.parent.mkdir(parents=True, exist_ok=True)
        text = templates.get_template(page.template).render(
            page.words, title=page.title, root="../" * page.path.count("/"), docs=docs is not None,
            style=Markup(style), script=Markup(script), plot=Markup(plot),
            explore=_explore.is_here(),
            policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)} "
            f"{_hash(plot)} file: 'self'; "
            "img-src data: file: 'self'; base-uri 'none'; form-action 'none'",
        )  # fmt: skip
        path.write_text(xml(text), encoding="utf-8")
        written.append(path)
    return written


def _pages(results: Results, docs: Path | None) -> Iterator[Page]:
    every = [setting for setting in settings(results) if setting.shots]
    every.sort(key=lambda setting: setting.is_too_small)  # what says nothing stands last
    methods = list(dict.fromkeys(cell.name for cell in results.cells))
    common = {"results": results}
    critical = OF_RUN["critical"].draw(results) if len(every) > 1 else None
    links = {method: f"methods/{slug(method)}.html" for method in methods}
    table = leaderboard(every)
    first = {
        "table": table, "answer": answer(every, table), "elsewhere": elsewhere(every),
        "done": finished(every), "many": len(every) > ROOMY,
        "overview": overview(results), "claims": claims(every),
        "critical": _shown(critical) if critical else None,
        "board": board(every), "links": links,
        "methods": _said("methods", {cell.name: cell.spec.method for cell in results.cells}),
        "sets": _said("datasets", {setting.dataset: setting.dataset for setting in every}),
    }  # fmt: skip
    yield Page("index.html", "_site_index.html", "Leaderboard", common | first)
    if _explore.is_here():
        words = {"board": explored(every), "costs": costs_table(every), "links": links}
        yield Page("explore.html", "_site_explore.html", "Accuracy against cost", common | words)
    for method in methods:
        cells = [cell for cell in results.cells if cell.name == method]
        words = {
            "name": method, "cell": cells[0], "about": _about(cells[0].spec.method),
            "table": of_method(every, method), "curves": curves(every, method),
            "links": {setting.title: f"../sets/{_page_of(setting)}" for setting in every},
        }  # fmt: skip
        yield Page(f"methods/{slug(method)}.html", "_site_method.html", method, common | words)
    for setting in every:
        words = {
            "setting": setting, "summary": summary(setting), "terms": terms(setting),
            "facts": _facts(setting),
            "tables": {table.name: table for table in tables(setting)},
            "links": {method: f"../{page}" for method, page in links.items()},
            "open": (f"quality-k{setting.max_shots}", "audit"),
            "figures": [
                _shown(drawing)
                for name in DRAWN
                if (drawing := OF_SETTING[name].draw(setting)) is not None
            ],
        }  # fmt: skip
        yield Page(f"sets/{_page_of(setting)}", "_site_set.html", setting.title, common | words)
    for name, title, body in pages_of(docs) if docs else ():
        yield Page(f"docs/{name}.html", "_site_doc.html", title, common | {"body": Markup(body)})


def _page_of(setting: SettingResults) -> str:
    return f"{slug(setting.dataset)}-{slug(setting.protocol)}.html"


def _about(method: str) -> dict[str, str]:
    """What the code says of a method; {} of one that is not known here."""
    if method not in registry.names("methods"):  # an archive may hold another's method
        return {"summary": "A method that is not known here.", "file": "", "source": ""}
    entry = registry.entry("methods", method)
    source = entry.source.read_text(encoding="utf-8") if entry.source else ""
    file = f"methods/{entry.source.name}" if entry.source else ""
    return {"summary": _plain(entry.summary), "file": file, "source": source}


def _said(room: str, entries: dict[str, str]) -> dict[str, str]:
    """Of each row the first line of what its entry says of itself; "" of one not known here."""
    known = set(registry.names(room))
    return {
        row: _plain(registry.entry(room, name).summary) if name in known else ""
        for row, name in entries.items()
    }


def _plain(summary: str) -> str:
    return summary.replace("`", "")


def _facts(setting: SettingResults) -> list[tuple[str, str]]:
    """What it is, how many, its licence, chance, and the smallest difference that could be seen."""
    facts = [cell.facts for cell in setting.cells() if cell.status == "done"]
    split: dict[str, int] = next((fact["split"] for fact in facts if fact.get("split")), {})
    metric = setting.results.headline
    chance = setting.of(
        setting.results.table, method="chance", metric=metric, shots=setting.max_shots
    )
    name = setting.dataset
    entry = registry.entry("datasets", name) if name in registry.names("datasets") else None
    least = "" if setting.detectable is None else plain(setting.detectable)
    known = {
        "what": entry.summary if entry else "",
        "in all": str(entry.attributes.get("size", "")) if entry else "",
        "in one split": ", ".join(f"{many:,} {what}" for what, many in split.items() if many),
        "licence": next((fact["licence"] for fact in facts if fact.get("licence")), ""),
        "citation": next((fact["citation"] for fact in facts if fact.get("citation")), ""),
        f"chance in {metric_name(metric)}": plain(chance["value"][0]) if len(chance) else "",
        "smallest detectable difference": least
        + (f": {TOO_SMALL}" if setting.is_too_small else ""),
        "hash of the data": setting.cells()[0].spec.data,
    }
    return [(name, words) for name, words in known.items() if words]


def _shown(drawing: Drawing) -> dict[str, Any]:
    named = f'role="img" aria-label="{escape(drawing.title)}"'
    svg = Markup(inline(drawing.svg).replace('role="img"', named, 1))
    return {"drawing": drawing, "svg": svg}


def _own(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
