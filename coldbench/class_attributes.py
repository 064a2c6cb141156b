"""Class attributes that are plain values, read from a file's source without importing it.

What a class inherits from one of the same file or folder counts as its own. What the contract says
by default (`coldbench/method.py`, `coldbench/dataset.py`) is left out, and so is an expression that
is more than a literal, another class's attribute, or two such dictionaries merged.
"""

import ast
from functools import cache
from pathlib import Path
from typing import Any


def attributes(path: Path) -> dict[str, Any]:
    """Those of a file's public classes. Raises SyntaxError where it is no Python."""
    found: dict[str, Any] = {}
    for node in parsed(path.read_bytes()).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found |= _of_class(node, path)
    return found


@cache
def parsed(source: bytes) -> ast.Module:
    return ast.parse(source)


def _of_class(node: ast.ClassDef, path: Path) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for base in reversed(node.bases):
        values |= _named(base, path)
    for line in node.body:
        name, value = _assigned(line)
        if name and value:
            try:
                values[name] = _value(value, path)
            except (ValueError, TypeError):
                values.pop(name, None)  # known only to who imports the file
    return values


def _assigned(line: ast.stmt) -> tuple[str, ast.expr | None]:
    """Name and value of a class attribute; a field of a dataclass is none."""
    if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
        return line.targets[0].id, line.value
    if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
        kind = line.annotation.value if isinstance(line.annotation, ast.Subscript) else None
        of_class = isinstance(kind, ast.Name) and kind.id == "ClassVar"
        return line.target.id if of_class else "", line.value
    return "", None


def _named(expression: ast.expr, path: Path) -> dict[str, Any]:
    """Attributes of the class that an expression names in a file, such as `Stack` or `Stack[T]`."""
    while isinstance(expression, ast.Subscript):
        expression = expression.value
    return _of_name(expression.id, path) if isinstance(expression, ast.Name) else {}


@cache
def _of_name(name: str, path: Path) -> dict[str, Any]:
    for node in parsed(path.read_bytes()).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _of_class(node, path)
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            beside = path.with_name(f"{node.module}.py")
            for alias in node.names:
                if name == (alias.asname or alias.name) and beside.is_file():
                    return _of_name(alias.name, beside)
    return {}


def _value(node: ast.expr, path: Path) -> Any:
    """Raises ValueError or TypeError where it is more than this file says it reads."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _value(node.left, path) | _value(node.right, path)
    if isinstance(node, ast.Attribute):
        owner = _named(node.value, path)
        if node.attr not in owner:
            raise ValueError(f"{node.attr} is not stated here")
        return owner[node.attr]
    if isinstance(node, ast.Dict):
        merged: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            inner = _value(value, path)
            merged |= inner if key is None else {ast.literal_eval(key): inner}
        return merged
    return ast.literal_eval(node)
