"""The documentation as pages: Markdown by markdown-it-py, links between pages kept."""

import re
from collections.abc import Iterator
from pathlib import Path


def pages_of(docs: Path) -> Iterator[tuple[str, str, str]]:
    """(name, title, HTML) of each page of a folder. Links out of the folder are words alone."""
    from markdown_it import MarkdownIt  # rich brings it

    render = MarkdownIt("commonmark", {"html": False}).enable("table").render
    names = {path.stem for path in docs.glob("*.md")}
    for path in sorted(docs.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        heading = re.search(r"^# (.+)$", text, re.M)
        body = re.sub(r"<img [^>]*>", "", render(text))
        body = re.sub(
            r'<a href="([^"]*)">(.*?)</a>', lambda m: _link(m[1], m[2], names), body, flags=re.S
        )
        body = body.replace("<table>", '<div class="wide" tabindex="0"><table>')
        body = body.replace("</table>", "</table></div>")
        body = body.replace("<pre>", '<pre tabindex="0">')
        yield path.stem, heading[1] if heading else path.stem, body


def _link(address: str, words: str, names: set[str]) -> str:
    page = address.partition("#")[0]
    if page.endswith(".md") and page[:-3] in names:
        return f'<a href="{page[:-3]}.html">{words}</a>'
    return words
