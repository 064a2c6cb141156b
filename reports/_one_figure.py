"""One figure of a report as a function, for coldbench.plot."""

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

from matplotlib.figure import Figure

from coldbench.errors import UserError
from coldbench.results.results import Results

from ._figures import OF_RUN, OF_SETTING
from ._setting import SettingResults, settings
from ._svg import lay_out


def names() -> list[str]:
    return [*OF_SETTING, *OF_RUN]


def one(name: str) -> Callable[..., Figure]:
    """Raises AttributeError where there is no such figure."""
    if name in OF_SETTING:
        return _of_setting(name, OF_SETTING[name])
    if name in OF_RUN:
        return _of_run(name, OF_RUN[name])
    raise AttributeError(f"no picture {name!r}; there are {', '.join(names())}")


def _of_setting(name: str, picture: Any) -> Callable[..., Figure]:
    def draw(results: Results, dataset: str | None = None, protocol: str | None = None) -> Figure:
        setting = _part(results, dataset, protocol)
        drawing = picture.draw(setting) if setting.shots else None
        if drawing is None:
            raise UserError(f"no {name} of {setting.title}: it needs {picture.needs}")
        return _seen(lay_out(drawing.figure))

    return _named(draw, name, picture)


def _of_run(name: str, picture: Any) -> Callable[..., Figure]:
    def draw(results: Results) -> Figure:
        drawing = picture.draw(results)
        if drawing is None:
            raise UserError(f"no {name} of {results.name}: it needs {picture.needs}")
        return _seen(lay_out(drawing.figure))

    return _named(draw, name, picture)


def _seen(figure: Figure) -> Figure:
    """The figure, which a notebook shows though pyplot has not made it."""
    vars(figure)["_repr_png_"] = partial(_png, figure)
    return figure


def _png(figure: Figure) -> bytes:
    kept = BytesIO()
    figure.savefig(kept, format="png", bbox_inches="tight")
    return kept.getvalue()


def _named(draw: Any, name: str, picture: Any) -> Callable[..., Figure]:
    draw.__name__ = draw.__qualname__ = name
    draw.__doc__ = f"{picture.draw.__doc__} Needs {picture.needs}, else it is a UserError."
    return draw


def _part(results: Results, dataset: str | None, protocol: str | None) -> SettingResults:
    every = settings(results)
    matching = [p for p in every if dataset in (None, p.dataset) and protocol in (None, p.protocol)]
    if len(matching) == 1:
        return matching[0]
    asked = ", ".join(word for word in (dataset, protocol) if word is not None)
    what = f"no setting is {asked!r}" if not matching else "say which dataset and protocol"
    titles = "; ".join(setting.title for setting in every) or "none"
    raise UserError(f"{what}; {results.name} has: {titles}")
