"""What `-d NAME` and `-d FILE` mean: a registered dataset, or a user's own file by its ending."""

import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from coldbench import registry
from coldbench.dataset import Dataset, OneClass
from coldbench.errors import UserError, unknown
from coldbench.interactions import Catalogue, Interactions

from .cross_domain import Across
from .file_rewrite import rewritten


def loader_of(name: str) -> str:
    """The registered dataset that reads this: itself, or the one for a file's ending."""
    known = registry.names("datasets")
    if _is_pair(name):
        return ">".join(loader_of(part.strip()) for part in name.split(">"))
    if name in known:
        return name
    ending = Path(name.lower().removesuffix(".gz")).suffix
    endings = {
        own: entry.name
        for entry in registry.entries("datasets")
        for own in entry.facts.get("suffixes", ())
    }
    if ending in endings:
        return endings[ending]
    if Path(name).is_file():
        raise UserError(f"{name}: no loader reads this ending; fix: {rewritten(Path(name))}")
    raise unknown("dataset", name, known, "coldbench list datasets")


def dataset(name: str, params: dict[str, Any]) -> Dataset:
    """The dataset of a name or file, with its parameters. Reads nothing yet.

    "ml-100k>coat": learn from one, meet the users of the other; the parameters are the other's.
    """
    if _is_pair(name):
        learnt, met = _two(name)
        return Across(dataset(learnt, {}), dataset(met, params))
    cls = registry.find("datasets", loader_of(name))
    fields = cls.__dataclass_fields__
    for key in params:
        if key not in fields:
            raise unknown(f"parameter of {name}", key, fields, ", ".join(fields) or "it has none")
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in params.items()}
    for key, value in given.items():
        default = fields[key].metadata.get("like", fields[key].default)
        if not _is_like(value, default):
            right = json.dumps(str(value) if isinstance(default, str) else default)
            raise UserError(f"{name}: {key} must be like {right}, not {value!r}")
    if loader_of(name) != name and given.setdefault("path", name) != name:
        raise UserError(f"{name}: path says {given['path']!r}; leave it out")
    try:
        made: Dataset = cls(**given)
    except (TypeError, ValueError, UserError) as error:
        raise UserError(f"{name}: {error}") from None
    return made


def _is_like(value: Any, default: Any) -> bool:
    """Whether a value has the kind of a field's default; a whole number is a number, too."""
    if isinstance(default, tuple):
        return (
            isinstance(value, tuple)
            and len(value) == len(default)
            and all(map(_is_like, value, default))
        )
    if type(default) is float:
        return type(value) in (int, float)
    return type(value) is type(default) or type(default) not in (bool, int, str)


def parameters(made: Dataset) -> dict[str, Any]:
    """A dataset's parameters; across two sets those of the one that is met."""
    if isinstance(made, Across):
        return parameters(made.met)
    return {field.name: getattr(made, field.name) for field in fields(made)}


def _is_pair(name: str) -> bool:
    return ">" in name and not Path(name).is_file()


def looked_at(made: Dataset) -> tuple[Interactions, Catalogue, str]:
    """The log, its items, and why it cannot be run though it can be looked at."""
    try:
        return *made.load(), ""
    except OneClass as error:
        return error.log, error.catalogue, str(error)


def _two(name: str) -> tuple[str, str]:
    """The two sets of "ml-100k>coat"."""
    parts = [part.strip() for part in name.split(">")]
    for part in parts:
        if part not in registry.names("datasets"):
            raise unknown("dataset", part, registry.names("datasets"), "coldbench list datasets")
    if len(set(parts)) < 2 or len(parts) > 2:
        raise UserError(f"{name!r}: name the set to learn from and another to meet, ml-100k>coat")
    return parts[0], parts[1]


def options(given: list[str] | None) -> dict[str, Any]:
    """`--with key=value`: parameters of a dataset; a value is TOML, or else a word."""
    params: dict[str, Any] = {}
    for one in given or []:
        key, is_option, value = one.partition("=")
        if not is_option or not key.strip():
            raise UserError(f"--with takes key=value, like user=customer_id, not {one!r}")
        try:
            params[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except (ValueError, RecursionError):
            params[key.strip()] = value
    return params


def label(name: str) -> str:
    """How a dataset is called in a report: its name, or a file's without folder and ending."""
    return name if _is_pair(name) or loader_of(name) == name else Path(name).name.split(".")[0]
