"""The pictures of a report one at a time, as matplotlib figures: to show, change or save.

    results = coldbench.load("quick")
    coldbench.plot.kshot(results).savefig("kshot.pdf")
    coldbench.plot.wins(results, "ml-100k", "user-cold")
    coldbench.plot.critical(results)

Those of a section, `name(results, dataset=None, protocol=None)`: kshot, pareto, gains, control,
wins, profile, popularity, groups, calibration, exposure, steps, ranks, throughput. Dataset and
protocol may be left out where that leaves one. Those of a whole run, `name(results)`: critical,
variance, health. A UserError says which sections there are, or why there is nothing to draw.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from coldbench.errors import UserError
from coldbench.results.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def __getattr__(name: str) -> "Callable[..., Figure]":
    if name.startswith("_"):
        raise AttributeError(name)
    rooms = import_module("coldbench.reports._figures")
    if name in rooms.SECTION:
        return _of_section(name, rooms.SECTION[name])
    if name in rooms.RUN:
        return _of_run(name, rooms.RUN[name])
    raise AttributeError(f"no picture {name!r}; there are {', '.join(__dir__())}")


def __dir__() -> list[str]:
    rooms = import_module("coldbench.reports._figures")
    return [*rooms.SECTION, *rooms.RUN]


def _of_section(name: str, picture: Any) -> "Callable[..., Figure]":
    def draw(results: Results, dataset: str | None = None, protocol: str | None = None) -> "Figure":
        part = _part(results, dataset, protocol)
        drawing = picture.draw(part) if part.shots else None
        if drawing is None:
            raise UserError(f"no {name} of {part.title}: it needs {picture.needs}")
        return drawing.figure

    return _named(draw, name, picture)


def _of_run(name: str, picture: Any) -> "Callable[..., Figure]":
    def draw(results: Results) -> "Figure":
        drawing = picture.draw(results)
        if drawing is None:
            raise UserError(f"no {name} of {results.name}: it needs {picture.needs}")
        return drawing.figure

    return _named(draw, name, picture)


def _named(draw: Any, name: str, picture: Any) -> "Callable[..., Figure]":
    draw.__name__ = draw.__qualname__ = name
    draw.__doc__ = f"{picture.draw.__doc__} Needs {picture.needs}, else it is a UserError."
    return draw


def _part(results: Results, dataset: str | None, protocol: str | None) -> Any:
    parts = import_module("coldbench.reports._setting").parts(results)
    found = [p for p in parts if dataset in (None, p.dataset) and protocol in (None, p.protocol)]
    if len(found) == 1:
        return found[0]
    asked = ", ".join(word for word in (dataset, protocol) if word is not None)
    what = f"no section is {asked!r}" if not found else "say which dataset and protocol"
    there = "; ".join(part.title for part in parts) or "none"
    raise UserError(f"{what}; {results.name} has: {there}")
