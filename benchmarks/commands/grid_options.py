"""What the options of `run` and `tune` ask for, as a grid states it."""

import json
import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from coldbench import RUNS, registry
from coldbench.cell import KEPT, Cell, Spec
from coldbench.errors import UserError, printable

from .. import run_names
from ..dataset_names import label, options
from ..grid import READY, Grid


def words(given: Iterable[str] | None) -> list[str]:
    """The names of a repeated option, split at commas; an existing file is one, comma or not."""
    found = []
    for one in given or []:
        parts = [one] if os.path.isfile(one) else one.split(",")
        found += [part.strip() for part in parts if part.strip()]
    return found


def stated_by(
    grid: str | None, datasets: list[str], methods: list[str]
) -> tuple[dict[str, Any], str]:
    """What the grid file or the options state, and the run's name."""
    settings: dict[str, Any] = {}
    if grid is not None:
        ready = READY / f"{grid}.toml"
        path = ready if ready.is_file() else Path(grid)
        settings, stem = Grid.read(path), path.stem
        if path.resolve().parent.parent == RUNS.resolve():  # a run's own: it goes on there
            stem = path.resolve().parent.name
    elif datasets and methods:
        stem = run_names.made([*map(label, datasets), *methods])
    else:
        raise UserError("name a grid (`coldbench run quick`), or datasets by -d and methods by -m")
    if methods:
        settings.pop("without", None)
    for key, given in (("datasets", datasets), ("methods", methods)):
        if given:
            settings[key] = given
    return settings, run_names.of_file(stem)


def lay_options(settings: dict[str, Any], with_: list[str] | None) -> None:
    """`--with` goes to the one dataset there is."""
    if not with_:
        return
    names = settings.get("datasets", [])
    if len(names) != 1:
        raise UserError("--with is for one dataset; state several in a grid, as dataset_params")
    own = settings.setdefault("dataset_params", {}).setdefault(names[0], {})
    own.update(options(with_))


def take(include: list[Path] | None) -> None:
    for path in include or []:
        registry.include(path)


def show_plan(grid: Grid, specs: list[Spec], run: Path) -> None:
    """The resolved grid as a file that `run` takes, and its cells as comments."""
    print(grid.toml(), end="")
    for spec, status in _states(specs, run):
        state = "there" if status in KEPT else "to run"
        print(printable(f"# {spec.fingerprint} {spec.title}: {state}"))


def plan(grid: Grid, specs: list[Spec], run: Path) -> dict[str, Any]:
    """The same for machines; status: done, failed, unavailable, missing or damaged."""
    settings = json.loads(json.dumps({f.name: getattr(grid, f.name) for f in fields(grid)}))
    cells = [
        {
            "fingerprint": spec.fingerprint, "dataset": spec.dataset, "protocol": spec.protocol,
            "method": spec.name, "seed": spec.seed, "params": spec.params, "status": status,
        }
        for spec, status in _states(specs, run)
    ]  # fmt: skip
    return {"run": str(run), "grid": settings, "cells": cells}


def _states(specs: list[Spec], run: Path) -> list[tuple[Spec, str]]:
    return [(s, Cell.read(s, run / "cells" / s.fingerprint).status) for s in specs]
