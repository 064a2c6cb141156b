"""What the site's leaderboard, its plot and its small curves are made of."""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coldbench import registry
from coldbench.results.results import Results, read
from tests.fake_run import build

board, curves, leaderboard, claims, setting, site, explore = (
    import_module(f"coldbench.reports.{name}")
    for name in (
        *("_board", "_small_curves", "_leaderboard", "_claims", "_setting", "_site", "_explore"),
    )
)


@pytest.fixture(scope="module")
def every(results: Results) -> list[Any]:
    return list(setting.settings(results))


def test_a_level_that_a_page_redraws_is_that_of_the_table(
    every: list[Any], results: Results
) -> None:
    record = json.loads(json.dumps(board.board(every)))
    at = record["methods"].index("ridge")
    for metric in ("ndcg@5", "mae"):
        row = results.table.filter(method="ridge", metric=metric, shots=2)
        assert record["levels"][metric][0]["2"][at] == pytest.approx(row["value"][0], abs=5e-5)
    assert "mae" in record["falls"]
    assert "ndcg@5" not in record["falls"]


def test_a_dot_of_the_plot_costs_what_the_cell_took(every: list[Any]) -> None:
    record = board.explored(every)
    at = record["methods"].index("ridge")
    assert record["sets"][0]["ms"][at] == pytest.approx(0.375)
    assert record["sets"][0]["rate"][at] == pytest.approx(4e4)
    low, value, high = (record[c]["ndcg@5"][0][2][at] for c in ("low", "levels", "high"))
    assert low < value < high


def test_the_letter_stands_beside_the_best_and_all_that_no_test_tells_apart_from_it(
    every: list[Any], results: Results
) -> None:
    best = every[0].ranked["method"][0]
    cells = {row.name: row.cells[2] for row in leaderboard.leaderboard(every).groups[0][1]}
    assert cells[best].tied
    sure = results.pairs.filter(pl.col("p_holm") < 0.05)
    apart = {
        b if a == best else a for a, b in sure.select("method", "other").rows() if best in (a, b)
    }
    assert {name for name, cell in cells.items() if not cell.tied} == apart
    assert apart


def test_a_set_too_small_to_judge_by_is_in_no_mean_rank_and_a_seldom_method_in_a_table_apart(
    results: Results, tmp_path: Path
) -> None:
    methods = list(setting.settings(results)[0].ranks(2))
    few = [method for method in methods if method != "ridge"][:2]  # on one set of three alone
    every = []
    for name in ("a", "b", "c"):
        [one] = setting.settings(read(build(tmp_path / name, dataset=name), resamples=50))
        vars(one)["detectable"] = 1.0 if name == "c" else 0.01
        if name != "a":
            vars(one)["levels"] = one.levels.filter(~pl.col("method").is_in(few))
        every.append(one)
    table = leaderboard.leaderboard(every)
    rows = {row.name: row.cells for row in table.groups[0][1]}
    assert set(rows) == set(methods) - set(few)
    placed = [name for name in every[0].ranked["method"] if name not in few]
    assert [rows[name][1].number for name in placed] == list(range(1, len(placed) + 1))
    assert "mean ranks leave it out" in table.how
    apart = leaderboard.elsewhere(every)
    assert [row.name for row in apart.groups[0][1]] == [m for m in methods if m in few]
    assert apart.columns == ("family", "a K=2", "ms a user")


def test_the_first_sentences_are_the_leaderboards_and_the_claims(
    every: list[Any], results: Results
) -> None:
    vars(every[0])["detectable"] = 0.01
    table = leaderboard.leaderboard(every)
    first = table.groups[0][1][0].name
    words = claims.answer(every, table)
    assert words.startswith(f"{first} has the best mean rank, 1.0 among {len(table.groups[0][1])} ")
    sure = results.gains.filter(pl.col("p_holm") < 0.05, pl.col("mean") > 0, shots=2,
                                metric=results.headline, against="item-bias")  # fmt: skip
    shown = "shown to be better than item-bias, which gives everybody the same order."
    assert (f"On toy it is {shown}" in words) == (first in sure["method"])
    assert (f"On toy no method is {shown}" in words) == sure.is_empty()
    vars(every[0])["detectable"] = 1.0
    assert claims.answer(every, table) == "No set here has users enough to tell methods apart."
    del vars(every[0])["detectable"]


def test_a_curve_says_its_levels_in_words_and_a_method_without_any_has_none(
    every: list[Any], results: Results
) -> None:
    drawn = str(curves.curves(every, "ridge"))
    levels = re.findall(r'aria-label="ridge on toy, user-cold: \.(\d+) at K = 0, \.(\d+)', drawn)
    level = every[0].levels.filter(method="ridge", shots=2)["value"][0]
    assert int(levels[0][1]) == round(1000 * level)
    assert 'class="chance"' in drawn
    assert curves.curves(every, "broken") == ""


def test_without_the_plotting_library_no_page_leads_to_the_plot(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore, "is_here", lambda: False)
    registry.find("reports", "html")().site(results, tmp_path, None)
    assert not list(tmp_path.glob("explore*"))
    assert "explore.html" not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_library_is_written_once_with_its_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(explore.metadata, "version", lambda _: "1.0")
    bundles = iter(["window.vegaEmbed = 1;"])  # a second time would be StopIteration
    monkeypatch.setattr(explore, "_bundle", lambda: next(bundles))
    for name in ("a", "b"):
        explore.write_library(tmp_path / name)
    assert (tmp_path / "b" / "vega.js").read_text(encoding="utf-8") == "window.vegaEmbed = 1;"
    assert "University of Washington" in (tmp_path / "b" / "vega-licence.txt").read_text("utf-8")
