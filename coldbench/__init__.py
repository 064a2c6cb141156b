"""Which method serves a new user best from a few ratings, at what cost, and is the gain real?

The rooms `datasets`, `methods`, `benchmarks` and `reports` hold one thing a file and are reached
by name (`coldbench.registry`). In a checkout they stand beside this folder, in an installed copy
inside it.
"""

from pathlib import Path

__version__ = "0.1.0"

_house = Path(__file__).resolve().parent.parent
if (_house / "pyproject.toml").is_file():
    __path__.append(str(_house))
