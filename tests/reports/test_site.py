"""The site of runs and archives: whole, without a request, without a link that leads nowhere."""

import re
from html import unescape
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench import registry
from coldbench.errors import UserError
from coldbench.results.results import Results

command: Any = import_module("coldbench.benchmarks.commands.site")


@pytest.fixture(scope="module")
def site(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    docs = folder / "md"
    docs.mkdir()
    for name in ("start", "anchors"):
        text = f"# The {name}\n\n[here](anchors.md) [out](../README.md) <script>alert(1)</script>\n"
        (docs / f"{name}.md").write_text(text, encoding="utf-8")
    registry.find("reports", "html")().site(results, folder / "out", docs)
    return folder / "out"


def test_every_link_of_every_page_leads_to_a_page_or_a_place_on_it(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 6
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r'<a [^>]*href="([^"]*)"', text):
            file, _, part = link.partition("#")
            assert (page.parent / file).exists(), (page, link)
            assert not part or f'id="{part}"' in text, (page, link)
        ids = re.findall(r'\bid="([^"]*)"', text)
        assert len(ids) == len(set(ids)), page


def test_no_page_asks_for_anything_elsewhere_or_runs_what_a_document_says(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', text), page
        assert "<script>alert" not in text
        assert "default-src 'none'" in unescape(text)


def test_the_leaderboard_is_in_the_order_of_the_headline(site: Path, results: Results) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    board = text.split('id="site-leaderboard"')[1].split("</table>")[0]
    shown = re.findall(r'<tr data-method="([^"]*)"', board)
    rows = results.table.filter(metric=results.headline, shots=2).drop_nulls("value")
    values = dict(rows.select("method", "value").rows())
    assert len(shown) >= 3
    assert [values[m] for m in shown] == sorted((values[m] for m in shown), reverse=True)


def test_two_results_of_one_setting_are_refused_by_name(results: Results) -> None:
    with pytest.raises(UserError, match="toy, user-cold is in toy and in toy: give one"):
        command.together([results, results])


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="is a file; -o names the folder"):
        command.site([tmp_path], tmp_path / "taken", None, as_json=False)
