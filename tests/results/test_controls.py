"""The leak audit finds what leaks, in splits and in methods, and accuses nobody honest."""

from pathlib import Path

import polars as pl
import pytest

from coldbench.results.leaks import PERMUTED_SUPPORT, SAME_QUERIES, USER_FREE
from coldbench.results.results import Results, read
from tests.console import asked

LEAKY = Path(__file__).parents[1] / "leaky.py"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Two cheats beside honest methods, on users with a planted taste."""

    folder = tmp_path_factory.mktemp("controls")
    text = LEAKY.read_text(encoding="utf-8")
    sly = folder / "sly.py"
    sly.write_text(text.replace('"cheats"  #', '"honest"  #'), encoding="utf-8")
    words = [
        "run", "-d", "synthetic", "-m", "leaky,sly,item-bias,ridge,fold-in,random",
        "--include", str(LEAKY), "--include", str(sly), "--no-timing", "-j", "2", "--name", "r",
        "--set", 'dataset_params={"synthetic" = {n_users = 60, per_user = 30}}',
        "--set", "encoder=vectors", "--set", "seeds=[0,1,2]", "--set", "protocol.shots=[0,8]",
        "--set", "protocol.cold_users=0.4",
    ]  # fmt: skip
    asked(folder, *words)
    return read(folder / "runs/r", resamples=300)


def who(results: Results, says: str) -> set[str]:
    row = results.leaks.filter(says=says).row(0, named=True)
    assert row["broken"] == len(row["who"].split(", ") if row["who"] else [])
    return set(row["who"].split(", ")) if row["who"] else set()


@pytest.mark.slow
def test_a_method_that_knows_the_user_before_any_label_is_caught(results: Results) -> None:
    assert who(results, USER_FREE) == {"leaky"}


@pytest.mark.slow
def test_a_method_that_gains_by_another_users_labels_is_caught(results: Results) -> None:
    assert who(results, PERMUTED_SUPPORT) == {"sly"}


@pytest.mark.slow
def test_the_splits_facts_hold_and_every_method_was_asked_the_same(results: Results) -> None:
    facts = results.leaks.filter(~pl.col("says").is_in([USER_FREE, PERMUTED_SUPPORT]))
    assert SAME_QUERIES in facts["says"].to_list()
    assert len(facts) >= 8
    assert facts["broken"].sum() == 0
    assert facts["checked"].min() > 0  # type: ignore[operator]


@pytest.mark.slow
def test_a_planted_taste_is_gained_by_own_labels_and_not_by_anothers(results: Results) -> None:
    ridge = results.controls.filter(method="ridge").row(0, named=True)
    assert ridge["personal"] > 0 and ridge["personal_p"] < 0.05
    assert ridge["own"] > ridge["others"]
    gain = results.gains.filter(method="ridge", shots=8, metric="ndcg@5", against="K = 0")
    assert ridge["own"] == pytest.approx(gain["mean"][0])
