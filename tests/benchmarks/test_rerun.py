"""A cell that is run again is the claim, on another processor too; an invented one is not."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from coldbench.cell import Cell
from tests.fake_run import made_up, spec, write_cell

rerunning: Any = import_module("coldbench.benchmarks.rerun")
USERS = 38


def scores(
    method: str, noise: float = 0.0, labels: float = 0.0, users: int = USERS
) -> pl.DataFrame:
    """A ridge's scores, moved by noise, and towards the labels, at K = 2."""
    rng = np.random.default_rng(7)
    frame = made_up("ridge" if method != "item-bias" else "item-bias", 0, users)
    moved = frame["score"].to_numpy() + noise * rng.normal(size=len(frame))
    moved = (1 - labels) * moved + labels * frame["label"].to_numpy()
    at = pl.when(pl.col("shots") == 2).then(pl.Series(np.clip(moved, 0, 1))).otherwise("score")
    return frame.with_columns(score=at.cast(pl.Float32))


def cell(folder: Path, method: str, hardware: str = "this box", **how: Any) -> Cell:
    which = spec(method, 0)
    write_cell(folder, which, "done", scores=scores(method, **how), hardware=hardware)
    return Cell.read(which, folder / "cells" / which.fingerprint)


def compared(folder: Path, method: str, here: Any, claimed: Any) -> tuple[bool, str]:
    base = cell(folder / "claimed", "item-bias", users=claimed.get("users", USERS))
    theirs = cell(folder / "claimed", method, "their box", **claimed)
    sound, words = rerunning.compare(theirs, cell(folder / "here", method, **here), base)
    return sound, words


@pytest.mark.parametrize(
    ("method", "noise", "sound"),
    [
        ("maml", 1e-6, True),
        ("ridge", 1e-6, True),
        ("ridge", 1e-2, False),  # it solves for its weights
        ("random", 1e-2, False),  # it draws the same numbers everywhere
        ("maml", 1e-2, True),  # it trains
    ],
)
def test_rounding_may_grow_in_a_row_that_is_trained_and_in_no_other(
    tmp_path: Path, method: str, noise: float, sound: bool
) -> None:
    found, words = compared(tmp_path, method, {"noise": noise}, {})
    assert found is sound, words
    assert words.startswith("scores differ by at most ")


def test_what_moved_most_is_said_with_the_interval_that_holds_it_and_both_machines(
    tmp_path: Path,
) -> None:
    sound, words = compared(tmp_path, "maml", {"noise": 0.02}, {})
    assert sound and "a row that is trained, on their box and this box" in words
    assert " at K = 2 " in words and ", claimed " in words and words.endswith("]")


@pytest.mark.parametrize("labels", [0.5, 0.2])
def test_scores_that_know_the_answers_are_refused_though_the_row_is_trained(
    tmp_path: Path, labels: float
) -> None:
    sound, words = compared(tmp_path, "maml", {}, {"labels": labels})
    assert not sound, words


def test_the_limit_is_the_end_of_the_claims_own_interval() -> None:
    def moved(here: float) -> float:
        return float(rerunning.Moved("auc at K = 4", 0.6, here, 0.58, 0.61).reach)

    assert moved(0.6) == 0
    assert moved(0.61) == pytest.approx(1) and moved(0.58) == pytest.approx(1)
    assert moved(0.611) > 1 and moved(0.579) > 1
    assert rerunning.Moved("auc", 0.6, 0.6001, 0.6, 0.6).reach == np.inf
    assert rerunning.Moved("auc", 0.6, 0.6001, np.nan, np.nan).reach == np.inf


def test_one_user_has_no_interval_to_lie_in(tmp_path: Path) -> None:
    sound, words = compared(tmp_path, "maml", {"noise": 0.05, "users": 1}, {"users": 1})
    assert not sound, words


def test_a_claim_is_a_mean_and_its_difference_to_item_bias_and_both_must_hold(
    tmp_path: Path,
) -> None:
    base = cell(tmp_path / "claimed", "item-bias")
    theirs, ours = cell(tmp_path / "claimed", "maml"), cell(tmp_path / "here", "maml", noise=0.02)
    means = {mean.what: mean for mean in rerunning.moved(theirs, ours, base)}
    metrics = ("ndcg@5", "auc", "log-loss")
    assert len(means) == 2 * 2 * len(metrics)
    for metric in metrics:
        alone, paired = (means[f"{metric}{less} at K = 2"] for less in ("", " less item-bias's"))
        assert paired.here - paired.claimed == pytest.approx(alone.here - alone.claimed)
        assert paired.high - paired.low != pytest.approx(alone.high - alone.low)
    assert len(list(rerunning.moved(theirs, ours, None))) == len(means) / 2
