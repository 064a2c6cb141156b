"""What a method's `space` means, and where a search looks next: TPE, by optuna.

Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (2011); Akiba et al., "Optuna"
(2019), arXiv:1907.10902.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from coldbench.errors import UserError
from coldbench.method import Space
from coldbench.results.trials import Trial

WIDE = 10  # a range whose ends are so many times apart is searched by its logarithm


def optuna_or_error() -> Any:
    try:
        import optuna
    except ImportError:
        raise UserError(
            "coldbench tune searches by optuna: pip install 'coldbench[tune]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def checked(name: str, space: Space, params: dict[str, Any]) -> None:
    """Raises UserError where a space cannot be searched: it is empty, or wrong."""
    if not space:
        raise UserError(f"{name} has nothing to tune: it declares no `space`, or all of it is set")
    for key, among in space.items():
        if key not in params:
            raise UserError(f"{name}.space names {key!r}, which is no parameter of it")
        if not _is_range(among) and not (isinstance(among, list) and among):
            raise UserError(f"{name}.space[{key!r}] must be (low, high) or a list of choices")
        if isinstance(among, list) and None in among and params[key] is not None:
            raise UserError(f"{name}.space[{key!r}] offers None, which a grid cannot say")


def propose(space: Space, trials: Sequence[Trial], seed: int, *, higher: bool) -> dict[str, Any]:
    """What to try after these trials: a function of these and the seed alone, so that a search
    that was stopped goes on as if it had not been."""
    optuna = optuna_or_error()
    own_seed = int(np.random.SeedSequence([seed, len(trials)]).generate_state(1)[0])
    study = optuna.create_study(
        direction="maximize" if higher else "minimize",
        sampler=optuna.samplers.TPESampler(seed=own_seed),
    )
    where = {key: _distribution(optuna, among) for key, among in space.items()}
    for trial in trials:
        places = {key: _place(space[key], trial.params[key]) for key in space}
        if trial.value is None or None in places.values():
            continue  # a default such as None, which says `chosen on valid users`, is no place
        study.add_trial(
            optuna.trial.create_trial(params=places, distributions=where, value=trial.value)
        )
    asked = study.ask(where).params
    return {key: _value(among, asked[key]) for key, among in space.items()}


def _is_range(among: Any) -> bool:
    numbers = isinstance(among, tuple) and len(among) == 2
    return numbers and all(type(end) in (int, float) for end in among) and among[0] < among[1]


def _distribution(optuna: Any, among: Any) -> Any:
    of = optuna.distributions
    if isinstance(among, list):
        return of.CategoricalDistribution(tuple(range(len(among))))  # choices may be of any kind
    low, high = among
    log = low > 0 and high >= WIDE * low
    kind = (
        of.IntDistribution
        if isinstance(low, int) and isinstance(high, int)
        else of.FloatDistribution
    )
    return kind(low, high, log=log)


def _place(among: Any, value: Any) -> Any:
    """Where a value stands in a distribution, a number beyond an end at that end: a default of no
    weight decay at the least there is. None for what has no place."""
    if isinstance(among, list):
        return next((n for n, v in enumerate(among) if v == value and type(v) is type(value)), None)
    return min(max(value, among[0]), among[1]) if type(value) in (int, float) else None


def _value(among: Any, place: Any) -> Any:
    """The parameter; a number has three digits, as a grid file and a row's name show it."""
    if isinstance(among, list):
        return among[place]
    if isinstance(place, int):
        return place
    return min(max(float(f"{place:.3g}"), among[0]), among[1])
