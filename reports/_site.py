"""The site: a leaderboard over settings, a page a method, a page a setting, and the documentation.

Every page is whole without JavaScript and asks nothing of the network.
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

from ._escape import slug, xml
from ._figures import OF_RUN, OF_SETTING
from ._leaderboard import claims, finished, leaderboard, levels_by_metric, of_method
from ._markdown_pages import pages_of
from ._overview import overview
from ._setting import SettingResults, settings
from ._summary import summary
from ._svg import Drawing, inline
from ._tables import tables

HERE = Path(__file__).parent
DRAWN = ("kshot", "pareto", "gains")  # on the page of a setting


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
    written = []
    for page in _pages(results, docs):
        path = folder / page.path
        path.parent.mkdir(parents=True, exist_ok=True)
        text = templates.get_template(page.template).render(
            page.words, title=page.title, root="../" * page.path.count("/"), docs=docs is not None,
            style=Markup(style), script=Markup(script),
            policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
            "img-src data: file: 'self'; base-uri 'none'; form-action 'none'",
        )  # fmt: skip
        path.write_text(xml(text), encoding="utf-8")
        written.append(path)
    return written


def _pages(results: Results, docs: Path | None) -> Iterator[Page]:
    every = [setting for setting in settings(results) if setting.shots]
    methods = list(dict.fromkeys(cell.name for cell in results.cells))
    common = {"results": results}
    critical = OF_RUN["critical"].draw(results) if len(every) > 1 else None
    board = {
        "table": leaderboard(every), "done": finished(every),
        "overview": overview(results), "claims": claims(every),
        "critical": _shown(critical) if critical else None,
        "levels": levels_by_metric(every), "metric": results.headline,
        "links": {method: f"methods/{slug(method)}.html" for method in methods},
    }  # fmt: skip
    yield Page("index.html", "_site_index.html", "Leaderboard", common | board)
    for method in methods:
        cells = [cell for cell in results.cells if cell.name == method]
        words = {
            "name": method, "cell": cells[0], "about": _about(cells[0].spec.method),
            "tables": of_method(every, method),
        }  # fmt: skip
        yield Page(f"methods/{slug(method)}.html", "_site_method.html", method, common | words)
    for setting in every:
        words = {
            "setting": setting, "summary": summary(setting), "facts": _facts(setting),
            "tables": {table.name: table for table in tables(setting)},
            "open": (f"quality-k{setting.max_shots}", "audit"),
            "figures": [
                _shown(drawing)
                for name in DRAWN
                if (drawing := OF_SETTING[name].draw(setting)) is not None
            ],
        }  # fmt: skip
        name = f"{slug(setting.dataset)}-{slug(setting.protocol)}"
        yield Page(f"sets/{name}.html", "_site_set.html", setting.title, common | words)
    for name, title, body in pages_of(docs) if docs else ():
        yield Page(f"docs/{name}.html", "_site_doc.html", title, common | {"body": Markup(body)})


def _about(method: str) -> dict[str, str]:
    """What the code says of a method; {} of one that is not known here."""
    if method not in registry.names("methods"):  # an archive may hold another's method
        return {"summary": "A method that is not known here.", "source": ""}
    entry = registry.entry("methods", method)
    return {"summary": entry.summary, "source": f"methods/{method.replace('-', '_')}.py"}


def _facts(setting: SettingResults) -> list[tuple[str, str]]:
    """Who, how many, licence, chance, and the smallest difference that could be seen."""
    facts = [cell.facts for cell in setting.cells() if cell.status == "done"]
    split: dict[str, int] = next((fact["split"] for fact in facts if fact.get("split")), {})
    chance = setting.of(
        setting.results.table, method="chance", metric=setting.results.headline,
        shots=setting.max_shots,
    )  # fmt: skip
    known = {
        "judged": ", ".join(f"{many:,} {what}" for what, many in split.items()),
        "licence": next((fact["licence"] for fact in facts if fact.get("licence")), ""),
        "citation": next((fact["citation"] for fact in facts if fact.get("citation")), ""),
        f"chance in {setting.results.headline}": f"{chance['value'][0]:.3f}" if len(chance) else "",
        "smallest detectable difference": (
            "" if setting.detectable is None else f"{setting.detectable:.3f}"
        ),
        "data": setting.cells()[0].spec.data,
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
