"""How far scores moved, and who is said to have adapted, by hand."""

from types import SimpleNamespace
from typing import Any

import pytest

from coldbench.results.adaptation import rows, verdict
from coldbench.results.schema import Row
from tests.scored import scored, setting

LABELS = [[1, 0], [1, None]]
START = scored([[0.5, 0.5], [0.5, None]], LABELS)
MOVED = scored([[0.75, 0.5], [0.25, None]], LABELS)  # by .25, 0 and .25
GAIN: Row = {"method": "m", "shots": 2, "metric": "auc", "against": "K = 0", "mean": 0.25,
             "low": 0.125, "high": 0.5, "p_holm": 0.01}  # fmt: skip
OTHERS = [
    GAIN | {"mean": 0.75, "against": "item-bias"}, GAIN | {"mean": 0.75, "metric": "mae"},
    GAIN | {"mean": 0.75, "shots": 4}, GAIN | {"mean": 0.75, "method": "n"},
]  # fmt: skip


def verdicts(by_shots: Any, gains: list[Row], **facts: Any) -> list[tuple[int, float, str]]:
    cells = {"m": [SimpleNamespace(facts=facts)]}
    given = setting(scores={"m": by_shots}, cells=cells, headline="auc", rows=lambda _: gains)
    return [(row["shots"], row["moved"], row["verdict"]) for row in rows(given)]


def test_every_k_but_0_is_beside_k_0_and_beside_its_own_gain_in_the_headline() -> None:
    gains = [*OTHERS[:2], GAIN, *OTHERS[2:]]
    assert verdicts({0: START, 2: MOVED, 8: START}, gains) == [
        (2, 0.166667, "gains .250 [.125, .500]"), (8, 0, "does not adapt"),
    ]  # fmt: skip
    assert verdicts({2: MOVED}, gains) == []
    assert verdicts({0: START, 2: MOVED}, OTHERS) == [(2, 0.166667, "adapts, no gain shown")]


def test_a_method_that_takes_no_support_or_moves_at_random_has_not_learnt_whatever_moved() -> None:
    both = {0: START, 2: MOVED}
    assert verdicts(both, [GAIN], adapts=False) == [(2, 0.166667, "does not adapt")]
    assert verdicts(both, [GAIN], chance=True) == [(2, 0.166667, "moves at random")]
    assert verdicts(both, [GAIN], adapts=True)[0][2].startswith("gains")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "gains .250 [.125, .500]"),
        ({"mean": -0.25, "low": -0.5, "high": -0.125}, "loses .250 [.125, .500]"),
        ({"metric": "mae"}, "loses .250 [.125, .500]"),
        ({"metric": "mae", "mean": -0.25, "low": -0.5, "high": -0.125}, "gains .250 [.125, .500]"),
        ({"mean": 0.000499}, "gains less than .001 [.125, .500]"),
        ({"mean": 0.000501}, "gains .001 [.125, .500]"),
        ({"mean": -0.0004, "low": -0.0008, "high": 0.0}, "loses less than .001 [.000, .001]"),
        ({"mean": 0.0, "low": -0.5, "high": 0.5}, "adapts, no gain shown"),
        ({"mean": 1e-6, "low": -0.002, "high": 0.5}, "gains less than .001 [-.002, .500]"),
        ({"mean": -1e-6, "low": -0.5, "high": 0.002}, "loses less than .001 [-.002, .500]"),
        ({"p_holm": None}, "adapts, no gain shown"),
        ({"p_holm": 0.5}, "adapts, no gain shown"),
    ],
)
def test_the_verdict_is_the_sign_of_a_sure_gain_and_else_of_having_moved(
    changes: Row, words: str
) -> None:
    assert verdict(0.5, GAIN | changes) == words
    assert verdict(0.0, GAIN | changes) == "does not adapt"
