"""Folders: the cache of what can be made again, and the data files of installed packages."""

import os
from importlib import metadata
from pathlib import Path


def home() -> Path:
    """Where coldbench keeps what it can make again: `$COLDBENCH_CACHE`, else the user's cache."""
    named = os.environ.get("COLDBENCH_CACHE")  # empty is not named
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coldbench"


def installed(package: str, inside: str) -> Path | None:
    """A file of an installed package, found without importing it."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.as_posix() == inside:
            path = Path(str(file.locate()))
            return path if path.is_file() else None
    return None
