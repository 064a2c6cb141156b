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
from ..dataset_names import Source, options
from ..grid import READY, Grid


def names(option: Iterable[str] | None) -> list[str]:
    """The names of a repeated option, split at commas; an existing file is one, comma or not."""
    found = []
    for value in option or []:
        parts = [value] if os.path.isfile(value) else value.split(",")
        found += [part.strip() for part in parts if part.strip()]
    return found


def grid_of(
    file: str | None,
    datasets: list[str] | None,
    methods: list[str] | None,
    with_: list[str] | None,
    name: str | None,
    changes: list[str] | None,
    limit: int | None,
) -> tuple[Grid, Path]:
    """The grid that a file and options state, and its run's folder."""
    if name is not None:
        run_names.checked(name)
    settings, stem = _stated(file, names(datasets), names(methods))
    dataset_options(settings, with_)
    if limit is not None:
        settings["limit"] = limit
    return Grid.of(settings, changes), RUNS / (name or stem)


def _stated(
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
        shown = [Source.of(name).display_name for name in datasets]
        stem = run_names.made([*shown, *methods])
    else:
        raise UserError("name a grid (`coldbench run quick`), or datasets by -d and methods by -m")
    if methods:
        settings.pop("without", None)
    for key, values in (("datasets", datasets), ("methods", methods)):
        if values:
            settings[key] = values
    return settings, run_names.of_file(stem)


def dataset_options(settings: dict[str, Any], with_: list[str] | None) -> None:
    """`--with` goes to the one dataset there is."""
    if not with_:
        return
    datasets = settings.get("datasets", [])
    if len(datasets) != 1:
        raise UserError("--with is for one dataset; state several in a grid, as dataset_params")
    params = settings.setdefault("dataset_params", {}).setdefault(datasets[0], {})
    params.update(options(with_))


def include_files(include: list[Path] | None) -> tuple[str, ...]:
    """Register the methods of the user's own files; returns their absolute paths."""
    for path in include or []:
        registry.include(path)
    return tuple(str(path.resolve()) for path in include or [])


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
