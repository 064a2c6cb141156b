"""Every constant of the honesty layer, by hand, on both sides of it."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from coldbench.cell import Cell, Spec
from coldbench.episode import Episodes, Users
from coldbench.errors import UserError
from coldbench.interactions import Interactions
from coldbench.metrics.compute import pooled
from coldbench.protocol import Protocol
from coldbench.results import critical_difference, leaks
from coldbench.results.adaptation import MIN_SHIFT, verdict
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.exposure import SHOWN, exposure, gini
from coldbench.results.paired import ALPHA
from coldbench.results.results import read
from coldbench.results.setting import SplitFacts
from coldbench.results.subgroups import FEWEST, subgroups
from coldbench.seeds import Seeds
from coldbench.splits import leakage
from coldbench.splits.split import Split, split
from tests import fake_run as fake
from tests.scored import scored

# --- verdicts


def test_a_score_that_moves_by_a_thousandth_of_the_scale_has_adapted_and_less_has_not() -> None:
    assert MIN_SHIFT == 1e-3
    assert verdict(0.001, None) == "adapts, no gain shown"
    assert verdict(0.000999, None) == "does not adapt"


def test_a_p_of_five_in_a_hundred_is_no_gain_and_one_below_is() -> None:
    assert ALPHA == 0.05
    gain = {"metric": "ndcg@5", "mean": 0.016, "low": 0.008, "high": 0.024}
    assert verdict(0.1, gain | {"p_holm": 0.05}) == "adapts, no gain shown"
    assert verdict(0.1, gain | {"p_holm": 0.0499}) == "gains .016 [.008, .024]"
    loss = {"metric": "ndcg@5", "mean": -0.016, "low": -0.024, "high": -0.008, "p_holm": 0.0499}
    assert verdict(0.1, loss) == "loses .016 [.008, .024]"
    assert verdict(0.0001, gain | {"p_holm": 0.2}) == "does not adapt"


def test_scores_that_rise_as_much_as_they_fall_have_moved(tmp_path: Path) -> None:
    columns = {"user": [0, 0, 1, 1], "item": pl.Series([0, 1, 0, 1], dtype=pl.Int32),
               "rating": [1.0, 5, 1, 5], "label": [0.0, 1, 0, 1]}  # fmt: skip
    parts = [
        pl.DataFrame(columns).with_columns(shots=pl.lit(shots, pl.Int16), score=pl.Series(score))
        for shots, score in ((0, [0.5] * 4), (2, [0.25, 0.75, 0.5, 0.5]))
    ]
    fake.write_run(tmp_path, [fake.spec("ridge", 0)], pl.concat(parts))
    assert read(tmp_path, ("ndcg@5",), 20).adaptation["moved"].to_list() == [0.125]


def test_at_no_label_a_millionth_of_the_scale_between_two_users_is_nothing_and_more_is() -> None:
    def seen(step: float) -> bool:
        return leaks._sees_users(scored([[0.0, 0.5], [step, 0.5]], [[0, 1], [0, 1]]))

    assert not seen(1e-6)
    assert seen(1.000001e-6)


def test_users_of_two_seeds_may_be_told_apart_since_each_seed_has_learnt_anew() -> None:
    scores, labels = [[0.1, 0.5], [0.2, 0.5]], [[0.0, 1], [0, 1]]
    assert leaks._sees_users(scored(scores, labels))
    assert not leaks._sees_users(scored(scores, labels, seeds=np.array([0, 1])))
    apart = scored(scores, labels, items=np.array([[0, 1], [2, 1]]))
    assert not leaks._sees_users(apart)  # nor are these the same items


def test_another_users_labels_are_worth_something_below_five_in_a_hundred_and_upwards() -> None:
    def gains(p: float | None, mean: float, metric: str = "ndcg@5") -> bool:
        return leaks._gains({"metric": metric, "others": mean, "others_p": p})

    assert gains(0.0499, 0.1)
    assert not gains(0.05, 0.1)
    assert not gains(0.0499, -0.1)
    assert not gains(None, 0.1)
    assert not gains(0.0499, 0.0)
    assert gains(0.0499, -0.1, "mae")


def test_whoever_was_asked_for_other_items_than_most_is_named(tmp_path: Path) -> None:
    def cell(method: str, seed: int, candidates: str) -> Cell:
        spec = Spec("d", {}, "", "p", {}, method, {}, {}, "", seed, None, "cpu", 1, "", {})
        return Cell(spec, "done", "", "", {"candidates": candidates}, tmp_path)

    asked = [cell("a", 0, "x"), cell("b", 0, "x"), cell("c", 0, "y"), cell("a", 1, "z")]
    fact = leaks._asked(asked)
    assert (fact["checked"], fact["broken"], fact["who"]) == (4, 1, "c")


def episodes(items: list[list[int]], shots: int) -> Episodes:
    flat = np.array(items, np.int32)
    (n, width), ones = flat.shape, np.ones(flat.size, np.float32)
    offsets = width * np.arange(n + 1, dtype=np.int64)
    log = Interactions(offsets, flat.ravel(), ones, None, 100)
    rows = np.arange(flat.size).reshape(flat.shape)
    users = Users(log, np.ones(flat.size, np.float32), np.arange(n))
    return Episodes(users, np.arange(n), rows[:, :shots], rows[:, shots:])


def test_the_swapped_control_hands_on_the_next_users_labels_less_what_is_asked() -> None:
    swap: Any = import_module("coldbench.benchmarks.loop").swap
    met = episodes([[1, 2, 50, 51], [50, 4, 60, 61], [7, 61, 1, 9]], shots=2)
    support = swap(met).support
    given = np.where(support >= 0, met.users.log.items[support], -1)
    assert given.tolist() == [[-1, 4], [7, -1], [-1, 2]]  # 50, 61 and 1 are asked for


# --- the leak audit


def cut(**changes: Any) -> tuple[Split, Protocol]:
    """Four users with ten items each, a day apart: the query follows upon the last label."""
    times = np.tile(np.arange(10) * 86_400, 4)
    items, ones = np.arange(40, dtype=np.int32) % 20, np.ones(40, np.float32)
    log = Interactions(10 * np.arange(5, dtype=np.int64), items, ones, times, 20)
    protocol = Protocol.of("user-cold", {"shots": [0, 2], "query": 3, "cold_users": 0.5} | changes)
    return split(log, ones, protocol, Seeds.of(0)), protocol


def time_fact(move: int) -> tuple[int, int, int | None]:
    """checked, broken and tied where the last label alone is moved by so many seconds."""
    whole, protocol = cut()
    cold = whole.cold
    times = cold.users.log.times
    assert times is not None
    times = times.copy()
    times[cold.support[0, -1]] += 86_400 + move  # 86,400: to the first of the query
    log = replace(cold.users.log, times=times)
    late = replace(whole, cold=replace(cold, users=replace(cold.users, log=log)))
    check = next(
        c for c in leakage.leaks(late, protocol) if c.claim.startswith("no label was given after")
    )
    return check.n, check.violations, check.tied


def test_one_label_a_second_too_late_is_found_and_one_at_the_same_second_is_counted() -> None:
    assert time_fact(-1) == (2, 0, 0)
    assert time_fact(0) == (2, 0, 1)
    assert time_fact(1) == (2, 1, 0)


@pytest.mark.parametrize(("query", "judged"), [(7, 2), (8, 2), (9, 0)])
def test_a_user_with_exactly_enough_interactions_is_judged_and_one_with_one_less_is_not(
    query: int, judged: int
) -> None:
    if judged:
        assert len(cut(query=query)[0].cold) == judged
    else:
        with pytest.raises(UserError):
            cut(query=query)


def test_the_top_bins_of_the_calibration_error_are_two_and_its_last_holds_a_one() -> None:
    def ece(scores: list[float], labels: list[int]) -> float:
        return float(pooled("ece", scored([scores], [labels]).predictions))

    # |.95 - 0| + |.85 - 1| over 2; in one bin the two would cancel to .4
    assert ece([0.95, 0.85], [0, 1]) == pytest.approx(0.55)
    # .95 and 1 share the last bin: |1.95 - 1| over 2
    assert ece([0.95, 1.0], [0, 1]) == pytest.approx(0.475)
    # .1 begins the second bin
    assert ece([0.0999, 0.1], [1, 0]) == pytest.approx(0.50005)


# --- pairs


def test_a_run_of_methods_that_lies_within_a_longer_one_is_no_bar_of_its_own() -> None:
    names = ["a", "b", "c", "d"]
    assert critical_difference._cliques(names, set()) == (("a", "b", "c", "d"),)
    assert critical_difference._cliques(names, {("a", "d")}) == (("a", "b", "c"), ("b", "c", "d"))
    assert critical_difference._cliques(names, {("a", "c"), ("a", "d"), ("b", "d")}) == (
        ("a", "b"), ("b", "c"), ("c", "d"),
    )  # fmt: skip
    assert critical_difference._cliques(names, {("b", "c")}) == (("a", "b"), ("c", "d"))


def test_six_blocks_are_as_few_as_wilcoxon_can_find_something_in() -> None:
    assert critical_difference.FEW == 6
    steps = np.arange(1.0, 7)
    assert critical_difference._wilcoxon(steps) == 0.03125  # all of 2^6 orders of signs but two
    assert critical_difference._wilcoxon(steps[:5]) == 0.0625


@pytest.mark.parametrize("blocks", [1, 2, 5, 8, 12, 13, 14])
def test_wilcoxons_p_is_scipys_with_ties_and_zeros_too(blocks: int) -> None:
    rng = np.random.default_rng(blocks)
    for step in (1e-9, 1.0):  # all ranks apart, and many shared
        change = np.round(rng.normal(0.4, 1.5, blocks) / step) * step
        signed = np.sign(change) * stats.rankdata(np.abs(change))
        expected = stats.wilcoxon(signed).pvalue if signed.any() else 1.0
        assert critical_difference._wilcoxon(change) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("users", "shown"), [(10, True), (9, False)])
def test_a_group_of_ten_users_is_shown_and_one_of_nine_is_not(users: int, shown: bool) -> None:
    assert FEWEST == 10
    values = np.linspace(0, 1, users)[:, None]
    met = scored([[0.2, 0.8]] * users, [[0, 1]] * users, values=values)
    known = SplitFacts(
        pl.DataFrame({"seed": np.zeros(users, np.int64), "user": np.arange(users),
                      "activity": np.full(users, 20), "entropy": np.full(users, 0.5)}),
        pl.DataFrame({"seed": [0, 0], "item": pl.Series([0, 1], dtype=pl.Int32), "seen": [1, 5]}),
    )  # fmt: skip
    rows = subgroups({"m": {2: met}}, 0, Bootstrap(50), known)
    assert [row["n"] for row in rows if row["bucket"] == "up to .9 bits"] == [10] * shown


def test_five_items_are_shown_and_ties_share_the_last_places() -> None:
    assert SHOWN == 5
    known = SplitFacts(
        pl.DataFrame(),
        pl.DataFrame({"seed": [0] * 8, "item": pl.Series(range(8), dtype=pl.Int32),
                      "seen": [80, 70, 60, 50, 40, 30, 20, 10]}),
    )  # fmt: skip
    scores = [[0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.1, 0.0]]  # items 4 and 5 share the fifth place
    rows = exposure({"m": {2: scored(scores, [[0.0] * 7 + [1]])}}, {"m": []}, known)
    chance, method = ({r["method"]: r for r in rows}[name] for name in ("chance", "m"))
    # popularity of item i is (7.5 - i) / 8: (4 first + (3.5 + 2.5) / 2) / 5 / 8
    assert method["popularity"] == pytest.approx((7.5 + 6.5 + 5.5 + 4.5 + 3.0) / 40)
    assert method["coverage"] == pytest.approx(6 / 8)
    assert method["gini"] == pytest.approx(gini(np.array([1, 1, 1, 1, 0.5, 0.5, 0, 0])), abs=1e-6)
    assert chance["popularity"] == pytest.approx(0.5)
    assert chance["gini"] == pytest.approx(0)
    assert gini(np.array([0.0, 0, 0, 1])) == 0.75


def cell(folder: Path, method: str, status: str = "done") -> Cell:
    spec = Spec("d", {}, "", "p", {}, method, {}, {}, "", 0, None, "cpu", 1, "", {})
    return Cell(spec, status, "", "", {"candidates": "x", "chance": method == "random"}, folder)


def test_only_done_cells_and_methods_met_without_a_label_are_looked_at(tmp_path: Path) -> None:
    blind = scored([[0.1, 0.5], [0.1, 0.5]], [[0, 1], [0, 1]])
    sees = scored([[0.1, 0.5], [0.2, 0.5]], [[0, 1], [0, 1]])
    met = {"blind": {0: blind, 2: sees}, "random": {0: sees}, "late": {2: sees}, "sees": {0: sees}}
    cells = {name: [cell(tmp_path, name)] for name in met}
    cells["sees"].append(cell(tmp_path, "sees", "failed"))
    checks = {fact["says"]: fact for fact in leaks.facts(met, cells, [])}
    assert (checks[leaks.SAME_QUERIES]["checked"], checks[leaks.SAME_QUERIES]["broken"]) == (4, 0)
    assert (checks[leaks.USER_FREE]["checked"], checks[leaks.USER_FREE]["who"]) == (2, "sees")
    assert leaks.PERMUTED_SUPPORT not in checks
    assert leaks.USER_FREE not in {f["says"] for f in leaks.facts({"late": {2: sees}}, {}, [])}


@pytest.mark.parametrize(("shots", "rows"), [((0,), 0), ((1,), 0), ((0, 1), 1)])
def test_a_control_needs_a_k_of_0_and_one_above(
    tmp_path: Path, shots: tuple[int, ...], rows: int
) -> None:
    which = fake.spec("ridge", 0)
    scores = fake.made_up("ridge", 0, 9, shots)
    fake.write_run(tmp_path, [which], scores)
    folder = tmp_path / "cells" / which.fingerprint
    scores.filter(shots=max(shots)).write_parquet(folder / "swapped.parquet")
    fake.reseal(folder)
    controls = read(tmp_path, ("ndcg@5",), 20).controls
    assert controls["own"].to_list() == controls["others"].to_list()
    assert len(controls) == rows
