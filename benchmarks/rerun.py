"""Cells of an archive run again here, and what may differ where the processor is another.

A row that learns nothing from chance repeats its scores up to rounding. Training lets rounding
grow: on another kind of processor the same code and seed learn another method, as another seed
would. Of such a row what it claims must hold: in each of METRICS and at each K, the mean that is
found here lies in the claim's own 95 % interval over users, and its difference to item-bias in that
difference's, paired by user (docs/decisions/29-rerun.md).
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from coldbench import registry
from coldbench.cell import Cell, Spec
from coldbench.errors import printable
from coldbench.metrics.statistics import interval
from coldbench.results.bootstrap import Bootstrap
from coldbench.results.paired import BASELINE
from coldbench.results.rounding import plain
from coldbench.results.user_scores import read_user_scores

from .archive import Archive
from .run import Run
from .work import RunOptions

CLOSE = 1e-4  # scores of a row that repeats them, on another machine perhaps
METRICS = ("ndcg@5", "auc", "log-loss")


@dataclass(frozen=True)
class Rerun:
    """A cell that was run again."""

    sound: bool
    words: str


@dataclass(frozen=True)
class Moved:
    """A mean of a cell as it is claimed and as it came out here."""

    what: str  # "auc at K = 4"
    claimed: float
    here: float
    low: float
    high: float

    @property
    def reach(self) -> float:
        """How far it moved, 1: to the end of its interval; infinite where that has no width."""
        away = abs(self.here - self.claimed)
        wide = abs((self.high if self.here > self.claimed else self.low) - self.claimed)
        return away / wide if wide > 0 else np.inf if away > 0 else 0.0

    def __str__(self) -> str:
        span = f"[{plain(self.low)}, {plain(self.high)}]"
        return f"{self.what} {plain(self.here)}, claimed {plain(self.claimed)} {span}"


def rerun(
    archive: Archive, cells: Sequence[Cell], folder: Path, count: int, options: RunOptions
) -> Iterator[Rerun]:
    """So many of the finished cells, drawn by the system's own randomness, run here and compared.
    cells: the archive's, put together again; folder: an empty one for the run."""
    known = {entry.name for entry in registry.entries("methods")}
    done = [cell for cell in cells if cell.status == "done"]
    for name in sorted({cell.spec.method for cell in done} - known):
        yield Rerun(True, f"{printable(name)} is not known here: not run again")
    there = [cell for cell in done if cell.spec.method in known]
    drawn = random.SystemRandom().sample(there, min(count, len(there)))
    grid = replace(archive.grid(), limit=next((cell.spec.limit for cell in drawn), None))
    wanted = {_key(cell.spec) for cell in drawn}
    with Run(grid, folder, options, lambda spec: _key(spec) in wanted) as run:
        again = {_key(cell.spec): cell for cell in run.cells(lambda *_: None)}
    for cell in drawn:
        ours, title = again[_key(cell.spec)], printable(cell.spec.title)
        if ours.status != "done":
            yield Rerun(False, f"{title}: {ours.status} here: {ours.reason}")
            continue
        base = [other for other in done if _key(other.spec) == _key(cell.spec, BASELINE)]
        sound, words = compare(cell, ours, base[0] if base else None)
        same = "by the same code" if ours.spec.fingerprint == cell.spec.fingerprint else (
            "by other code"
        )  # fmt: skip
        yield Rerun(sound, f"{title}: {same}: {words}")


def compare(claimed: Cell, here: Cell, base: Cell | None) -> tuple[bool, str]:
    """Whether a cell that was run again is what was claimed, and what differs."""
    theirs, ours = (cell.scores()["score"].to_numpy() for cell in (claimed, here))
    apart = float(np.abs(ours - theirs).max(initial=0.0))
    words = f"scores differ by at most {apart:.1e}"
    method = registry.find("methods", claimed.spec.method)
    if apart <= CLOSE or method.is_chance or not method.stochastic:
        return apart <= CLOSE, words
    means = list(moved(claimed, here, base if claimed.name != BASELINE else None))
    if not means:
        return False, f"{words}, and none of {', '.join(METRICS)} is defined to compare it by"
    worst = max(means, key=lambda mean: mean.reach)
    hardware = " and ".join(
        dict.fromkeys(printable(str(c.facts.get("hardware", "?"))) for c in (claimed, here))
    )
    what = f"a row that is trained, on {hardware}; the mean that moved most: {worst}"
    return worst.reach <= 1, f"{words}: {what}"


def moved(claimed: Cell, here: Cell, base: Cell | None) -> Iterator[Moved]:
    """Every mean of METRICS over the users of a cell; less that of `base` too, if there is one."""
    theirs, ours = (read_user_scores([cell], METRICS) for cell in (claimed, here))
    bases = read_user_scores([base], METRICS) if base else {}
    bootstrap = Bootstrap()
    for shots, scores in theirs.items():
        assert scores.key == ours[shots].key, "the same split asks for the same users"
        weights, beside = bootstrap.weights(scores), [("", np.zeros_like(scores.values))]
        if bases:
            beside.append((f" less {BASELINE}'s", bases[shots].values))
        for less, values in beside:
            span = interval(scores.values - values, weights)
            again = interval(ours[shots].values - values, weights).mean
            for at, metric in enumerate(METRICS):
                if not np.isnan(span.mean[at]):  # without dislikes there is no log-loss
                    ends = (float(part[at]) for part in (span.mean, again, span.low, span.high))
                    yield Moved(f"{metric}{less} at K = {shots}", *ends)


def _key(spec: Spec, name: str = "") -> tuple[str, str, str, int]:
    return spec.dataset, spec.protocol, name or spec.name, spec.seed
