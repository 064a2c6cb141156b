"""From the rows of cells to users with their scores, by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from coldbench.results.user_scores import kept, pad_to_matrix, read_user_scores
from tests.scored import valued

FACTS = {"like_at": 0.5, "span": 4.0, "graded": False}
KINDS = {"user": pl.Int64, "shots": pl.Int16, "item": pl.Int32, "label": pl.Float32,
         "score": pl.Float32}  # fmt: skip


def table(*rows: tuple[float, ...], **more: Any) -> pl.DataFrame:
    """user, shots, item, label, score"""
    return pl.DataFrame(rows, KINDS, orient="row").with_columns(**more)


def cell(seed: int, rows: pl.DataFrame, split: Path = Path("nowhere"), **facts: Any) -> Any:
    asked = {"scores": rows, "swapped": rows.with_columns(score=pl.lit(0.0, pl.Float32))}
    return SimpleNamespace(spec=SimpleNamespace(seed=seed), scores=asked.get, split=split,
                           facts=FACTS | facts)  # fmt: skip


ONE = table((5, 2, 8, 1, 0.75), (5, 2, 3, 0, 0.25), (4, 2, 3, 1, 0.5), (5, 0, 8, 1, 0.125))
TWO = table((4, 2, 7, 0, 0.5), (4, 2, 6, 0, 0.875))


def test_a_row_is_a_user_under_one_seed_in_the_order_of_seeds_users_and_items() -> None:
    found = read_user_scores([cell(1, TWO), cell(0, ONE)], ["mae", "mrr"])
    assert list(found) == [0, 2]
    last = found[2]
    assert (last.seeds.tolist(), last.users.tolist()) == ([0, 0, 1], [4, 5, 4])
    assert last.items.tolist() == [[3, 0], [3, 8], [6, 7]]
    assert last.predictions.mask.tolist() == [[True, False], [True, True], [True, True]]
    assert last.predictions.scores.tolist() == [[0.5, 0], [0.25, 0.75], [0.875, 0.5]]
    assert last.predictions.labels.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert last.values[:, 0].tolist() == [2, 1, 2.75]  # in rating units, four times the label's
    assert last.values[:, 1].tolist() == pytest.approx([1, 1, float("nan")], nan_ok=True)
    assert (found[0].seeds.tolist(), found[0].users.tolist(), len(found[0])) == ([0], [5], 1)
    assert found[0].values[:, 0].tolist() == [3.5]
    swapped = read_user_scores([cell(0, ONE)], [], "swapped")[2]
    assert swapped.predictions.scores.sum() == 0 and swapped.values.shape == (2, 0)


def test_the_facts_are_those_of_the_first_cell() -> None:
    found = read_user_scores([cell(0, ONE, like_at=0.125, span=1.0), cell(1, TWO)], ["mae"])[2]
    assert found.predictions.like_at == 0.125
    assert found.values[:, 0].tolist() == [0.5, 0.25, 0.6875]


def test_priors_come_from_the_split_and_what_it_does_not_tell_is_unknown(tmp_path: Path) -> None:
    known = pl.DataFrame(
        {"item": [3, 9], "prior": [0.25, 0.5]}, {"item": pl.Int32, "prior": pl.Float64}
    )
    known.write_parquet(tmp_path / "items.parquet")
    prior = read_user_scores([cell(0, ONE, tmp_path)], [])[2].predictions.prior
    assert prior is not None
    assert prior.numpy()[:, 0].tolist() == [0.25, 0.25]
    assert np.isnan(prior.numpy()[1, 1])
    unknown = read_user_scores([cell(0, ONE)], [])[2].predictions.prior
    assert unknown is not None and np.isnan(unknown.numpy()[:, 0]).all()


def test_ranks_that_a_cell_keeps_are_taken_with_the_number_of_candidates() -> None:
    ranks = {"above": pl.Series([3, 0, 2, 1]), "tied": pl.Series([2, 1, 1, 1]),
             "candidates": pl.Series([9, 9, 7, 9])}  # fmt: skip
    found = read_user_scores([cell(0, ONE.with_columns(**ranks))], ["mrr"])[2]
    assert found.predictions.above.tolist() == [[2, 0], [0, 3]]
    assert found.predictions.tied.tolist() == [[1, 1], [1, 2]]
    assert found.predictions.candidates.tolist() == [7, 9]
    assert found.values[:, 0].tolist() == pytest.approx([1 / 3, (1 / 4 + 1 / 5) / 2])


def test_a_table_without_priors_has_none() -> None:
    keys, _, predictions = pad_to_matrix(ONE[:2], ["user"], FACTS)
    assert keys.rows() == [(5, 2)] and predictions.prior is None


LEFT = valued([1.0, 10], [2, 20], [3, 30], seeds=np.array([0, 0, 1]), users=np.array([4, 5, 4]))
RIGHT = valued([7.0, 70], [8, 80], [9, 90], seeds=np.array([1, 0, 1]), users=np.array([4, 4, 5]))


def test_two_methods_are_aligned_on_the_rows_of_both_in_the_order_of_the_first() -> None:
    mine, theirs = LEFT.align(RIGHT)
    assert mine.values.tolist() == [[1, 10], [3, 30]]
    assert theirs.values.tolist() == [[8, 80], [7, 70]]
    assert mine.seeds.tolist() == theirs.seeds.tolist() == [0, 1]
    assert mine.key == theirs.key != LEFT.key
    same = LEFT.only(1)
    assert LEFT.align(same) == (LEFT, same) and same.values.tolist() == [[10], [20], [30]]
    assert LEFT.only(0).values.tolist() == [[1], [2], [3]]
    nobody = LEFT.align(valued([1.0, 1], users=np.array([77])))
    assert [len(scores) for scores in nobody] == [0, 0]


def test_only_a_done_cell_that_has_the_file_has_kept_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "top.parquet").touch()
    cells: list[Any] = [
        SimpleNamespace(status=status, folder=tmp_path / folder)
        for status, folder in (("done", "a"), ("failed", "a"), ("done", "b"))
    ]
    assert kept(cells, "top") == cells[:1]
    assert kept(cells, "trace") == []
