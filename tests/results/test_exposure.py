"""What is recommended, counted by hand: of a query, and of a ranked catalogue."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from coldbench.cell import Cell, Spec
from coldbench.results.exposure import exposure, rows
from coldbench.results.setting import SplitFacts
from tests.scored import scored, setting

ITEMS = pl.DataFrame(
    {"seed": [0] * 4 + [1] * 4, "item": pl.Series([0, 1, 2, 3] * 2, dtype=pl.Int32),
     "seen": [9, 7, 7, 1, 1, 2, 3, 4]}
)  # fmt: skip
FACTS = SplitFacts(pl.DataFrame(), ITEMS)
POPULARITY = [[0.875, 0.5, 0.5, 0.125], [0.125, 0.375, 0.625, 0.875]]  # (rank - .5) / 4, by seed


def ranked(folder: Path, seed: int, top: list[tuple[int, int, int]]) -> Cell:
    """A done cell whose users were shown (shots, rank, item)."""
    folder.mkdir()
    kinds = {"shots": pl.Int16, "rank": pl.Int32, "item": pl.Int32}
    pl.DataFrame(top, kinds, orient="row").write_parquet(folder / "top.parquet")
    spec = Spec("d", {}, "", "p", {}, "m", {}, {}, "", seed, None, "cpu", 1, "", {})
    return Cell(spec, "done", "", "", {}, folder)


def test_a_short_query_is_shown_whole_and_its_padding_is_not() -> None:
    met = scored([[0.9, 0.8], [0.5, None]], [[1, 0], [1, None]], items=np.array([[0, 3], [1, 0]]),
                 seeds=np.array([0, 1]))  # fmt: skip
    found = rows(setting(scores={"m": {0: met}}, cells={"m": []}, split_facts=FACTS))
    mean = (0.875 + 0.125 + 0.375) / 3
    for row, name in zip(found, ("chance", "m"), strict=True):
        assert list(row.values()) == [name, pytest.approx(mean, abs=1e-6), 1, 0]


def test_of_a_longer_query_five_items_are_shown_and_by_chance_each_as_often() -> None:
    """Six items, two of them 0: the first of the six takes no place, whatever is tied with it."""
    met = scored([[0.1, 0.9, 0.9, 0.9, 0.9, 0.9]], [[1, 0, 0, 0, 0, 0]],
                 items=np.array([[0, 1, 1, 2, 2, 3]]))  # fmt: skip
    early = scored([[0.5]], [[1]])
    given = {"m": {2: met, 0: early}, "late": {2: met}}
    chance, m, late = exposure(given, {"m": [], "late": []}, FACTS)
    assert late == m | {"method": "late"}
    assert chance["method"] == "chance"
    assert chance["popularity"] == pytest.approx((0.875 + 4 * 0.5 + 0.125) / 6, abs=1e-6)
    assert (m["method"], m["popularity"]) == ("m", pytest.approx((4 * 0.5 + 0.125) / 5, abs=1e-6))
    assert (chance["coverage"], m["coverage"]) == (1, 0.75)
    assert chance["gini"] == pytest.approx(1 / 6, abs=1e-6)  # 1, 1, 2, 2: (-3 - 1 + 2 + 6) / 24
    assert m["gini"] == pytest.approx(0.35, abs=1e-6)  # 0, 1, 2, 2: (-1 + 2 + 6) / 20


def test_by_chance_five_of_ten_items_count_a_half_each_and_an_only_item_is_shown() -> None:
    met = scored([[0.5] * 10, [0.5] + [None] * 9], [[1] * 10, [1] + [None] * 9],
                 items=np.array([[1] * 10, [0] * 10]))  # fmt: skip
    chance = exposure({"m": {0: met}}, {"m": []}, FACTS)[0]
    assert chance["popularity"] == (10 * 0.5 * 0.5 + 0.875) / 6
    assert chance["gini"] == pytest.approx(1 / 3, abs=1e-6)  # 1 and 5: (-1 + 5) / 12


def test_a_ranked_catalogue_shows_its_first_five_at_the_largest_k_and_items_never_shown(
    tmp_path: Path,
) -> None:
    """Seed 0 shows item 0 twice and 1 once, seed 1 item 3 alone, of four candidates each."""
    cells = [
        ranked(tmp_path / "0", 0, [(2, 1, 0), (2, 5, 0), (2, 2, 1), (2, 6, 3), (0, 1, 2)]),
        ranked(tmp_path / "1", 1, [(2, 5, 3), (2, 6, 0)]),
    ]
    met = scored([[0.5]], [[1]])
    found = exposure({"m": {0: met, 2: met}}, {"m": cells}, FACTS)
    assert [row["method"] for row in found] == ["m"]  # by chance nothing is known of a catalogue
    assert found[0]["popularity"] == pytest.approx((0.875 * 2 + 0.5 + 0.875) / 4, abs=1e-6)
    assert found[0]["coverage"] == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert found[0]["gini"] == pytest.approx((7 / 12 + 3 / 4) / 2, abs=1e-6)


def test_without_the_facts_of_its_splits_nothing_is_said() -> None:
    assert (
        rows(setting(scores={"m": {0: scored([[0.5]], [[1]])}}, cells={"m": []}, split_facts=None))
        == []
    )
