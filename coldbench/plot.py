"""The pictures of a report one at a time, as matplotlib figures: to show, change or save.

    results = coldbench.load("quick")
    coldbench.plot.kshot(results).savefig("kshot.pdf")
    coldbench.plot.wins(results, "ml-100k", "user-cold")
    coldbench.plot.critical(results)

Those of a setting, `name(results, dataset=None, protocol=None)`: kshot, pareto, gains, control,
wins, profile, popularity, groups, calibration, exposure, steps, ranks, throughput. Dataset and
protocol may be left out where that leaves one. Those of a whole run, `name(results)`: critical,
variance, rolling, elicitation, health. A UserError says which settings there are, or why there is
nothing to draw.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from coldbench import registry

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def __getattr__(name: str) -> "Callable[..., Figure]":
    if name.startswith("_"):
        raise AttributeError(name)
    return _figures().one(name)


def __dir__() -> list[str]:
    return _figures().names()


def _figures() -> Any:
    return registry.find("reports", "figures")()
