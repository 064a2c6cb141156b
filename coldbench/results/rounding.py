"""Numbers as a report shows them: rounded, so that the order of a sum cannot be seen."""

from math import floor, log10
from typing import Any

import numpy as np

DIGITS = 6  # kept of every number


def number(x: Any) -> float | None:
    """Rounded; None where it has no meaning."""
    return None if x is None or np.isnan(float(x)) else round(float(x), DIGITS)


def significant(x: float, digits: int = 2) -> str:
    """`0.09`, `1.5`, `830`: so many digits that say something, and never an exponent."""
    rounded = float(f"{x:.{digits}g}")
    places = max(0, digits - 1 - floor(log10(abs(rounded)))) if rounded else 0
    return f"{rounded:.{places}f}"


def plain(x: float, digits: int = 3) -> str:
    """`.016`, `-.002`, `1.204`: a statistician's number."""
    text = f"{x:.{digits}f}"
    text = text.removeprefix("-") if float(text) == 0 else text
    return text.replace("0.", ".") if text.lstrip("-").startswith("0.") else text
