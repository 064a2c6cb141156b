"""The site as a reader meets it in a real browser: legible, quick, inert, and it sorts and redraws.

Skipped with what to install where the machine has no Chromium.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from coldbench import registry
from coldbench.results.results import Results, read
from tests import browser, fake_run

together: Any = import_module("coldbench.benchmarks.commands.site").together
PAGES = ("index.html", "explore.html", "methods/ridge.html", "sets/toy-user-cold.html")
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
    registry.find("reports", "html")().site(together([results, other]), folder / "site", None)
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
    package = find_spec("axe_playwright_python")
    if package is None or package.origin is None:
        pytest.skip("axe-core is not installed: pip install axe-playwright-python")
    axe = Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")
    with browser.visit(chromium, page, color_scheme=how, bypass_csp=True) as visit:
        visit.page.add_script_tag(content=axe)
        audit = visit.page.evaluate("() => axe.run(document)")
    barriers = [(v["id"], [n["html"][:90] for n in v["nodes"]][:3]) for v in audit["violations"]]
    assert not barriers


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
        visit.page.wait_for_function(f"({PAINT})() > 0")
        assert visit.page.evaluate(PAINT) < 1500


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
        dots = visit.page.locator("#plot .mark-symbol.role-mark path")
        dots.first.wait_for()
        assert dots.count() == 4
        visit.page.locator("#choice select").last.select_option("regression")
        visit.page.wait_for_function(
            "() => document.querySelectorAll('#plot .mark-symbol.role-mark path').length === 1"
        )
        assert not unwanted(visit)
