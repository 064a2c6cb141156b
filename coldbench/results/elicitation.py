"""Which item to ask first? Each asker beside random questions, paired by user.

Settings of a run that differ in `asker` alone are laid side by side: a method after n questions of
an asker, minus the same method after n random ones, for the same users and the same query.
`saved`: how many questions fewer an asker needs for what random ones give at the largest K, read
off the curve of means between its points; below 0: how many more, by random's curve.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from coldbench.metrics import statistics
from coldbench.metrics.compute import parse_metric
from coldbench.results.paired import adjust, differences
from coldbench.results.rounding import number
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting
from coldbench.results.user_scores import Float

RANDOM = "random"  # the asker to beat
SECOND = "auc"  # shown beside the headline metric
UNSURE = 0.05  # of the resamples without a gain by random questions: then no interval is given
SCHEMA = schema(
    "method asker metric",
    "shots users",
    "value random mean low high p p_holm helped harmed detectable saved saved_low saved_high",
)


def rows(settings: Iterable[Setting]) -> list[Row]:
    """By method, asker, metric and number of questions; `saved` at the largest number alone. p is
    adjusted by Holm over all askers and methods of a metric at one number of questions."""
    alike: dict[str, dict[str, Setting]] = defaultdict(dict)
    for setting in settings:
        fields = _fields(setting)
        if fields.get("asker", "nobody") != "nobody":
            others = {key: value for key, value in fields.items() if key != "asker"}
            alike[repr(sorted(others.items()))][fields["asker"]] = setting
    compared: list[Row] = []
    for by_asker in alike.values():
        if RANDOM in by_asker:
            for asker, setting in by_asker.items():
                compared += _beside(by_asker[RANDOM], setting, asker)
    adjust(compared)
    return compared


def _fields(setting: Setting) -> dict[str, Any]:
    return next(iter(setting.cells.values()))[0].spec.protocol_fields


def _beside(random: Setting, other: Setting, asker: str) -> list[Row]:
    metrics = [name for name in (other.headline, SECOND) if name in other.per_user]
    columns = [other.per_user.index(name) for name in dict.fromkeys(metrics)]
    compared: list[Row] = []
    for method in (name for name in other.scores if name in random.scores):
        shots = sorted(other.scores[method].keys() & random.scores[method].keys())
        pairs = [other.scores[method][k].align(random.scores[method][k]) for k in shots]
        if not pairs or not len(pairs[0][0]):
            continue
        weights = other.bootstrap.weights(pairs[0][0])
        for column in columns:
            metric = other.per_user[column]
            rises = parse_metric(metric)[0].higher_is_better
            mine, theirs = (
                np.stack([pair[side].values[:, column] for pair in pairs], 1) for side in (0, 1)
            )  # (B, S) each
            tests = differences(mine - theirs, weights, pairs[0][0].seeds)
            for at, (k, test) in enumerate(zip(shots, tests, strict=True)):
                if not rises:
                    test["helped"], test["harmed"] = test["harmed"], test["helped"]
                compared.append(
                    {"method": method, "asker": asker, "metric": metric, "shots": k,
                     "value": number(np.nanmean(mine[:, at])),
                     "random": number(np.nanmean(theirs[:, at])), **test}
                )  # fmt: skip
            if asker != RANDOM:
                people = len(np.unique(pairs[0][0].users))
                compared[-1] |= _saved(shots, mine, theirs, weights, people, 1 if rises else -1)
    return compared


def _saved(
    shots: Sequence[int],
    mine: Float,
    theirs: Float,
    weights: statistics.Weights,
    people: int,
    sign: int,
) -> Row:
    """saved, saved_low, saved_high; None where random questions gain nothing."""
    drawn = [sign * _means(values, weights) for values in (mine, theirs)]
    every = np.ones((1, len(mine)), np.float32)
    once = [sign * _means(values, every)[0] for values in (mine, theirs)]
    resampled = np.array([saved(shots, a, b) for a, b in zip(*drawn, strict=True)])
    ends = (np.nan, np.nan)
    if np.isnan(resampled).mean() <= UNSURE:
        ends = statistics.percentiles(resampled, people)
    low, high = map(number, ends)
    return {"saved": number(saved(shots, *once)), "saved_low": low, "saved_high": high}


def saved(shots: Sequence[int], asker: Float, random: Float) -> float:
    """Questions saved at the largest K, of two curves of means where higher is better; NaN where
    random questions gain nothing."""
    if random[-1] <= random[0]:
        return float("nan")
    needed = _reached(shots, asker, random[-1])
    if needed is not None:
        return shots[-1] - needed
    return (_reached(shots, random, asker[-1]) or 0.0) - shots[-1]


def _reached(shots: Sequence[int], curve: Float, level: float) -> float | None:
    """The first number of questions at which a curve is at the level; None where it never is."""
    for at, y in enumerate(curve):
        if y >= level:
            if at == 0:
                return float(shots[0])
            share = (level - curve[at - 1]) / (y - curve[at - 1])
            return float(shots[at - 1] + share * (shots[at] - shots[at - 1]))
    return None


def _means(values: Float, weights: statistics.Weights) -> Float:
    """(R, S) means over the users drawn, of (B, S) values; NaN is left out."""
    defined = ~np.isnan(values)
    return (weights @ np.where(defined, values, 0)) / np.maximum(weights @ defined, 1e-9)
