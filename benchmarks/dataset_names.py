"""What `-d NAME` and `-d FILE` mean: a registered dataset, or a user's own file by its ending."""

import json
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from coldbench import registry
from coldbench.cell import Spec
from coldbench.dataset import Dataset, OneClass
from coldbench.errors import UserError, unknown
from coldbench.interactions import Catalogue, Interactions

from .cross_domain import CrossDomain
from .file_rewrite import rewritten


@dataclass(frozen=True)
class Source:
    """A dataset as it was asked for, made once where its name enters."""

    name: str  # as it was written: "ml-100k", "logs/mine.csv", "ml-100k>coat"
    loader: str  # the registered dataset that reads it: "ml-100k", "csv", "ml-100k>coat"
    params: dict[str, Any] = field(default_factory=dict)  # as they were stated, not checked yet

    @classmethod
    def of(cls, name: str, params: dict[str, Any] | None = None) -> Self:
        """Raises UserError where nothing reads this name or file. Reads nothing itself."""
        loader = ">".join(_pair(name)) if _is_pair(name) else _loader(name)
        return cls(name, loader, params or {})

    @property
    def display_name(self) -> str:
        """How reports call it: its name, or a file's without folder and ending."""
        is_file = self.loader != self.name and not _is_pair(self.name)
        return Path(self.name).name.split(".")[0] if is_file else self.name

    def dataset(self) -> Dataset:
        """The dataset with its parameters, each of the right kind. Reads no file yet.

        "ml-100k>coat": train on one, evaluate on the other; the parameters are the other's.
        """
        if _is_pair(self.name):
            source, target = _pair(self.name)
            return CrossDomain(
                Source(source, source).dataset(), Source(target, target, self.params).dataset()
            )
        cls = registry.find("datasets", self.loader)
        values = {key: tuple(v) if isinstance(v, list) else v for key, v in self.params.items()}
        _check(self.name, cls, values)
        if self.loader != self.name and values.setdefault("path", self.name) != self.name:
            raise UserError(f"{self.name}: path is {values['path']!r}; leave it out")
        try:
            created: Dataset = cls(**values)
        except (TypeError, ValueError, UserError) as error:
            raise UserError(f"{self.name}: {error}") from None
        return created


def dataset_of(spec: Spec) -> Dataset:
    """The dataset that a cell was planned on."""
    name = spec.loader or spec.dataset
    return Source(name, name, spec.dataset_params | spec.files).dataset()


def parameters(dataset: Dataset) -> dict[str, Any]:
    """All parameters of a dataset; across two sets those of the target."""
    if isinstance(dataset, CrossDomain):
        return parameters(dataset.target)
    return {field.name: getattr(dataset, field.name) for field in fields(dataset)}


def read_though_refused(dataset: Dataset) -> tuple[Interactions, Catalogue, str]:
    """The log, its items, and why it cannot be run though it can be described; else ""."""
    try:
        return *dataset.load(), ""
    except OneClass as error:
        return error.log, error.catalogue, str(error)


def options(stated: list[str] | None) -> dict[str, Any]:
    """`--with key=value`: parameters of a dataset; a value is TOML, or else a word."""
    params: dict[str, Any] = {}
    for option in stated or []:
        key, is_option, value = option.partition("=")
        if not is_option or not key.strip():
            raise UserError(f"--with takes key=value, like user=customer_id, not {option!r}")
        try:
            params[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except (ValueError, RecursionError):
            params[key.strip()] = value
    return params


def _loader(name: str) -> str:
    known = registry.names("datasets")
    if name in known:
        return name
    ending = Path(name.lower().removesuffix(".gz")).suffix
    loaders = {
        suffix: entry.name
        for entry in registry.entries("datasets")
        for suffix in entry.attributes.get("suffixes", ())
    }
    if ending in loaders:
        return loaders[ending]
    if Path(name).is_file():
        raise UserError(f"{name}: no loader reads this ending; fix: {rewritten(Path(name))}")
    raise unknown("dataset", name, known, "coldbench list datasets")


def _is_pair(name: str) -> bool:
    return ">" in name and not Path(name).is_file()


def _pair(name: str) -> tuple[str, str]:
    """Source and target of "ml-100k>coat"."""
    parts = [part.strip() for part in name.split(">")]
    for part in parts:
        if part not in registry.names("datasets"):
            raise unknown("dataset", part, registry.names("datasets"), "coldbench list datasets")
    if len(set(parts)) < 2 or len(parts) > 2:
        raise UserError(
            f"{name!r}: name the set to train on and another to evaluate on, ml-100k>coat"
        )
    return parts[0], parts[1]


def _check(name: str, cls: type[Dataset], values: dict[str, Any]) -> None:
    """Raises UserError where a parameter is unknown, or of another kind than its default."""
    known = cls.__dataclass_fields__
    for key in values:
        if key not in known:
            raise unknown(f"parameter of {name}", key, known, ", ".join(known) or "it has none")
    for key, value in values.items():
        default = known[key].metadata.get("like", known[key].default)
        if not _is_like(value, default):
            right = json.dumps(str(value) if isinstance(default, str) else default)
            raise UserError(f"{name}: {key} must be like {right}, not {value!r}")


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
