"""The site and a report in a real browser: legible, quick, inert, and the site sorts and redraws.

Skipped with what to install where the machine has no Chromium.
"""

import json
import re
from importlib import import_module
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from coldbench import registry
from coldbench.results.results import Results, read
from tests import browser, fake_run

together: Any = import_module("coldbench.benchmarks.commands.site").together
PAGES = ("index.html", "explore.html", "methods/ridge.html", "sets/toy-user-cold.html")
DOTS = "#plot .mark-symbol.role-mark"
BOARD_HEAD = '<script type="application/json" id="board">'
BOARD = re.compile(re.escape(BOARD_HEAD) + "(.*?)</script>", re.S)
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
SMALL = """() => [...document.querySelectorAll("svg text")].map((text) => {
  const svg = text.ownerSVGElement;
  const drawn = svg.getBoundingClientRect().width / (svg.viewBox.baseVal.width || svg.clientWidth);
  return [text.textContent, parseFloat(getComputedStyle(text).fontSize) * drawn];
}).filter(([words, size]) => words.trim() && size < 10.99)"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(chromium: Any, results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    other = read(fake_run.build(folder / "games", dataset="games"), resamples=200)
    html = registry.find("reports", "html")()
    html.site(together([results, other]), folder / "site", None)
    html.write(results, folder / "site/report")
    return folder / "site"


@pytest.fixture(params=PAGES)
def page(site: Path, request: pytest.FixtureRequest) -> Path:
    path: Path = site / request.param
    if not path.exists():
        pytest.skip("the plot's library is not installed: pip install 'coldbench[site]'")
    return path


def unwanted(visit: Any) -> list[str]:
    return [trouble for trouble in visit.troubles() if not trouble.endswith("/vega.js")]


@pytest.mark.parametrize("how", ["light", "dark"])
def test_axe_finds_no_barrier(chromium: Any, page: Path, how: str) -> None:
    assert not browser.barriers(chromium, page, how)


@pytest.mark.parametrize("how", ["light", "dark"])
def test_axe_finds_no_barrier_on_a_report(chromium: Any, site: Path, how: str) -> None:
    assert not browser.barriers(chromium, site / "report/index.html", how)


@pytest.mark.parametrize("wide", [1400, 390])
def test_it_runs_without_an_error_asks_for_nothing_and_fits_the_screen(
    chromium: Any, page: Path, wide: int
) -> None:
    with browser.visit(chromium, page, viewport={"width": wide, "height": 844}) as visit:
        visit.page.wait_for_timeout(300)
        assert not unwanted(visit)
        scrolled, inner = visit.page.evaluate(browser.WIDTHS)
        assert scrolled <= inner
        assert not visit.page.evaluate(SMALL)


def test_the_first_paint_from_disk_takes_less_than_a_second_and_a_half(
    chromium: Any, site: Path
) -> None:
    with browser.visit(chromium, site / "index.html") as visit:
        paint = None
        for _ in range(100):  # the page's policy forbids wait_for_function to look twice
            if paint := visit.page.evaluate(PAINT):
                break
            visit.page.wait_for_timeout(50)
        assert paint is not None and paint < 1500


def test_the_leaderboard_sorts_by_a_set_and_redraws_at_another_k_and_metric(
    chromium: Any, site: Path, results: Results
) -> None:
    with browser.visit(chromium, site / "index.html") as visit:
        page = visit.page
        page.get_by_role("button", name="toy K=2").click()
        rows = visit.tables()["site-leaderboard"]["rows"]
        levels = [float(row["cells"][3]["sort"]) for row in rows]
        assert levels == sorted(levels, reverse=True)
        page.locator("#choice select").first.select_option("mae")
        page.locator("#choice input").fill("0")
        table = visit.tables()["site-leaderboard"]
        assert any(head.startswith("games K=0") for head in table["heads"])
        shown = {row["method"]: row["cells"][3]["sort"] for row in table["rows"]}
        level = results.table.filter(method="ridge", metric="mae", shots=0)["value"][0]
        assert float(shown["ridge"]) == pytest.approx(level, abs=5e-5)
        page.locator("#choice select").nth(1).select_option("regression")
        shown_rows = [r["method"] for r in visit.tables()["site-leaderboard"]["rows"] if r["shown"]]
        assert shown_rows == ["ridge"]


def test_the_leaderboard_comes_back_as_it_was_written(chromium: Any, site: Path) -> None:
    with browser.visit(chromium, site / "index.html") as visit:
        before = visit.tables()["site-leaderboard"]
        slider = visit.page.locator("#choice input")
        slider.fill("0")
        assert visit.tables()["site-leaderboard"] != before
        slider.fill("2")
        assert visit.tables()["site-leaderboard"] == before


def test_the_plot_draws_a_dot_for_each_timed_method_and_follows_the_family(
    chromium: Any, site: Path
) -> None:
    if not (site / "explore.html").exists():
        pytest.skip("the plot's library is not installed: pip install 'coldbench[site]'")
    with browser.visit(chromium, site / "explore.html") as visit:
        dots = visit.page.locator(f"{DOTS} path")
        dots.first.wait_for()
        assert dots.count() == 4
        visit.page.locator("#choice select").last.select_option("regression")
        visit.page.wait_for_function(
            "() => document.querySelectorAll('#plot .mark-symbol.role-mark path').length === 1"
        )
        assert not unwanted(visit)


@pytest.mark.parametrize("wide", [1400, 390])
def test_names_of_dots_that_are_close_cover_neither_each_other_nor_a_dot(
    chromium: Any, site: Path, wide: int
) -> None:
    if not (site / "explore.html").exists():
        pytest.skip("the plot's library is not installed: pip install 'coldbench[site]'")
    page, at = (site / "explore.html").read_text(encoding="utf-8"), BOARD.search
    board = json.loads(at(page)[1])  # type: ignore[index]
    names = [f"method-number-{i}" if i != 3 else "item-bias" for i in range(7)]
    levels = {"ndcg@5": [{2: [0.7 + 0.001 * i for i in range(7)]}] * 2}
    board |= {"methods": names, "families": ["simple"] * 7} | dict.fromkeys(
        ("levels", "low", "high"), levels
    )
    for one in board["sets"]:
        one |= {"ms": [0.1 * 1.12**i for i in range(7)], "rate": [None] * 7}
    crowded = site / f"crowded-{wide}.html"
    crowded.write_text(BOARD.sub(lambda _: BOARD_HEAD + json.dumps(board) + "</script>", page))
    with browser.visit(chromium, crowded, viewport={"width": wide, "height": 844}) as visit:
        named = visit.page.locator("#plot .mark-text.role-mark text")
        named.first.wait_for()
        assert named.count() == (7 if wide > 600 else 2)
        boxes = [one.bounding_box() for one in named.all()]
        dots = [d.bounding_box() for d in visit.page.locator(f"{DOTS} path").all()]
        assert len(dots) == 7
        for first, second in [*combinations(boxes, 2), *product(boxes, dots)]:
            assert not overlap(first, second)
        assert not unwanted(visit)


def overlap(a: Any, b: Any) -> bool:
    """Of two boxes of the screen, more than the pixel in which two may round to touch."""
    across = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
    down = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
    return bool(across > 1 and down > 1)
