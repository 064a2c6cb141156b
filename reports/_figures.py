"""The figures of a run, drawn once for all that show them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from coldbench.results.results import Results

from ._calibration import calibration
from ._critical import critical
from ._curves import kshot, profile, throughput
from ._elicitation import elicitation
from ._gains import control, gains
from ._inner_loop import ranks, steps
from ._matrices import health, wins
from ._points import exposure, pareto
from ._rolling import rolling
from ._setting import SettingResults, settings
from ._subgroups import groups, popularity
from ._svg import Drawing
from ._tuning import tuning
from ._variance import variance

Of = TypeVar("Of")


@dataclass(frozen=True)
class Picture(Generic[Of]):
    draw: Callable[[Of], Drawing | None]
    needs: str  # what there must be for it to show anything


OF_SETTING: dict[str, Picture[SettingResults]] = {  # in reading order
    "kshot": Picture(kshot, "a cell that is done"),
    "pareto": Picture(pareto, "a cell that was timed"),
    "gains": Picture(gains, "a method that takes labels, at K = 0 and a larger K"),
    "control": Picture(control, "a method that takes labels, evaluated with another user's too"),
    "wins": Picture(wins, "two methods evaluated on the same users"),
    "profile": Picture(profile, "a cell that is done"),
    "popularity": Picture(popularity, "ten evaluated users with items of some popularity"),
    "groups": Picture(
        groups, "a method that takes labels, and ten evaluated users of a kind of user"
    ),
    "calibration": Picture(calibration, "dislikes in the log, beside likes"),
    "exposure": Picture(exposure, "a split that says how popular its items are"),
    "steps": Picture(steps, "a method with an inner loop that kept a trace"),
    "ranks": Picture(ranks, "a method run with several values of its parameter `rank`"),
    "throughput": Picture(throughput, "a cell that was timed"),
}
OF_RUN: dict[str, Picture[Results]] = {
    "critical": Picture(critical, "two methods that share two blocks (data set, protocol, K)"),
    "tuning": Picture(tuning, "trials of coldbench tune in the run's folder"),
    "variance": Picture(variance, "a method that is done under two seeds"),
    "rolling": Picture(rolling, "two protocols that differ in refit alone, split = 'rolling'"),
    "elicitation": Picture(elicitation, "protocols that differ in asker alone, one of them random"),
    "health": Picture(health, "a cell"),
}


@lru_cache(maxsize=1)
def pictures(results: Results) -> dict[tuple[str, str], list[Drawing]]:
    """By setting, in reading order; a picture without anything to show is left out."""
    return {
        (setting.dataset, setting.protocol): [
            drawing.begin()
            for picture in OF_SETTING.values()
            if setting.shots and (drawing := picture.draw(setting)) is not None
        ]
        for setting in settings(results)
    }


@lru_cache(maxsize=1)
def run_pictures(results: Results) -> list[Drawing]:
    """Those of the run as a whole, in reading order."""
    drawings = (picture.draw(results) for picture in OF_RUN.values())
    return [drawing.begin() for drawing in drawings if drawing is not None]
