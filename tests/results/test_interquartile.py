"""The interquartile mean of a method, by hand."""

import numpy as np
import pytest
from scipy import stats

from coldbench.metrics import statistics
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.interquartile import rows
from tests.scored import setting, valued

NAN = float("nan")


def test_the_middle_half_of_the_defined_users_at_the_largest_k_is_averaged() -> None:
    users = np.array([0, 0, 1, 1, 2])
    scores = valued([9, 8.0], [9, 0], [9, 1], [9, 4], [9, NAN], users=users)
    drawn = Bootstrap(60)
    methods = {"m": {2: scores, 0: valued([0, 0.0])}, "none": {2: valued([1, NAN])}}
    [found] = rows(setting(scores=methods, column=1, bootstrap=drawn))
    assert (found["method"], found["iqm"]) == ("m", 2.5)  # of 1 and 4
    values = np.array([8.0, 0, 1, 4])
    copies = [np.repeat(values, often[:4].astype(int)) for often in drawn.weights(scores)]
    draws = np.array([stats.trim_mean(of, 0.25) if len(of) else NAN for of in copies])
    low, high = statistics.percentiles(draws, 2)  # two users are left
    assert (found["iqm_low"], found["iqm_high"]) == pytest.approx((low, high), abs=1e-6)
