"""From a grid to its cells: names found, datasets loaded, all that defines a cell resolved."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from coldbench import registry
from coldbench.cell import GROUND, Spec, code_hash
from coldbench.encoder import Encoder
from coldbench.errors import UserError, unknown
from coldbench.method import from_params
from coldbench.protocol import as_dict

from . import origin
from .grid import Grid
from .source import dataset, label, loader_of, parameters


def resolve(grid: Grid, device: str) -> list[Spec]:
    """The grid's cells. Loads every dataset, so that bad input is found before anything runs."""
    reader = encoder(grid)
    ground = _ground()
    common: dict[str, Any] = {
        "encoder": {field.name: getattr(reader, field.name) for field in fields(reader)},
        "encoder_hash": reader.hash,
        "limit": grid.limit,
        "device": device_of(device).type,
        "threads": grid.threads,
        "versions": origin.versions(),
    }
    specs = []
    for name in grid.datasets:
        source = dataset(name, grid.dataset_params.get(name, {}))
        log, catalogue = source.load()
        params = parameters(source)
        own: dict[str, Any] = {
            "dataset": label(name),
            "dataset_params": {key: v for key, v in params.items() if key not in source.paths},
            "data": f"{log.hash()}-{catalogue.hash()}",
            "loader": loader_of(name),
            "files": {key: params[key] for key in source.paths if params[key]},
        }
        for preset, asked in grid.protocols():
            protocol = asked.suited_to(
                timed=log.times is not None, explicit=source.explicit, ordered=source.ordered
            )
            cut: dict[str, Any] = {"protocol": preset, "protocol_fields": as_dict(protocol)}
            for row_name in grid.methods:
                method, params = grid.asked(row_name)
                made = from_params(registry.find("methods", method), method, params)
                files = registry.code_of("methods", method)
                for loader in own["loader"].split(">"):
                    files += registry.code_of("datasets", loader)
                row: dict[str, Any] = {"method": method, "params": made.params()}
                row["row"] = row_name if row_name != method else ""
                row["code"] = code_hash(ground + files)
                for seed in grid.seeds_for.get(row_name, grid.seeds):
                    specs.append(Spec(**common, **own, **cut, **row, seed=seed))
    return specs


def encoder(grid: Grid) -> Encoder:
    for key in grid.encoder:
        if key not in Encoder.__dataclass_fields__:
            raise unknown("encoder field", key, Encoder.__dataclass_fields__, "docs/start.md")
    return Encoder(**grid.encoder).resolved()


def device_of(name: str) -> torch.device:
    """ "auto" is CUDA where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"no device {name!r}; use auto, cpu, cuda or cuda:1") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"no device {name!r} here ({torch.cuda.device_count()} CUDA devices)")
    return device


def _ground() -> list[Path]:
    house = Path(registry.__file__).parent
    return [house / f"{name}.py" for name in GROUND] + [Path(__file__).with_name("loop.py")]
