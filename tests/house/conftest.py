"""What there is of coldbench, as its tests of the house walk through it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def modules() -> dict[str, str]:
    """module name -> file, of all that coldbench is."""
    files = {}
    for top in ("coldbench", "benchmarks", "datasets", "methods", "reports"):
        for path in (ROOT / top).rglob("*.py"):
            file = path.relative_to(ROOT)
            parts = [part for part in file.with_suffix("").parts if part != "__init__"]
            files[".".join(parts if top == "coldbench" else ["coldbench", *parts])] = str(file)
    return files
