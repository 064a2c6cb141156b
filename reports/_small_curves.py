"""A method's curve on every set, in small drawings: its level over K, beside what it has to beat.

SVG by hand: a site has hundreds of them. Colours are the style sheet's; letters are of 12 px.
"""

from collections.abc import Sequence

from markupsafe import Markup

from coldbench.results.paired import BASELINE
from coldbench.results.rounding import plain

from ._setting import SettingResults

WIDE, TALL = 250, 190  # px of a drawing
LEFT, RIGHT, TOP, BOTTOM = 42, 8, 10, 26  # px around its axes
BESIDE = (("chance", "chance"), (BASELINE, "base"), ("fold-in", "fold"))  # method, class of style
Point = tuple[int, float, float | None, float | None]  # K, level, its interval


def curves(every: Sequence[SettingResults], method: str) -> Markup:
    """One <figure> a set on which the method has a level; empty where it has none."""
    drawings = [_drawing(setting, method) for setting in every]
    return Markup("").join(drawing for drawing in drawings if drawing)


def _drawing(setting: SettingResults, method: str) -> Markup:
    lines = {name: _points(setting, name) for name in (method, *(name for name, _ in BESIDE))}
    own = lines[method]
    if not own:
        return Markup("")
    every = [y for points in lines.values() for _, *ys in points for y in ys if y is not None]
    low, high = min(every), max(every)
    pad = 0.06 * max(high - low, 0.01)
    low, high = low - pad, high + pad
    shots = setting.shots

    def x(k: int) -> float:
        step = (WIDE - LEFT - RIGHT - 16) / max(1, len(shots) - 1)
        return LEFT + 8 + shots.index(k) * step

    def y(level: float) -> float:
        return TOP + (high - level) / (high - low) * (TALL - TOP - BOTTOM)

    def path(points: Sequence[tuple[int, float]]) -> str:
        return " ".join(f"{x(k):.1f},{y(level):.1f}" for k, level in points)

    parts = [Markup('<line class="axis" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>').format(
        LEFT, WIDE - RIGHT, TALL - BOTTOM)]  # fmt: skip
    for level in (low + pad, (low + high) / 2, high - pad):
        parts.append(Markup(
            '<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>'
            '<text x="{3}" y="{4}" text-anchor="end">{5}</text>'
        ).format(LEFT, WIDE - RIGHT, f"{y(level):.1f}", LEFT - 5, f"{y(level) + 4:.1f}",
                 plain(level)))  # fmt: skip
    parts += [
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
            f"{x(k):.1f}", TALL - 8, k
        )
        for k in shots
    ]
    band = [(k, b) for k, _, _, b in own if b is not None]
    band += [(k, a) for k, _, a, _ in reversed(own) if a is not None]
    parts.append(Markup('<polygon class="band" points="{}"/>').format(path(band)))
    for name, style in BESIDE:
        if name != method and lines[name]:
            points = [(k, level) for k, level, *_ in lines[name]]
            parts.append(Markup('<polyline class="{}" points="{}"/>').format(style, path(points)))
    points = [(k, level) for k, level, *_ in own]
    parts.append(Markup('<polyline class="own" points="{}"/>').format(path(points)))
    parts += [
        Markup('<circle class="own" cx="{}" cy="{}" r="3"/>').format(f"{x(k):.1f}", f"{y(v):.1f}")
        for k, v in points
    ]
    said = ", ".join(f"{plain(v)} at K = {k}" for k, v in points)
    return Markup(
        '<figure class="small"><h3>{}</h3><svg viewBox="0 0 {} {}" width="{}" role="img" '
        'aria-label="{} on {}: {}">{}</svg></figure>'
    ).format(setting.title, WIDE, TALL, WIDE, method, setting.title, said, Markup("").join(parts))


def _points(setting: SettingResults, method: str) -> list[Point]:
    rows = setting.levels.filter(method=method).sort("shots")
    return list(rows.select("shots", "value", "low", "high").iter_rows())
