"""The spaces that a search looks through: what they may be, and what is tried next."""

import json
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from coldbench import registry
from coldbench.errors import UserError
from coldbench.method import from_params
from coldbench.results.trials import Trial, best_of
from tests import fake_run

spaces: Any = import_module("coldbench.benchmarks.tuning.space")


def test_every_space_names_parameters_of_its_method_and_both_ends_can_be_had() -> None:
    tried = 0
    for name in registry.names("methods"):
        method = registry.find("methods", name)
        if not method.space:
            continue
        defaults = method().params()
        spaces.checked(name, method.space, defaults)
        for key, among in method.space.items():
            for value in among:  # both ends, or every choice
                params = from_params(method, name, {key: value}).params()
                assert params[key] == value
                assert json.loads(json.dumps(value)) == value
            known = defaults[key] is None or spaces._place(among, defaults[key]) is not None
            assert known, f"{name}: the default of {key}, {defaults[key]}, is not in its space"
        tried += 1
    assert tried >= 4


@pytest.mark.parametrize(
    ("space", "params", "line"),
    [
        ({}, {}, "nothing to tune"),
        ({"y": (0, 1)}, {"x": 1}, "names 'y', which is no parameter"),
        ({"x": (1, 0)}, {"x": 1}, "must be (low, high) or a list"),
        ({"x": []}, {"x": 1}, "must be (low, high) or a list"),
        ({"x": [None, 1]}, {"x": 1}, "offers None, which a grid cannot say"),
    ],
)
def test_a_space_that_cannot_be_searched_is_one_line(
    space: dict[str, Any], params: dict[str, Any], line: str
) -> None:
    with pytest.raises(UserError) as error:
        spaces.checked("m", space, params)
    assert line in str(error.value) and "\n" not in str(error.value)


def test_what_is_tried_lies_in_the_space_and_reads_well() -> None:
    space = {"rate": (1e-4, 1.0), "share": (0.0, 0.5), "steps": (1, 8), "kind": [None, "a", 2.0]}
    past: list[Trial] = []
    for n in range(40):
        params = spaces.propose(space, past, 5, higher=False)
        assert 1e-4 <= params["rate"] <= 1 and 0 <= params["share"] <= 0.5
        assert params["steps"] in range(1, 9) and params["kind"] in (None, "a", 2.0)
        assert type(params["steps"]) is int and params["rate"] == float(f"{params['rate']:.3g}")
        past.append(fake_run.trial(0.5 + 0.01 * n, n + 1, params))
    rates = np.log10([trial.params["rate"] for trial in past])
    assert (rates < -2).sum() > 5 and (rates > -2).sum() > 5, "not by its logarithm"


def test_the_search_finds_the_valley_and_from_the_same_past_goes_the_same_way() -> None:
    def value(x: float) -> float:
        return 0.1 + (x - 0.7) ** 2

    def search(seed: int) -> list[Trial]:
        past = [fake_run.trial(value(0.0), 1, {"x": 0.0})]
        for n in range(2, 40):
            params = spaces.propose({"x": (0.0, 1.0)}, past, seed, higher=False)
            past.append(fake_run.trial(value(params["x"]), n, params))
        return past

    once, again, other = search(0), search(0), search(1)
    assert once == again and once != other
    best = best_of(once)
    assert best and abs(best.params["x"] - 0.7) < 0.05
    late = [abs(trial.params["x"] - 0.7) for trial in once[20:]]
    early = [abs(trial.params["x"] - 0.7) for trial in once[1:11]]
    assert np.mean(late) < np.mean(early), "it learns nothing from its trials"
    up = spaces.propose({"x": (0.0, 1.0)}, once, 0, higher=True)
    assert up != spaces.propose({"x": (0.0, 1.0)}, once, 0, higher=False)


def test_a_default_that_is_no_place_in_the_space_and_a_failure_are_passed_over() -> None:
    tried = ((0.5, None), (None, 0.3), (0.4, 0.2))
    past = [fake_run.trial(value, n, {"x": x}) for n, (value, x) in enumerate(tried, 1)]
    assert 0 <= spaces.propose({"x": (0.0, 1.0)}, past, 0, higher=False)["x"] <= 1
    assert spaces._place((1e-5, 0.1), 0.0) == 1e-5, "no weight decay is the least there is"
    assert spaces._place((0.1, 2.0), None) is None and spaces._place([0, 1], False) is None
