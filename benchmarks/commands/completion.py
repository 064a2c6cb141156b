"""What Tab offers in a shell: names that exist. `coldbench --install-completion` sets it up."""

from collections.abc import Callable
from pathlib import Path

from coldbench import RUNS, registry

ROOMS = ("methods", "datasets", "protocols", "metrics", "encoders", "reports")
GRIDS = Path(__file__).parents[1] / "grids"
Complete = Callable[[str], list[str]]


def of_room(room: str) -> Complete:
    """Names of a room; behind a comma the next one."""

    def complete(incomplete: str) -> list[str]:
        before, comma, begun = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in registry.names(room) if name.startswith(begun)]

    return complete


def rooms(incomplete: str) -> list[str]:
    return [room for room in ROOMS if room.startswith(incomplete)]


def grids(incomplete: str) -> list[str]:
    """Ready grids; a file is the shell's to complete."""
    names = sorted(path.stem for path in GRIDS.glob("*.toml"))
    return [name for name in names if name.startswith(incomplete)]


def runs(incomplete: str) -> list[str]:
    """Runs below runs/ of the working directory."""
    names = sorted(plan.parent.name for plan in RUNS.glob("*/plan.json"))
    return [name for name in names if name.startswith(incomplete)]
