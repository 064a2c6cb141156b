"""Is there memory to read a file? polars ends its process where there is none: asked before."""

import mmap
import os
from contextlib import suppress
from functools import partial
from pathlib import Path

from coldbench.errors import NotEnoughMemory
from coldbench.files.blocks import opened

PER_BYTE, PER_LINE = 5, 80  # what a table takes beside its bytes on the way to a log: measured on
# 0.3 to 3 million rows, with short ids and with long ones
FIRST_USE, PER_CORE = 720 << 20, 24 << 20  # addresses that polars takes once, most of them unused


def address_space() -> float:
    """Bytes that this process may have, as `ulimit -v` says."""
    with suppress(ImportError):  # Windows
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        return float("inf") if soft == resource.RLIM_INFINITY else soft
    return float("inf")


def reserve_for(path: Path | str, source: Path | bytes) -> None:
    """Raises NotEnoughMemory where the table of a file, or of what was taken out of one, needs more
    than this process may have."""
    if address_space() == float("inf"):
        return
    with opened(source) as file:
        lines = sum(part.count(b"\n") for part in iter(partial(file.read, 1 << 20), b""))
        table = PER_BYTE * file.tell() + PER_LINE * lines
    try:
        mmap.mmap(-1, table + FIRST_USE + PER_CORE * (os.cpu_count() or 1)).close()
    except OSError:
        raise not_enough(path) from None


def not_enough(path: Path | str) -> NotEnoughMemory:
    limit = address_space()
    why = "" if limit == float("inf") else f", of which this shell allows {limit:,.0f} bytes"
    fix = "end other programs" if not why else "use a shell without `ulimit -v`"
    return NotEnoughMemory(f"{path}: there is not enough memory to read it{why}; fix: {fix}")
