"""The figures of a run, drawn once for all that show them."""

from functools import lru_cache

from coldbench.results import Results

from ._curves import kshot, throughput
from ._draw import Drawing
from ._parts import parts
from ._points import gains, pareto


@lru_cache(maxsize=1)
def pictures(results: Results) -> dict[tuple[str, str], list[Drawing]]:
    """By section, in reading order; a picture without anything to show is left out."""
    return {
        (part.dataset, part.protocol): [
            drawing
            for draw in (kshot, pareto, gains, throughput)
            if part.shots and (drawing := draw(part)) is not None
        ]
        for part in parts(results)
    }
