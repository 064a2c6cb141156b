"""The page as a reader meets it, in a real browser: whole, legible, inert, equal to the store.

Skipped with what to install where the machine has no Chromium.
"""

import json
import re
from collections.abc import Iterator
from html import unescape
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest

from coldbench import registry
from coldbench.errors import printable
from coldbench.results.results import Results, read
from coldbench.results.rounding import plain
from tests import browser, fake_run, hostile_words
from tests.shown import METRICS, printed, printed_difference

head_of: Any = import_module("coldbench.reports._values").metric_name
TURNS = 3
Attacked = tuple[Path, list[tuple[str, str]]]  # a page, and (field, text) of all that is on it
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Glyph"),  # a figure's font has not every hostile letter
    pytest.mark.filterwarnings("ignore:constrained_layout"),  # nor room for a word of 2,000
]


def report(results: Results, folder: Path) -> Path:
    return registry.find("reports", "html")().write(results, folder)[0]


@pytest.fixture(scope="module")
def page(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(results, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module", params=range(TURNS))
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    """A page of hostile words, and which they are; the run's folder is named by one too."""
    names = [word for word in hostile_words.WORDS if "/" not in word and len(word) < 60]
    name = names[request.param * len(names) // TURNS]
    folder = tmp_path_factory.mktemp("attacked")
    hostile_words.build(folder / name, request.param, TURNS)
    words = hostile_words.planted(request.param, TURNS)
    return report(read(folder / name, resamples=20), folder / "report"), [*words, ("run", name)]


@pytest.fixture
def visit(chromium: Any, page: Path) -> Iterator[Any]:
    with browser.visit(chromium, page, viewport={"width": 1280, "height": 900}) as opened:
        yield opened


def the(tables: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    tables_of_name = [table for key, table in tables.items() if key.endswith(f"-{name}")]
    assert len(tables_of_name) == 1, (name, list(tables))
    return tables_of_name[0]


def test_the_page_opens_without_an_error_a_request_or_a_thing_that_is_blocked(visit: Any) -> None:
    assert len(visit.tables()) >= 5
    assert visit.page.locator("figure svg").count() >= 3
    assert visit.troubles() == []


def test_every_link_of_the_page_leads_somewhere(visit: Any, page: Path) -> None:
    links = visit.page.eval_on_selector_all("a", "all => all.map((a) => a.getAttribute('href'))")
    assert any(link.endswith(".csv") for link in links)
    for link in links:
        if link.startswith("#"):
            assert visit.page.locator(f"[id='{link[1:]}']").count() == 1, link
        else:
            assert (page.parent / link).is_file(), link
    ids = visit.page.eval_on_selector_all("[id]", "all => all.map((one) => one.id)")
    assert len(ids) == len(set(ids))


SORT = """([table, column]) => {
  const heads = document.querySelectorAll("table")[table].querySelectorAll("thead th");
  heads[column].querySelector("button").click();
}"""


def ranks(table: dict[str, Any], column: int) -> tuple[list[float | str], bool, int]:
    """What stands in a column in its order, whether that is numbers, and how many blanks follow."""
    rows = [row["cells"][column] if not row["failed"] else None for row in table["rows"]]
    numbers = any(cell and cell["sort"] is not None for cell in rows)
    key = "sort" if numbers else "text"
    values = [cell[key] if cell and cell[key] else None for cell in rows]
    present = [value for value in values if value is not None]
    last = values[: len(present)] == present  # rows without a number or a word stand last
    return [float(x) if numbers else x for x in present], numbers, last


def test_a_click_on_a_head_sorts_numbers_downward_then_upward_and_words_by_alphabet(
    visit: Any,
) -> None:
    wrong = []
    before = visit.tables()
    for at, (name, table) in enumerate(before.items()):
        for column, head in enumerate(table["heads"]):
            for click in (1, 2):
                visit.page.evaluate(SORT, [at, column])
                (after,) = visit.page.evaluate(browser.TABLES, at)
                values, numbers, last = ranks(after, column)
                if values != sorted(values, reverse=numbers == (click == 1)) or not last:
                    wrong.append((name, head, click, values))
                same = [sorted(map(json.dumps, either["rows"])) for either in (table, after)]
                assert same[0] == same[1], "a row was lost or changed"
    assert wrong == []
    assert visit.troubles() == []


def test_a_head_can_be_pressed_with_the_mouse_and_with_the_keyboard(visit: Any) -> None:
    name = next(key for key in visit.tables() if key.endswith("-audit"))
    button = visit.page.locator(f"[id='{name}'] thead button").nth(1)
    for press, down in ((button.click, True), (lambda: button.press("Enter"), False)):
        press()
        values, numbers, _ = ranks(visit.tables()[name], 1)
        assert numbers and len(values) >= 2
        assert values == sorted(values, reverse=down)
    head = visit.page.locator(f"[id='{name}'] thead th").nth(1)
    assert head.get_attribute("aria-sort") == "ascending"


def shown(visit: Any) -> dict[str, list[str]]:
    return {
        name: [row["method"] for row in table["rows"] if row["shown"]]
        for name, table in visit.tables().items()
    }


def test_the_filter_shows_the_methods_that_have_any_of_its_words_and_clearing_it_shows_all(
    visit: Any,
) -> None:
    everything = shown(visit)
    field = visit.page.locator("input[type=search]")
    for typed in ("ridge", "RID st", "item, broken", "no such method", "  "):
        field.fill(typed)
        words = typed.lower().replace(",", " ").split()
        for name, methods in everything.items():
            wanted = [m for m in methods if not words or any(w in m for w in words)]
            assert shown(visit)[name] == wanted, (typed, name)
    field.fill("")
    assert shown(visit) == everything
    assert visit.troubles() == []


def test_a_table_that_is_filtered_can_be_sorted_and_stays_filtered(visit: Any) -> None:
    field = visit.page.locator("input[type=search]")
    field.fill("i")
    filtered = {name: set(methods) for name, methods in shown(visit).items()}
    for at, table in enumerate(visit.tables().values()):
        visit.page.evaluate(SORT, [at, min(1, len(table["heads"]) - 1)])
    assert {name: set(methods) for name, methods in shown(visit).items()} == filtered
    orders = [ranks(table, 1)[0] for table in visit.tables().values() if len(table["heads"]) > 1]
    field.fill("")
    assert [
        ranks(table, 1)[0] for table in visit.tables().values() if len(table["heads"]) > 1
    ] == orders


def test_the_page_is_whole_without_javascript(chromium: Any, page: Path) -> None:
    with browser.visit(chromium, page, java_script_enabled=False) as visit:
        body = visit.page.locator("body")
        assert visit.page.locator("button, input").count() == 0
        for fold in visit.page.locator("details").all():
            if fold.get_attribute("open") is None:
                fold.locator("> summary").click()
        rows = visit.page.locator("tr[data-method]")
        assert rows.count() > 20
        assert all(row.is_visible() for row in rows.all())
        assert "How to read it." in body.inner_text()
        assert "filter" not in body.inner_text().lower()
        assert visit.heard == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(chromium: Any, page: Path, scheme: str) -> None:
    with browser.visit(chromium, page, color_scheme=scheme) as visit:
        visit.page.evaluate(browser.OPEN)
        colours = visit.page.evaluate(browser.COLOURS)
    ratios = {(name, ink): browser.contrast(ink, behind) for name, ink, behind in colours}
    assert len({name for name, _ in ratios}) > 8
    assert {key: round(ratio, 2) for key, ratio in ratios.items() if ratio < 4.5} == {}


def test_the_page_is_dark_where_the_reader_asks_for_dark(chromium: Any, page: Path) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        with browser.visit(chromium, page, color_scheme=scheme) as visit:
            grounds[scheme] = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    light, dark = (browser.contrast("rgb(0, 0, 0)", [grounds[s]]) for s in ("light", "dark"))
    assert light > 15 and dark < 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_prints_dark_on_white_and_without_its_menu(
    chromium: Any, page: Path, scheme: Any
) -> None:
    with browser.visit(chromium, page, color_scheme=scheme) as visit:
        assert visit.page.locator("nav").is_visible()
        visit.page.emulate_media(media="print", color_scheme=scheme)
        assert not visit.page.locator("nav").is_visible()
        ink = visit.page.evaluate("getComputedStyle(document.body).color")
        assert browser.contrast(ink, []) > 7
        sheets = visit.page.pdf()
    assert sheets.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", sheets)) >= 1


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_reaches_over_the_right_edge(chromium: Any, page: Path, width: int) -> None:
    with browser.visit(chromium, page, viewport={"width": width, "height": 800}) as visit:
        assert visit.page.evaluate(browser.WIDTHS) == [width, width]
        visit.page.evaluate(browser.OPEN)
        assert visit.page.evaluate(browser.WIDTHS) == [width, width]


Rows = dict[str, dict[str, dict[str, Any]]]  # method -> head of a column -> cell


def rows_of(table: dict[str, Any]) -> Rows:
    heads = [head.rstrip("↑↓ ") for head in table["heads"]]
    return {
        row["method"]: {} if row["failed"] else dict(zip(heads, row["cells"], strict=True))
        for row in table["rows"]
    }


def assert_shown(rows: Rows, store: pl.DataFrame, heads: dict[Any, str], by: str) -> None:
    """Each level of the store, and no other, stands under the head that its column `by` names."""
    for level in store.iter_rows(named=True):
        cell = rows[level["method"]][heads[level[by]]]
        assert (float(cell["sort"]), cell["text"]) == (level["value"], printed(level)), level
    shown = [c for cells in rows.values() for head, c in cells.items() if head != "rank"]
    assert sum(bool(c["sort"]) for c in shown) == len(store), "a number that the store has not"


@pytest.mark.parametrize("shots", [0, 2])
def test_the_numbers_of_quality_on_the_page_are_those_of_the_store(
    visit: Any, results: Results, shots: int
) -> None:
    store = results.table.filter(pl.col("metric").is_in(METRICS), shots=shots).drop_nulls("value")
    heads = {metric: head_of(metric) for metric in METRICS}
    assert len(store) > 40
    assert_shown(rows_of(the(visit.tables(), f"quality-k{shots}")), store, heads, "metric")


@pytest.mark.parametrize("shots", [0, 2])
def test_the_ranks_of_quality_are_the_order_of_the_headline_and_the_best_of_a_column_is_bold(
    visit: Any, results: Results, shots: int
) -> None:
    rows = rows_of(the(visit.tables(), f"quality-k{shots}"))
    store = results.table.filter(pl.col("method") != "chance", shots=shots).drop_nulls("value")
    levels = dict(store.filter(metric=results.headline).select("method", "value").rows())
    for method, value in levels.items():
        better = sum(other > value for other in levels.values())
        assert rows[method]["rank"]["text"] == str(1 + better)
    bold = visit.page.locator(f"[id$='-quality-k{shots}'] td.best").all_inner_texts()
    best = store.group_by("metric").agg(pl.col("value").max(), low=pl.col("value").min())
    top = dict(best.select("metric", "value").rows())[results.headline]
    assert any(text.split()[0] == plain(top) for text in bold)


def test_the_numbers_of_k_on_k_on_the_page_are_those_of_the_store(
    visit: Any, results: Results
) -> None:
    store = results.table.filter(metric=results.headline).drop_nulls("value")
    heads = {shots: f"K = {shots}" for shots in store["shots"]}
    assert len(store) > 8
    assert_shown(rows_of(the(visit.tables(), "kshot")), store, heads, "shots")


def test_the_differences_on_the_page_are_those_of_the_store(visit: Any, results: Results) -> None:
    table = the(visit.tables(), "audit")
    shown_rows = rows_of(table)
    heads = {
        f"{head_of(metric)} − {'own K = 0' if to == 'K = 0' else to}": (metric, to)
        for metric in (results.headline, "auc")
        for to in ("item-bias", "K = 0")
    }
    gains = results.gains.filter(shots=2)
    rows = {(r["method"], r["metric"], r["against"]): r for r in gains.iter_rows(named=True)}
    assert set(heads) <= set(table["heads"])
    for method, cells in shown_rows.items():
        for head, (metric, to) in heads.items():
            row, cell = rows.get((method, metric, to)), cells.get(head)
            if row is None or row["mean"] is None or cell is None:
                assert not cell or cell["sort"] is None, (method, head)
                continue
            assert float(cell["sort"]) == row["mean"]
            if row["helped"] or row["harmed"]:
                number, mark = printed_difference(row)
                assert cell["text"].replace(mark, "").split() == number.split()
                assert mark in cell["text"]
        gain = rows.get((method, results.headline, "K = 0"))
        for share in ("helped", "harmed") if gain and cells else ():
            assert gain is not None and float(cells[share]["sort"]) == gain[share]
    assert sum(cell["sort"] is not None for by in shown_rows.values() for cell in by.values()) >= 20


def without_mark(cell: str) -> list[str]:
    return cell.replace("▲", "").replace("▼", "").split()


def test_markdown_shows_the_same_numbers_as_the_page(
    visit: Any, results: Results, tmp_path: Path
) -> None:
    (path,) = registry.find("reports", "markdown")().write(results, tmp_path)
    tables = [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines()]
        for lines in re.findall(r"(?:^\|.*\|$\n?)+", path.read_text(encoding="utf-8"), re.M)
    ]
    tables = [[[unescape(c.replace("\\", "")) for c in row] for row in t] for t in tables]
    checked = 0
    for name, table in visit.tables().items():
        alike = [t for t in tables if t[0] == table["heads"]]
        known = [[without_mark(cell) for cell in row] for t in alike for row in t]
        for row in table["rows"]:
            if not row["failed"]:
                assert [without_mark(cell["text"]) for cell in row["cells"]] in known, (name, row)
                checked += 1
    assert checked > 20


def test_hostile_words_run_nothing_ask_for_nothing_and_stand_as_they_are_written(
    chromium: Any, attacked: Attacked
) -> None:
    path, planted = attacked
    with browser.visit(chromium, path, viewport={"width": 1280, "height": 900}) as visit:
        words = visit.words()
        title = visit.page.title()
        for kind in ("mouseover", "focus", "click"):
            visit.page.evaluate(POKE, kind)
        visit.page.locator("input[type=search]").fill(f"<script>{hostile_words.RUN}</script>")
        assert visit.troubles() == []
    lost = [
        (field, text[:60])
        for field, text in planted
        if not any(legible(form) in legible(words) for form in shown_as(text))
    ]
    assert lost == []
    assert legible(planted[-1][1]) in legible(title)


POKE = """(kind) => document.querySelectorAll("body *:not(a)").forEach(
  (one) => one.dispatchEvent(new Event(kind, { bubbles: false })))"""


def legible(text: str) -> str:
    """In single spaces; characters that have no look may be gone or stand as a replacement."""
    return " ".join(re.sub(r"[\x00-\x08\x0e-\x1b\x7f\ufffe\ufffd]", "", text).split())


def shown_as(text: str) -> tuple[str, str, str]:
    """As it is, among parameters, or as a cell's record keeps a reason."""
    among_parameters = json.dumps(text, ensure_ascii=False)[1:-1]
    return text, among_parameters, " ".join(printable(text).split())[:400]


def test_hostile_words_do_not_push_the_page_over_its_edge(
    chromium: Any, attacked: Attacked
) -> None:
    with browser.visit(chromium, attacked[0]) as visit:
        visit.page.evaluate(browser.OPEN)
        for width in (390, 1280):
            visit.page.set_viewport_size({"width": width, "height": 800})
            assert visit.page.evaluate(browser.WIDTHS) == [width, width]


def test_hostile_words_leave_links_figures_and_names_of_their_own(
    attacked: Attacked,
) -> None:
    text = attacked[0].read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    links = re.findall(r'\bhref="([^"]*)"', text)
    assert all(re.fullmatch(r"#[\w.-]+|figures/[\w.-]+", link) for link in links)
    files = list((attacked[0].parent / "figures").iterdir())
    assert {link for link in links if link[0] != "#"} == {f"figures/{file.name}" for file in files}
    for svg in (file for file in files if file.suffix == ".svg"):
        tags = {node.tag.rpartition("}")[2] for node in ElementTree.parse(svg).iter()}
        assert not tags & {"script", "foreignObject", "image", "a"}, svg


def test_a_reason_that_is_no_text_is_shown_all_the_same(tmp_path: Path) -> None:
    run = fake_run.build(tmp_path / "run", reason="cannot read \udcff and \x00")
    path = report(read(run, resamples=20), tmp_path / "report")
    assert "cannot read" in path.read_text(encoding="utf-8")
