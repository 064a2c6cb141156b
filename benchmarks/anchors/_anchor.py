"""An anchor as a module: found by its name, imported late, known by the code it is made of."""

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from coldbench import registry
from coldbench.cell import code_hash
from coldbench.errors import UserError, unknown

from ..import_closure import closure

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Anchor:
    """A module that replays one published table, or several. What it holds stands in row.py."""

    path: Path

    @cached_property
    def module(self) -> Any:
        """Imported on first use; a file of one's own as if it lay here."""
        name = f"{__package__}.{self.path.stem}"
        if self.path.parent == HERE:
            return import_module(name)
        spec = spec_from_file_location(name, self.path)
        assert spec and spec.loader
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
        return sys.modules[name]

    @cached_property
    def hash(self) -> str:
        """Of the code its numbers come from."""
        methods = (registry.source("methods", name) for name in registry.names("methods"))
        return code_hash(closure([self.path, *(path for path in methods if path)]))

    def measured(self, folder: Path, split: int) -> Path:
        """Where a split's frame lies."""
        return folder / "measured" / f"{self.path.stem}-{split}-{self.hash}.parquet"

    def laid(self, folder: Path) -> Path:
        """Where its rows lie."""
        return folder / "measured" / f"{self.path.stem}-{self.hash}.json"


def named(names: Iterable[str]) -> list[Anchor]:
    """Anchors by name, by their module's, or by the file of one's own; no name: all there are."""
    anchors = {path.stem: path for path in sorted(HERE.glob("[a-z]*.py")) if _name(path)}
    known = anchors | {_name(path): path for path in anchors.values()}
    chosen = []
    for name in names:
        if name.endswith(".py"):
            chosen.append(_outside(Path(name)))
        elif name in known:
            chosen.append(known[name])
        else:
            raise unknown("anchor", name, known, f"there are {', '.join(anchors)}")
    return [Anchor(path) for path in dict.fromkeys(chosen or anchors.values())]


def _outside(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"no file {path} to replay")
    if (HERE / path.name).exists():
        raise UserError(f"{path}: coldbench has a file of this name; rename yours")
    return path.resolve()


def _name(path: Path) -> str:
    """What a module says its NAME is; "": it is no anchor. Imports nothing."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(target, ast.Name) and target.id == "NAME":
            return str(ast.literal_eval(node.value))
    return ""
