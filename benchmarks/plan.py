"""From a grid to its cells: names found, datasets loaded, all that defines a cell resolved."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from coldbench import registry
from coldbench.cell import Spec, code_hash
from coldbench.errors import Unavailable, UserError
from coldbench.protocol import as_dict

from . import provenance
from .dataset_names import Source
from .devices import device_type
from .grid import Grid
from .import_closure import closure
from .known import Known
from .preparation import Died, dataset_facts, directly, encoder_facts, method_params

Ask = Callable[..., Any]  # a question of preparation.py and its arguments: answered, or an error


@dataclass(frozen=True)
class Plan:
    """The cells of a grid, and why some of them cannot be run."""

    specs: list[Spec]
    lost: dict[str, str]  # fingerprint -> the reason why its dataset could not be loaded
    notes: list[str]  # a line for each dataset with columns that nobody reads


# where a cell's numbers are made; what these import is found by closure
LOOP = tuple(Path(__file__).with_name(f"{name}.py") for name in ("judge", "shards", "worker"))


def resolve(grid: Grid, device: str) -> list[Spec]:
    """The grid's cells, everything loaded and constructed in this process."""
    return plan(grid, device, (), directly, directly).specs


def plan(
    grid: Grid,
    device: str,
    include: tuple[str, ...],
    data: Ask,
    methods: Ask,
    known: Known | None = None,
) -> Plan:
    """The grid's cells. `data` loads the datasets, `methods` constructs the methods; what is
    `known` of code and models is not found out again.

    Raises UserError where no dataset can be loaded, or a method's parameters are wrong. One dataset
    of several that cannot be loaded loses its own cells; a method that breaks is left to its cell.
    """
    known = known or Known(None)
    reader = known.answer(known.encoder, lambda: data(encoder_facts, grid.encoder))
    common: dict[str, Any] = {
        "encoder": reader["encoder"],
        "encoder_hash": reader["hash"],
        "limit": grid.limit,
        "device": device_type(device),
        "threads": grid.threads,
        "versions": provenance.versions(),
    }
    rows = [(name, *_params(grid, name, include, methods, known)) for name in grid.methods]
    specs: list[Spec] = []
    lost: dict[str, str] = {}
    notes: list[str] = []
    errors: list[UserError] = []
    for source in grid.sources():
        facts, error = _facts(source, data)
        errors += [error] if error else []
        if facts["unclaimed"]:
            notes.append(f"{source.name}: columns left alone: {', '.join(facts['unclaimed'])}")
        of_data: dict[str, Any] = {
            "dataset": source.display_name, "dataset_params": facts["params"],
            "data": facts["data"], "loader": source.loader, "files": facts["files"],
        }  # fmt: skip
        for preset, asked in grid.protocols():
            protocol = asked if error else asked.suited_to(**facts["suits"])
            cut: dict[str, Any] = {"protocol": preset, "protocol_fields": as_dict(protocol)}
            for row, method, params in rows:
                of_row: dict[str, Any] = {"method": method, "params": params}
                of_row["row"] = row if row != method else ""
                of_row["code"] = known.answer(
                    ["code", method, source.loader], partial(_code_hash, method, source.loader)
                )
                for seed in grid.seeds_for.get(row, grid.seeds):
                    specs.append(Spec(**common, **of_data, **cut, **of_row, seed=seed))
                    if error:
                        lost[specs[-1].fingerprint] = str(error)
    if len(errors) == len(grid.datasets):
        raise errors[0]
    return Plan(specs, lost, notes)


def _params(
    grid: Grid, row: str, include: tuple[str, ...], methods: Ask, known: Known
) -> tuple[str, dict[str, Any]]:
    """A row's method, and all of its hyper-parameters."""
    method, changed = row.partition(":")[0], grid.params.get(row, {})
    try:
        find = partial(methods, method_params, row, changed, include)
        return method, known.answer(["params", row, changed], find)
    except (Died, Unavailable):
        return method, changed  # its cell will fail in the same way


def _facts(source: Source, data: Ask) -> tuple[dict[str, Any], UserError | None]:
    """What cells need to know of a dataset, or why it could not be loaded."""
    nothing = {"params": source.params, "files": {}, "data": "", "unclaimed": []}
    try:
        return data(dataset_facts, source), None
    except UserError as error:
        return nothing, error
    except Died as error:
        return nothing, UserError(f"{source.name} could not be loaded: {error}")


def _code_hash(method: str, loader: str) -> str:
    return code_hash(code(method, loader))


def code(method: str, loader: str) -> list[Path]:
    """The files of ours that a cell's numbers come from."""
    named = [("methods", method), *(("datasets", dataset) for dataset in loader.split(">"))]
    files = [registry.source(room, name) for room, name in named]
    return closure([*LOOP, *(file for file in files if file)])
