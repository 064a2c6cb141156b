"""What the options of `run` and `tune` ask for, as a grid states it."""

import json
import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from coldbench import RUNS
from coldbench.cell import KEPT, Cell, Spec
from coldbench.errors import UserError, printable

from .. import run_names
from ..dataset_names import Source, options
from ..grid import READY, Grid

MOST_SEEDS = 1000  # that one number may ask for


def names(option: Iterable[str] | None) -> list[str]:
    """The names of a repeated option, split at commas; an existing file is one, comma or not."""
    listed = []
    for value in option or []:
        parts = [value] if os.path.isfile(value) else value.split(",")
        listed += [part.strip() for part in parts if part.strip()]
    return listed


def usual(shots: str | None, seeds: str | None) -> list[str]:
    """What other harnesses call `--shots 0,4,16` and `--seeds 3`, as changes of `--set`: one number
    of seeds is how many, several are these."""
    changes = []
    if shots is not None:
        changes.append(f"protocol.shots={_whole('--shots', shots, '0,4,16')}")
    if seeds is not None:
        named = _whole("--seeds", seeds, "3, which is 0,1,2, or 0,1,2 themselves")
        if not named[1:]:
            if not 1 <= named[0] <= MOST_SEEDS:
                right = f"from 1 to {MOST_SEEDS:,}; the seed {named[0]} alone: --set seeds={named}"
                raise UserError(f"--seeds {named[0]}: one number is how many, {right}")
            named = list(range(named[0]))
        changes.append(f"seeds={named}")
    return changes


def _whole(option: str, given: str, example: str) -> list[int]:
    """The numbers of an option, separated by commas."""
    words = [word.strip() for word in given.split(",")]
    if not all(word.isascii() and word.isdigit() and len(word) < 20 for word in words):
        raise UserError(f"{option} takes whole numbers, like {example}, not {given!r}")
    return [int(word) for word in words]


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


def placed(folder: Path, name: str | None, own: str = "plan.json") -> Path:
    """A folder of the user's for a run: a new one, an empty one, or one with a run's `own` file."""
    if name is not None:
        raise UserError("--name is a folder in runs/, --output any other: leave one out")
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not empty and not (folder / own).is_file():
        raise UserError(f"--output {folder}: holds something else than a run; name a new folder")
    return folder


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


def show_plan(grid: Grid, specs: list[Spec], run: Path) -> None:
    """The resolved grid as a file that `run` takes, and its cells as comments."""
    print(grid.toml(), end="")
    for cell in _cells(specs, run):
        state = "there" if cell.status in KEPT else "to run"
        print(printable(f"# {cell.spec.fingerprint} {cell.spec.title}: {state}"))


def plan(grid: Grid, specs: list[Spec], run: Path) -> dict[str, Any]:
    """The same for machines; status: done, failed, unavailable, missing or damaged."""
    settings = json.loads(json.dumps({f.name: getattr(grid, f.name) for f in fields(grid)}))
    return {"run": str(run), "grid": settings, "cells": cell_rows(_cells(specs, run))}


def cell_rows(cells: list[Cell]) -> list[dict[str, Any]]:
    """What every verb that does cells says of each as JSON."""
    return [
        {
            "fingerprint": cell.spec.fingerprint, "dataset": cell.spec.dataset,
            "protocol": cell.spec.protocol, "method": cell.spec.name, "seed": cell.spec.seed,
            "params": cell.spec.params, "status": cell.status, "reason": cell.reason,
        }
        for cell in cells
    ]  # fmt: skip


def _cells(specs: list[Spec], run: Path) -> list[Cell]:
    return [Cell.read(spec, run / "cells" / spec.fingerprint) for spec in specs]
