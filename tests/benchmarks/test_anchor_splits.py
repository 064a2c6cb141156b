"""Who is learnt from, chosen by and judged on in the anchors on ml-100k, and what chance gives."""

from functools import cache, partial
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from coldbench.encoder import Items
from coldbench.episode import Episodes, Users
from coldbench.metrics import statistics
from coldbench.metrics.compute import chance, per_user
from coldbench.seeds import Seeds
from coldbench.splits.split import Split

films: Any = import_module("coldbench.benchmarks.anchors._ml_100k")
ours: Any = import_module("coldbench.benchmarks.anchors._ours")
curve: Any = import_module("coldbench.benchmarks.anchors.curve")
melu: Any = import_module("coldbench.benchmarks.anchors.melu")
metarec: Any = import_module("coldbench.benchmarks.anchors.metarec")
row: Any = import_module("coldbench.benchmarks.anchors.row")


@cache
def tenths(number: int = 0) -> Split:
    split: Split = metarec.cut(number)
    return split


@cache
def cells(number: int = 0) -> tuple[Split, dict[str, Episodes]]:
    both: tuple[Split, dict[str, Episodes]] = melu.cut(number)
    return both


def pairs(users: Users) -> np.ndarray:
    """(N,) user and film of each row as one number."""
    return users.ids[users.log.users] * users.log.n_items + users.log.items


def of(met: Episodes, rows: np.ndarray) -> np.ndarray:
    """(E, N) films; -1 where there is none."""
    return np.where(rows >= 0, met.users.log.items[rows], -1)


def labels(met: Episodes) -> torch.Tensor:
    return torch.from_numpy(met.users.labels[met.query])


def scores(name: str, split: Split, seed: int = 0) -> torch.Tensor:
    """What a method that learnt from a split says of its cold users, without a text."""
    catalogue = films.ml_100k()[1]
    blank = Items(torch.zeros(len(catalogue), 4), catalogue)
    [(_, method)] = ours.learnt([name], split, blank, Seeds.of(seed))
    return ours.scores(method, split.cold)


def test_metarec_has_582_users_cut_8_to_1_to_1() -> None:
    split = tenths()
    parts = [split.warm.ids, split.valid.users.ids, split.cold.users.ids]
    assert [len(part) for part in parts] == [466, 58, 58]
    everyone = np.concatenate(parts)
    assert len(np.unique(everyone)) == 582
    counts = films.ml_100k()[0].log.counts
    assert np.array_equal(np.sort(everyone), np.flatnonzero((counts >= 13) & (counts <= 100)))


def test_metarec_asks_for_ten_films_and_gives_all_others() -> None:
    split, counts = tenths(), films.ml_100k()[0].log.counts
    for met in (split.valid, split.cold):
        assert met.query.shape == (58, 10)
        assert (met.query >= 0).all()
        given, asked = of(met, met.support), of(met, met.query)
        assert not (given[:, :, None] == asked[:, None]).any()
        assert np.array_equal((given >= 0).sum(1) + 10, counts[met.users.ids[met.user_index]])


def test_padding_stands_before_what_is_real() -> None:
    real = tenths().cold.support >= 0
    assert (np.diff(real.astype(int), axis=1) >= 0).all()


def test_a_split_is_the_same_for_its_number_and_other_for_another() -> None:
    first, again, other = tenths(), metarec.cut(0), tenths(1)
    assert np.array_equal(pairs(first.warm), pairs(again.warm))
    assert np.array_equal(first.cold.users.ids, again.cold.users.ids)
    assert not np.array_equal(first.cold.users.ids, other.cold.users.ids)


def test_chance_in_the_rating_task_is_one_half_one_half_and_7040() -> None:
    cold = tenths().cold
    judged = metarec.predictions_of("rating", torch.rand(58, 10), labels(cold), 0)
    assert judged.relevant.sum(1).eq(5).all()
    levels = [chance(metric, judged) for metric in metarec.METRICS]
    # the first of 5 relevant of 10 is at 1 to 5 with chance 1/2, 5/18, 5/36, 5/84, 5/252
    first = [1 / 2, 5 / 18, 5 / 36, 5 / 84, 5 / 252]
    mrr = sum(p / rank for rank, p in enumerate(first, 1))
    assert levels == pytest.approx([0.5, 0.5, mrr], abs=1e-12)
    assert round(mrr, 4) == 0.7040


def test_what_is_relevant_in_the_rating_task_has_the_highest_labels() -> None:
    truth = labels(tenths().cold)
    relevant = metarec.predictions_of("rating", torch.rand(58, 10), truth, 0).relevant
    low = truth.masked_fill(~relevant, 2).amin(1)
    assert bool((truth.masked_fill(relevant, -1).amax(1) <= low).all())
    other = metarec.predictions_of("rating", torch.rand(58, 10), truth, 1).relevant
    assert not torch.equal(relevant, other), "ties are broken by the split's lot"


@pytest.mark.parametrize("task", ["rating", "click"])
def test_a_constant_measures_as_chance(task: str) -> None:
    split = tenths()
    judged = metarec.predictions_of(task, scores("constant", split), labels(split.cold), 0)
    for metric in metarec.METRICS:
        value = float(per_user(metric, judged).nanmean())
        assert value == pytest.approx(chance(metric, judged), abs=1e-12)


def test_a_click_is_four_stars_or_more() -> None:
    cold = tenths().cold
    judged = metarec.predictions_of("click", torch.rand(58, 10), labels(cold), 0)
    assert np.array_equal(judged.relevant.numpy(), cold.users.log.ratings[cold.query] >= 4)


def test_a_film_is_known_until_1995_and_new_from_1996() -> None:
    came = melu.years(films.ml_100k()[1])
    assert [int(n) for n in ((came == 0).sum(), (came >= 1996).sum())] == [2, 586]
    assert (came.max(), came[came > 0].min()) == (1998, 1922)
    split, judged = cells()
    assert came[split.warm.log.items].max() == 1995
    assert came[split.valid.users.log.items].max() == 1995
    for cell, (_, new) in melu.CELLS.items():
        asked = came[of(judged[cell], judged[cell].query)]
        assert (asked >= 1996).all() if new else ((asked > 0) & (asked < 1996)).all()


def test_new_users_are_in_no_other_part() -> None:
    split, judged = cells()
    known = np.union1d(split.warm.ids, judged["warm"].users.ids)
    known = np.union1d(known, judged["item cold"].users.ids)
    new = np.union1d(judged["user cold"].users.ids, judged["both cold"].users.ids)
    assert not len(np.intersect1d(known, new))
    assert not len(np.intersect1d(split.valid.users.ids, np.union1d(known, new)))


def test_no_answer_of_a_cell_was_learnt_from() -> None:
    split, judged = cells()
    learnt = pairs(split.warm)
    for met in judged.values():
        flat = met.query.ravel()
        assert not np.isin(pairs(met.users)[flat], learnt).any()
        given, asked = of(met, met.support), of(met, met.query)
        assert not (given[:, :, None] == asked[:, None]).any()


def test_the_sizes_of_the_cells_are_those_of_13_to_100_ratings_there() -> None:
    _, judged = cells()
    assert {cell: len(met) for cell, met in judged.items()} == {
        "warm": 285, "user cold": 75, "item cold": 540, "both cold": 152,
    }  # fmt: skip
    for met in judged.values():
        counts = met.users.log.counts
        assert counts.min() >= 13 and counts.max() <= 100
        assert met.query.shape == (len(met), 10)


def test_a_row_has_chance_and_what_its_own_method_measured() -> None:
    measured = pl.DataFrame(
        {
            "row": ["constant"] * 4 + ["maml"] * 4,
            "metric": ["auc"] * 8,
            "split": [0, 0, 1, 1] * 2,
            "user": [1, 2, 3, 4] * 2,
            "value": [0.5] * 4 + [0.6, None, 0.8, 1.0],
            "chance": [0.25, 0.25, 0.75, 0.75] * 2,
        }
    )
    theirs = ours.lay(row.Row("table", "MAMO", "auc", 0.7), measured, "auc")
    assert (theirs.published, theirs.chance, theirs.ours) == (0.7, 0.5, None)
    mine = ours.lay(row.Row("table", "maml", "auc"), measured, "auc")
    assert mine.ours == pytest.approx(0.8)
    assert mine.spread == pytest.approx(np.std([0.6, 0.9], ddof=1))


@pytest.mark.slow
def test_every_anchor_has_a_row_for_each_of_its_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        row, "bootstrap_weights", partial(statistics.bootstrap_weights, resamples=64)
    )

    def frame(rows: list[str], **where: Any) -> pl.DataFrame:
        users = pl.DataFrame({"split": [0, 1], "user": [0, 1], "value": 0.5, "chance": 0.5})
        parts = [users.with_columns(row=pl.lit(name)) for name in rows]
        for column, values in where.items():
            parts = [
                part.with_columns(pl.lit(value).alias(column)) for part in parts for value in values
            ]
        return pl.concat(parts)

    two = metarec.rows(frame(metarec.RANKED, task=metarec.PUBLISHED, metric=metarec.METRICS))
    assert {r.anchor for r in two} == {"metarec-ml-100k-rating", "metarec-ml-100k-click"}
    assert {r.row for r in two if r.ours is None} == {
        "MAMO", "TaNP", "LWA", "NLBA", "MetaEmb", "MWUF",
    }  # fmt: skip
    assert all("withdrawn in f033e16" in r.note for r in two if r.published)
    four = melu.rows(frame(melu.ROWS, cell=melu.CELLS, metric=melu.METRICS))
    assert len(four) == len(melu.ROWS) * 4 * 3
    assert not any(r.published for r in four), "the paper's are of another dataset"
    shots = curve.rows(frame(list(curve.METHODS), shots=curve.SHOTS, metric=[curve.METRIC]))
    assert len(shots) == len(curve.METHODS) * 4 + 3 * 3
    assert all(r.ours == 0 for r in shots if "less" in r.metric)


def test_item_bias_comes_out_as_it_was_first_measured() -> None:
    """In the mean over five splits of the 20."""
    levels: list[list[float]] = []
    for number in range(5):
        made = tenths(number)
        given = scores("item-bias", made, number)
        judged = metarec.predictions_of("rating", given, labels(made.cold), number)
        levels.append([float(per_user(metric, judged).mean()) for metric in metarec.METRICS[:2]])
    precision, ndcg = np.mean(levels, 0)
    assert precision == pytest.approx(0.591, abs=0.02)
    assert ndcg == pytest.approx(0.612, abs=0.03)
