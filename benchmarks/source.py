"""What `-d NAME` and `-d FILE` mean: a registered dataset, or a user's own file by its ending."""

import tomllib
from pathlib import Path
from typing import Any

from coldbench import registry
from coldbench.dataset import Dataset
from coldbench.errors import UserError, unknown


def loader_of(name: str) -> str:
    """The registered dataset that reads this: itself, or the one for a file's ending."""
    known = registry.names("datasets")
    if name in known:
        return name
    ending = Path(name.removesuffix(".gz")).suffix
    endings = {
        own: entry.name
        for entry in registry.entries("datasets")
        for own in entry.facts.get("suffixes", ())
    }
    if ending in endings:
        return endings[ending]
    if Path(name).is_file():
        raise UserError(f"{name}: no loader reads this ending; rename it to {' or '.join(endings)}")
    raise unknown("dataset", name, known, "coldbench list datasets")


def dataset(name: str, params: dict[str, Any]) -> Dataset:
    """The dataset of a name or file, with its parameters. Reads nothing yet."""
    cls = registry.find("datasets", loader_of(name))
    fields = cls.__dataclass_fields__
    for key in params:
        if key not in fields:
            raise unknown(f"parameter of {name}", key, fields, ", ".join(fields) or "it has none")
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in params.items()}
    if loader_of(name) != name:
        given["path"] = name
    try:
        made: Dataset = cls(**given)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name}: {error}") from None
    return made


def options(given: list[str] | None) -> dict[str, Any]:
    """`--with key=value`: parameters of a dataset; a value is TOML, or else a word."""
    params: dict[str, Any] = {}
    for one in given or []:
        key, is_option, value = one.partition("=")
        if not is_option or not key.strip():
            raise UserError(f"--with takes key=value, like user=customer_id, not {one!r}")
        try:
            params[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            params[key.strip()] = value
    return params


def label(name: str) -> str:
    """How a dataset is called in a report: its name, or a file's without folder and ending."""
    return name if loader_of(name) == name else Path(name).name.split(".")[0]
