"""`coldbench tune`: which parameters serve new users best, searched on valid users alone.

Valid users are two random halves: a trial's method stops early and chooses by the first, as in a
run, and is evaluated on the second. Cold users are dropped from the split before any training.
Every method gets the same budget and they take turns, so that a search stopped early is fair too.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coldbench import registry
from coldbench.cell import Spec
from coldbench.errors import UserError
from coldbench.method import Space
from coldbench.metrics.compute import parse_metric
from coldbench.results.trials import Trial, add_trial, best_of, read_trials

from ..claims import Claims
from ..grid import Grid
from .bench import Bench
from .space import checked, optuna_or_error, propose

USUAL = 50  # trials of a method
STUDY = "tune.json"  # what the trials of a folder have in common


@dataclass(frozen=True)
class Budget:
    """What each method may spend; whichever ends first ends it."""

    trials: int | None
    seconds: float | None  # of its own trials; the one that is running is let finish

    @classmethod
    def of(cls, trials: int | None, seconds: float | None) -> "Budget":
        if (trials is not None and trials < 1) or (seconds is not None and seconds <= 0):
            raise UserError("--trials must be 1 or more, and --seconds more than 0")
        return cls(USUAL if trials is None and seconds is None else trials, seconds)

    def __str__(self) -> str:
        trials = "" if self.trials is None else f"{self.trials} trials"
        seconds = "" if self.seconds is None else f"{self.seconds:g} seconds"
        return " or ".join(filter(None, (trials, seconds)))

    def ended(self, trials: Sequence[Trial]) -> str:
        """Why there is no more, "" where there is."""
        if trials and trials[-1].status == "unavailable":
            return trials[-1].reason
        if self.trials is not None and len(trials) >= self.trials:
            return f"{self.trials} trials"
        spent = sum(trial.seconds for trial in trials)
        if self.seconds is not None and spent >= self.seconds:
            return f"{self.seconds:g} seconds"
        return ""


@dataclass(frozen=True)
class Study:
    """One method searched: its cell as the grid has it, and what is searched of it."""

    spec: Spec
    space: Space

    def start(self) -> dict[str, Any]:
        return {key: self.spec.params[key] for key in self.space}


OnTrial = Callable[[Trial, Sequence[Trial]], None]  # a trial, and all of its method so far


def studies(grid: Grid, specs: Sequence[Spec], metric: str) -> list[Study]:
    """What there is to search; anything that cannot be is a UserError before work begins."""
    optuna_or_error()
    if parse_metric(metric)[0].per_user is None:
        raise UserError(f"{metric} is pooled over users; tune by one per user, as log-loss or auc")
    for name in ("dataset", "protocol", "seed"):
        if len({getattr(spec, name) for spec in specs}) > 1:
            raise UserError(f"tune takes one {name} at a time")
    planned = []
    for spec in specs:
        given = grid.params.get(spec.name, {})  # what is set is held
        space = {
            k: v for k, v in registry.find("methods", spec.method).space.items() if k not in given
        }
        checked(spec.name, space, spec.params)
        planned.append(Study(spec, space))
    return planned


def tune(
    searched: Sequence[Study], metric: str, folder: Path, budget: Budget, tell: OnTrial
) -> dict[str, list[Trial]]:
    """Every method's trials, those of the folder's log among them; the missing ones are run."""
    folder.mkdir(parents=True, exist_ok=True)
    with Claims(folder) as claims:
        if not claims.take("tune"):
            raise UserError(f"{folder}: another search is at work here; wait for it, or use --name")
        _same(searched, metric, folder)
        return _search(searched, metric, folder, budget, tell)


def _search(
    searched: Sequence[Study], metric: str, folder: Path, budget: Budget, tell: OnTrial
) -> dict[str, list[Trial]]:
    higher = parse_metric(metric)[0].higher_is_better
    trials: dict[str, list[Trial]] = {study.spec.name: [] for study in searched}
    for trial in read_trials(folder):
        trials.setdefault(trial.method, []).append(trial)
    bench = None
    for study in _turns(searched, trials, budget):
        bench = bench or Bench.of(study.spec, metric)
        mine = trials[study.spec.name]
        params = (
            propose(study.space, mine, study.spec.seed, higher=higher) if mine else study.start()
        )
        trial = bench.trial(study.spec, len(mine) + 1, params)
        if trial.status != "unavailable":  # a package may be there the next time
            add_trial(folder, trial)
        mine.append(trial)
        tell(trial, mine)
    return {study.spec.name: trials[study.spec.name] for study in searched}


def _turns(
    searched: Sequence[Study], trials: dict[str, list[Trial]], budget: Budget
) -> Iterator[Study]:
    """Whose turn it is: the method with the fewest trials of those with budget left."""
    while left := [s for s in searched if not budget.ended(trials[s.spec.name])]:
        yield min(left, key=lambda study: len(trials[study.spec.name]))


def _same(searched: Sequence[Study], metric: str, folder: Path) -> None:
    """A folder's trials are of one data set, protocol, seed, code and metric, or say nothing."""
    path = folder / STUDY
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    now = {study.spec.name: {"metric": metric, **asdict(study.spec)} for study in searched}
    for name, mine in now.items():
        other = before.get(name) or next(iter(before.values()), mine)
        may_differ = set() if name in before else {"method", "row", "params", "code"}
        shared = set(mine) - {"files"} - may_differ
        apart = sorted(key for key in shared if json.loads(json.dumps(mine[key])) != other[key])
        if apart:
            raise UserError(
                f"{folder} holds a search with another {', '.join(apart)}: name another by --name"
            )
    path.write_text(json.dumps(before | now, indent=1), encoding="utf-8")


class Progress:
    """A line a trial; failures: of those alone that failed."""

    def __init__(self, budget: Budget, *, failures: bool = False) -> None:
        self._of = f"/{budget.trials}" if budget.trials else ""
        self._failures = failures

    def __call__(self, trial: Trial, so_far: Sequence[Trial]) -> None:
        if self._failures and trial.status == "done":
            return
        best = best_of(so_far)
        result = trial.reason or f"{trial.metric} {trial.value:.4f}"
        mark = " (best)" if best is trial and trial.number > 1 else ""
        settings = ", ".join(f"{key} = {value}" for key, value in trial.params.items())
        place = f"[{trial.method} {trial.number}{self._of}, {trial.seconds:.1f} s]"
        print(f"{place} {result}{mark}: {settings if trial.number > 1 else 'defaults'}", flush=True)
