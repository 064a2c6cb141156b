"""The page as a person meets it, in a real browser: each rating changes the list, and it says why.

Skipped with what to install where the machine has no Chromium.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coldbench.recommend.recommender import Recommender
from tests import browser

pytestmark = pytest.mark.slow
HOSTILE = '<img src="x" onerror="window.__hacked = 1"> & </script>'
WIDTHS = {"desk": {"width": 1400, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture
def visit(chromium: Any, site: Any) -> Iterator[Any]:
    with browser.visit(chromium, f"{site.url}/", viewport=WIDTHS["desk"]) as opened:
        opened.page.wait_for_selector("#best[data-turn] li")
        yield opened


def rate(visit: Any, row: int, value: int) -> str:
    """Click; returns the item that was rated, once the answer is shown."""
    line = visit.page.locator("#rows li").nth(row)
    after_click(visit, line.locator(f"input[value='{value}']"))
    return line.get_attribute("data-item")


def after_click(visit: Any, what: Any) -> None:
    """Click, and wait until the answer to it is shown."""
    before = visit.page.locator("#best").get_attribute("data-turn")
    what.click()
    visit.page.wait_for_function(
        "before => Number(document.getElementById('best').dataset.turn) > before", arg=int(before)
    )


def shown(visit: Any) -> list[tuple[str, str]]:
    """Item and score of each line of the list."""
    return [
        (line.get_attribute("data-item"), line.locator(".score").inner_text())
        for line in visit.page.locator("#best li").all()
    ]


def expected(rec: Recommender, ratings: dict[str, float]) -> list[tuple[str, str]]:
    return [(row.item, f"{row.score:.3f}") for row in rec.recommend(ratings, 10)]


def test_ten_ratings_change_the_list_each_time_to_what_the_recommender_says(
    visit: Any, toy_model: Path
) -> None:
    rec, ratings = Recommender.load(toy_model), dict[str, float]()
    assert shown(visit) == expected(rec, {})
    for row in range(10):
        value = (5, 1, 3)[row % 3]
        before = shown(visit)
        ratings[rate(visit, row, value)] = value
        assert shown(visit) == expected(rec, ratings) != before
        assert visit.page.locator("#count").inner_text().startswith(f"{row + 1} ")
    why = visit.page.locator("#best li").first.locator("details")
    why.locator("summary").click()
    lines = why.locator(".sum b").all_inner_texts()
    base, *adds, total = [float(line.replace("−", "-")) for line in lines]
    assert len(adds) == 10 and base + sum(adds) == pytest.approx(total, abs=0.006)
    assert visit.troubles() == []


def test_a_click_on_a_rating_takes_it_back_and_start_again_takes_back_all(visit: Any) -> None:
    fresh = shown(visit)
    rate(visit, 0, 5)
    assert shown(visit) != fresh
    rate(visit, 0, 5)
    assert shown(visit) == fresh and visit.page.locator("#rows input:checked").count() == 0
    rate(visit, 1, 1)
    rate(visit, 2, 4)
    after_click(visit, visit.page.locator("#clear"))
    assert shown(visit) == fresh and visit.page.locator("#rows input:checked").count() == 0
    assert visit.troubles() == []


def test_an_item_is_found_by_its_title_and_rated(visit: Any, toy_model: Path) -> None:
    catalogue = Recommender.load(toy_model).catalogue
    on_page = {line.get_attribute("data-item") for line in visit.page.locator("#rows li").all()}
    other = next(item for item in catalogue.ids if item not in on_page)
    title = catalogue.titles[catalogue.at[other]]
    visit.page.locator("#q").fill(title)
    visit.page.locator("#found button").get_by_text(title, exact=True).click()
    assert rate(visit, 0, 5) == other and visit.troubles() == []


def test_what_goes_wrong_is_said_in_one_line_and_forgotten_once_it_goes_well(
    visit: Any, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.service.batcher, "length", 0)
    rate(visit, 0, 5)
    visit.page.wait_for_selector("#problem:has-text('too many requests')")
    monkeypatch.undo()
    rate(visit, 1, 5)
    visit.page.wait_for_selector("#problem", state="hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_and_can_be_read(chromium: Any, site: Any, width: str, scheme: str) -> None:
    how = {"viewport": WIDTHS[width], "color_scheme": scheme, "reduced_motion": "reduce"}
    with browser.visit(chromium, f"{site.url}/", **how) as visit:
        visit.page.wait_for_selector("#best[data-turn] li")
        for row in range(3):
            rate(visit, row, 5)
        inside, window = visit.page.evaluate(browser.WIDTHS)
        assert inside <= window
        for name, ink, behind in visit.page.evaluate(browser.COLOURS):
            assert browser.contrast(ink, behind) >= 4.5, name
        assert visit.troubles() == []


def test_the_page_of_the_interface_opens_without_trouble(chromium: Any, site: Any) -> None:
    with browser.visit(chromium, f"{site.url}/", viewport=WIDTHS["desk"]) as visit:
        visit.page.goto(f"{site.url}/docs")
        visit.page.wait_for_selector("h2:has-text('GET /metrics')")
        assert "Must be there" in visit.words() and visit.troubles() == []


def test_a_key_is_asked_for_and_hostile_titles_are_words(
    serving: Callable[..., Any], export: Callable[..., Path], tmp_path: Path, chromium: Any
) -> None:
    model = export(tmp_path / "hostile", "fold-in", titles=HOSTILE, factors=2, ridge=1.0, noise=0.1)
    with (
        serving(model, key="sesame") as site,
        browser.visit(chromium, f"{site.url}/") as visit,
    ):
        visit.page.locator("#key").fill("wrong")
        visit.page.get_by_text("Unlock").click()
        visit.page.wait_for_selector("#unlock", state="visible")
        visit.page.locator("#key").fill("sesame")
        visit.page.get_by_text("Unlock").click()
        visit.page.wait_for_selector("#best[data-turn] li")
        rate(visit, 0, 5)
        assert HOSTILE in visit.words()
        refusals = [trouble for trouble in visit.troubles() if "401" not in trouble]
        assert refusals == []
