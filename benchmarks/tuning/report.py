"""What a search found, as a grid: runs/<name>/tuned.toml has each method as it was and as tuned.

Its one seed is that of the search: under another, users who were chosen by may be evaluated.
"""

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from coldbench import registry
from coldbench.metrics.compute import parse_metric
from coldbench.metrics.statistics import Difference, bootstrap_weights, paired
from coldbench.results.paired import BASELINE
from coldbench.results.rounding import plain
from coldbench.results.trials import Trial, best_of, curve

from .. import provenance
from ..grid import Grid
from .search import Budget, Study

FILE = "tuned.toml"


@dataclass(frozen=True)
class Found:
    """What a search made of one method."""

    study: Study
    trials: Sequence[Trial]
    ended: str  # "20 trials"

    @property
    def name(self) -> str:
        """Of the tuned row: melu:tuned, melu:paper-tuned."""
        row = self.study.spec.name
        return f"{row}-tuned" if ":" in row else f"{row}:tuned"

    @property
    def best(self) -> Trial | None:
        return best_of(self.trials)

    @property
    def better(self) -> bool:
        """Whether something beat the defaults."""
        return self.best is not None and self.best.number > 1

    @property
    def difference(self) -> Difference | None:
        """Best less defaults, paired by evaluated valid user."""
        first, best = self.trials[0] if self.trials else None, self.best
        if first is None or best is None or first.value is None or not self.better:
            return None
        a, b = (np.array(trial.by_user, float) for trial in (best, first))
        return paired(a, b, bootstrap_weights(np.arange(len(a)), 10_000))

    @property
    def params(self) -> dict[str, Any]:
        """All that differs from the method's defaults, the preset it began from included."""
        plain_ones = registry.find("methods", self.study.spec.method)().params()
        best = self.best
        now = self.study.spec.params | (best.params if best else {})
        return {key: value for key, value in now.items() if value != plain_ones[key]}

    def words(self) -> str:
        """One sentence: what was gained on the users that were chosen by."""
        best, first = self.best, self.trials[0] if self.trials else None
        if best is None or first is None:
            return "no trial was done"
        if first.value is None:
            return (
                f"{plain(best.value or 0, 4)} in trial {best.number}; the defaults {first.status}"
            )
        if not self.better:
            return f"{plain(first.value, 4)} with the defaults, which nothing beat"
        words = f"{plain(first.value, 4)} with the defaults -> {plain(best.value or 0, 4)} in trial"
        difference = self.difference
        assert difference is not None, "both are done"
        span = f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"
        return f"{words} {best.number}; {span} over {difference.n} users"

    def as_dict(self) -> dict[str, Any]:
        """For `--json`; values on the evaluated valid users, None where a trial was not done."""
        best, first, gain = self.best, self.trials[0] if self.trials else None, self.difference
        return {
            "method": self.study.spec.name,
            "tuned": self.name if self.better else None,
            "trials": len(self.trials),
            "ended by": self.ended,
            "default value": first.value if first else None,
            "best value": best.value if best else None,
            "best trial": best.number if best else None,
            "params": self.params if best else {},
            "gain": gain
            and {"mean": gain.mean, "low": gain.low, "high": gain.high, "users": gain.n},
        }


def found(
    searched: Sequence[Study], trials: Mapping[str, list[Trial]], budget: Budget
) -> list[Found]:
    rows = ((study, trials[study.spec.name]) for study in searched)
    return [Found(study, of_study, budget.ended(of_study)) for study, of_study in rows]


def drawn(results: Sequence[Found], folder: Path) -> list[Path]:
    """The tuning-budget curve, in the look of the reports."""
    trials = curve([trial for study in results for trial in study.trials])
    figures = registry.find("reports", "figures")()
    paths: list[Path] = figures.tuning(trials, folder)
    return paths


def write(grid: Grid, results: Sequence[Found], metric: str, folder: Path) -> Path:
    """The grid file; its comments say where its numbers come from."""
    methods = [BASELINE]
    for result in results:
        methods += [result.study.spec.name, *([result.name] if result.better else [])]
    whole = replace(grid, methods=tuple(dict.fromkeys(methods)), params={})
    tables = [
        _params(row, changed) for row, changed in grid.params.items() if row in methods and changed
    ]
    tables += [_table(result, metric) for result in results]
    path = folder / FILE
    path.write_text(f"{_head(results, metric)}{whole.toml()}{''.join(tables)}", encoding="utf-8")
    return path


def _head(results: Sequence[Found], metric: str) -> str:
    spec = results[0].study.spec
    evaluated = max((len(t.by_user) for result in results for t in result.trials), default=0)
    better = "higher" if parse_metric(metric)[0].higher_is_better else "lower"
    shots = ", ".join(map(str, spec.protocol_fields["shots"]))
    names = ", ".join(f"{name} {version}" for name, version in spec.versions.items())
    words = (
        f"Made by coldbench tune on {spec.dataset}, {spec.protocol}, seed {spec.seed}: each method "
        f"as it was and as tuned, to be measured on cold users, none of whom the search looked at. "
        f"Values are {metric} ({better} is better), a mean over K = {shots} and over {evaluated} "
        f"valid users; the other valid users are those that methods themselves choose by. The best "
        f"of many trials looks better on them than it is. Keep the seed: under another, users who "
        f"were chosen by would be evaluated. Commit {provenance.commit()}; {names}."
    )
    return "".join(f"# {line}\n" for line in textwrap.wrap(words, 98)) + "\n"


def _table(result: Found, metric: str) -> str:
    failed = sum(trial.status == "failed" for trial in result.trials)
    seconds = sum(trial.seconds for trial in result.trials)
    spent = f"{len(result.trials)} trials ({failed} failed) in {seconds:,.1f} s"
    words = (
        f"{result.study.spec.name}: {metric} {result.words()}. {spent}; ended by {result.ended}."
    )
    head = "\n" + "".join(f"# {line}\n" for line in textwrap.wrap(words, 98))
    if not result.better:
        return head
    return head + _params(result.name, result.params)


def _params(row: str, params: dict[str, Any]) -> str:
    lines = (f"{key} = {json.dumps(value)}\n" for key, value in params.items())
    return f'[params."{row}"]\n{"".join(lines)}'
