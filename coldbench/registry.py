"""Find a dataset, method or report by its name.

A room's files are its registry: `methods/item_bias.py` is the method "item-bias". Another package
adds its own under the entry-point group `coldbench.methods`, and one file joins by
`include("path/to/mine.py")` (`coldbench --include`). Listing imports nothing.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from importlib.util import module_from_spec, spec_from_file_location
from inspect import isabstract, isclass
from pathlib import Path
from types import ModuleType
from typing import Any

import coldbench
from coldbench.errors import UserError, unknown

_included: dict[tuple[str, str], Path] = {}


@dataclass(frozen=True)
class Entry:
    """One name of a room, described without importing it."""

    name: str
    summary: str  # the first line of the file's docstring
    facts: dict[str, Any]  # the class attributes that are plain values: family, domain, licence
    source: Path | None  # None: an entry point whose package says where it lies only when imported


def include(path: Path, room: str = "methods") -> str:
    """Add one file to a room, under its own name; returns that name."""
    if not path.is_file():
        raise UserError(f"no file {path} to include")
    name = path.stem.replace("_", "-")
    if name in _files(room) and _included.get((room, name)) != path.resolve():
        raise UserError(f"{path}: the {room} have a {name!r} already; rename the file")
    _included[room, name] = path.resolve()
    return name


def names(room: str) -> list[str]:
    """Every name of the room in order."""
    return sorted(_files(room) | _points(room).keys())


def entries(room: str) -> list[Entry]:
    return [entry(room, name) for name in names(room)]


def entry(room: str, name: str) -> Entry:
    source = _files(room).get(name)
    if source is None:
        return Entry(name, f"from the package {_points(room)[name].value.split('.')[0]}", {}, None)
    tree = ast.parse(source.read_text(encoding="utf-8"))
    summary = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ")
    return Entry(name, summary, dict(_plain_values(tree)), source)


def find(room: str, name: str) -> Any:
    """The class called `name`, imported on first use."""
    if name in _files(room):
        return _only_class(_module(room, name), room)
    if name in _points(room):
        return _points(room)[name].load()
    kind = room.removesuffix("s")
    raise unknown(kind, name, names(room), f"coldbench list {room}")


def _files(room: str) -> dict[str, Path]:
    own = {
        path.stem.replace("_", "-"): path
        for folder in coldbench.__path__
        for path in (Path(folder) / room).glob("[a-z]*.py")
    }
    return own | {name: path for (where, name), path in _included.items() if where == room}


@cache
def _points(room: str) -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=f"coldbench.{room}")}


def _module(room: str, name: str) -> ModuleType:
    if (room, name) not in _included:
        return import_module(f"coldbench.{room}.{name.replace('-', '_')}")
    full = f"coldbench_included.{room}.{name}"
    if full not in sys.modules:
        spec = spec_from_file_location(full, _included[room, name])
        assert spec and spec.loader
        sys.modules[full] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


def _only_class(module: ModuleType, room: str) -> Any:
    """A file is one thing: the one public, concrete class it defines that the room is made of."""
    base = {"methods": "Method", "datasets": "Dataset", "reports": "Report"}[room]
    found = [
        thing
        for thing in vars(module).values()
        if isclass(thing)
        and thing.__module__ == module.__name__
        and not thing.__name__.startswith("_")
        and not isabstract(thing)
        and any(parent.__name__ == base for parent in thing.__mro__[1:])
    ]
    if len(found) != 1:
        raise UserError(
            f"{module.__file__}: a file of {room} holds one {base}, this one {len(found)}"
        )
    return found[0]


def _plain_values(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for line in node.body:
                target = line.targets[0] if isinstance(line, ast.Assign) else None
                if isinstance(target, ast.Name) and isinstance(line, ast.Assign):
                    try:
                        yield target.id, ast.literal_eval(line.value)
                    except ValueError:
                        continue  # an expression: known only to who imports the file


def code_of(room: str, name: str) -> list[Path]:
    """The source files a thing is made of: its own, and those of its room that it imports."""
    source = entry(room, name).source
    if source is None:
        module = sys.modules[find(room, name).__module__]
        return [Path(module.__file__)] if module.__file__ else []
    return with_neighbours(source)


def with_neighbours(source: Path) -> list[Path]:
    """A file and those beside it that it imports, and that these import, by name."""
    found, waiting = [], [source]
    while waiting:
        path = waiting.pop()
        found.append(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                stems = [node.module] if node.module else [alias.name for alias in node.names]
                near = [path.with_name(f"{stem}.py") for stem in stems]
                waiting += [p for p in near if p.is_file() and p not in found and p not in waiting]
    return sorted(found)
