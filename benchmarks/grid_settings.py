"""What a grid file and `--set` may say: changes laid over tables, values of the right kind, and
what is near a wrong key, in whatever table it belongs.
"""

import ast
import json
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from coldbench import registry
from coldbench.errors import UserError
from coldbench.protocol import Protocol

NAME_OF = {"protocol": "preset", "encoder": "name"}  # a word alone is short for {preset = word}
MEANT = {  # what other harnesses call it
    "method_params": "params", "method": "methods", "models": "methods", "model": "encoder",
    "dataset": "datasets", "data": "datasets", "k": "protocol.shots", "preset": "protocol",
    "exclude": "without", "device": "--device", "jobs": "-j", 
    "name": "--name", "metrics": "coldbench report RUN --metrics", "metric": "tune --metric",
}  # fmt: skip
READINGS = 20  # seeds that an error writes out


def apply_changes(settings: dict[str, Any], changes: Iterable[str]) -> None:
    """Each `a.b=c` into nested tables, into every one of a list; c is TOML, or else a word."""
    seen = set()
    for change in changes:
        key, is_change, value = change.partition("=")
        if not is_change or not key.strip():
            wrong = f"--set takes key=value, like params.maml.inner_steps=3, not {change!r}"
            raise UserError(wrong)
        if key.strip() in seen:
            raise UserError(f"--set {key.strip()} is given twice: leave one out")
        seen.add(key.strip())
        _set_path(settings, key.strip(), _value(value))


def _value(text: str) -> Any:
    try:
        return json.loads(json.dumps(tomllib.loads(f"value = {text}")["value"]))
    except (ValueError, TypeError, RecursionError):  # no TOML, or a date
        return text


def _set_path(settings: dict[str, Any], key: str, value: Any) -> None:
    *tables, last = key.split(".")
    places = [settings]
    for number, table in enumerate(tables):
        default = {NAME_OF[table]: "user-cold"} if (number, table) == (0, "protocol") else {}
        inner = [place.setdefault(table, default) for place in places]
        if number == 0 and isinstance(inner[0], list):  # several protocols: each of them
            inner = settings[table] = [_table(table, entry) for entry in inner[0]]
        for place in inner:
            if not isinstance(place, dict):
                raise UserError(f"--set {key}: {table} is not a table here, so it has no {last}")
        places = inner
    for place in places:
        place[last] = _table(last, value) if not tables else value


def _table(key: str, value: Any) -> Any:
    return {NAME_OF[key]: value} if key in NAME_OF and isinstance(value, str) else value


def shape(settings: dict[str, Any], keys: Iterable[str]) -> None:
    """Lists to tuples, one to a tuple of one; a value of a wrong type is an error that names it.

    keys: all that a grid may have.
    """
    for key in ("datasets", "methods", "without"):
        if key in settings:
            settings[key] = _tuple(settings[key], str, key, 'names, like ["maml"]')
    for key in ("encoder", "params", "dataset_params", "seeds_for", "resources", "shards"):
        if not isinstance(settings.get(key, {}), dict):
            raise UserError(f"{key} must be a table, not {settings[key]!r}")
    if "seeds" in settings:
        settings["seeds"] = _seeds(settings["seeds"], "seeds")
    for name, seeds in settings.get("seeds_for", {}).items():
        shown = name if name.isprintable() else repr(name)  # an error is one line
        settings["seeds_for"][name] = _seeds(seeds, f"seeds_for.{shown}")
    for key in ("params", "dataset_params", "resources"):
        for name, table in settings.get(key, {}).items():
            if not isinstance(table, dict):
                known = name in settings.get("methods", ()) or key != "params"
                right = f"{key}.{name}.NAME" if known else f"{key}.METHOD.{name}"
                raise UserError(f"{key}.{name} must be a table, not {table!r}; set {right}")
    if "protocol" in settings:
        settings["protocol"] = _protocols(settings["protocol"], keys)
    numbers = {key: settings.get(key) for key in ("limit", "threads", "timeout")}
    numbers |= {f"shards.{name}": many for name, many in settings.get("shards", {}).items()}
    for key, value in numbers.items():
        if value is not None and (type(value) is not int or value < 1):
            raise UserError(f"{key} must be a whole number of 1 or more, not {value!r}")


def _seeds(value: Any, key: str) -> tuple[int, ...]:
    """A bare number is refused: some read it as that seed, some as how many."""
    if type(value) is int and value >= 0:
        many = value if value <= READINGS else 3
        listed = ",".join(map(str, range(many)))
        count = f", '{key}=[{listed}]' is {many} of them" if many else ""
        raise UserError(
            f"{key}={value} may be a seed or a count: '{key}=[{value}]' is that seed{count}"
        )
    seeds: tuple[int, ...] = _tuple(value, int, key, "whole numbers, like [0, 1]")
    for seed in seeds:
        if not 0 <= seed < 2**63:
            raise UserError(f"{key} must be whole numbers from 0 to 2^63 - 1, not {seed}")
    return seeds


def _protocols(given: Any, keys: Iterable[str]) -> tuple[dict[str, Any], ...]:
    """Tables, each once; a field that no protocol has is an error that says where it belongs."""
    several = given if isinstance(given, list) else [given]
    tables = [_table("protocol", entry) for entry in several]
    protocols: list[dict[str, Any]] = []
    for table in _tuple(tables, dict, "protocol", "a preset's name or a table"):
        for key in table:
            if key not in ("preset", *Protocol.__dataclass_fields__):
                raise no_key(f"protocol.{key}", keys)
        if table not in protocols:  # a change may have made two alike
            protocols.append(table)
    return tuple(protocols)


def _tuple(value: Any, kind: type, key: str, example: str) -> tuple[Any, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(v, kind) and not isinstance(v, bool) for v in values) or not values:
        raise UserError(f"{key} must be {example}, not {value!r}")
    return tuple(dict.fromkeys(values)) if kind is not dict else tuple(values)


def no_key(key: str, keys: Iterable[str], methods: Iterable[str] = ()) -> UserError:
    """`no grid key 'shots'; did you mean 'protocol.shots'?`: looked for in every table. keys: all
    that a grid may have; methods: whose parameters are known too."""
    from coldbench.encoder import Encoder

    words = {name: name for name in keys} | MEANT
    for table, fields in (
        ("protocol", Protocol.__dataclass_fields__),
        ("encoder", Encoder.__dataclass_fields__),
        *((f"params.{name}", _parameters(name)) for name in methods),
    ):
        for field in fields:
            words.setdefault(field, f"{table}.{field}")
    table, _, leaf = key.rpartition(".")
    near = get_close_matches(leaf, [word for word in words if words[word] != key], 1, 0.6)
    exact = [f"{table}.{leaf}"] if words.get(leaf) == f"{table}.{leaf}" else []
    close = exact or [words[word] for word in near]
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return UserError(f"no grid key {key!r}{hint} (docs/start.md)")


def _parameters(method: str) -> list[str]:
    """The fields that a method's files declare. Imports nothing: it may be broken."""
    name = method.partition(":")[0]
    from .import_closure import closure

    source = registry.entry("methods", name).source if name in registry.names("methods") else None
    return [
        line.target.id
        for path in (closure([source]) if source else [])
        if source and path.parent == source.parent and path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        for line in node.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        and not line.target.id.startswith("_")
    ]  # fmt: skip
