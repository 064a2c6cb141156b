"""The names that a source file imports, read from its syntax: in whatever form, wherever it stands.

A name is dotted, as in `a.b.c` or, relative, `..b.c`; whether c is a module or an attribute of one
only its finder knows (import_closure.py). `@methods.maml` is what registry.find is asked for. A
last part ANY is known only at run time, ANY alone is any name at all.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

ANY = "?"
SOME = "_"  # an attribute, whichever: the name before it is used
BY_NAME = ("import_module", "__import__", "run_module")
BY_PATH = ("spec_from_file_location", "SourceFileLoader", "run_path")
Bound = dict[str, set[str]]  # what a file's own names stand for; ANY: what it imports stars from


@cache
def imports(source: bytes) -> frozenset[str]:
    """The names that running a file may import; none where the file is no Python."""
    try:
        nodes = list(_live(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    names: set[str] = set()
    bound: Bound = defaultdict(set)
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.add(alias.name)
                top = alias.name.split(".")[0]
                bound[alias.asname or top].add(alias.name if alias.asname else top)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (f"{node.module}." if node.module else "")
            for alias in node.names:
                name = ANY if alias.name == "*" else alias.name
                names |= {f"{base}{name}", f"{base}{SOME}"} if name == ANY else {f"{base}{name}"}
                bound[alias.asname or name].add(base if name == ANY else f"{base}{name}")
    for node in nodes:
        for meant in _meanings(node.func if isinstance(node, ast.Call) else node, bound):
            names |= {f"{meant}.{SOME}", *_loaded(meant, node)}
    return frozenset(names)


def _live(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that may run; a dotted name is one node, and that of a call is in the call."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and _dotted(node.test).split(".")[-1] == "TYPE_CHECKING":
            waiting += node.orelse
        elif isinstance(node, ast.Call) and _dotted(node.func):
            waiting += [*node.args, *node.keywords]
        elif not _dotted(node):
            waiting += ast.iter_child_nodes(node)


def _dotted(node: ast.AST) -> str:
    """ "a.b.c" of such an expression, "" of any other."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _meanings(node: ast.AST, bound: Bound) -> set[str]:
    """What an expression may stand for by the file's imports."""
    name, dot, rest = _dotted(node).partition(".")
    if not name:
        return set()
    if name == "__import__":
        return {name}
    return {f"{meant}{dot}{rest}" for meant in bound.get(name, ())} or {
        f"{base}{name}{dot}{rest}" for base in bound.get(ANY, ())
    }


def _loaded(function: str, node: ast.AST) -> set[str]:
    """What a call imports by name or path; the function handed on uncalled may import anything."""
    last = function.rpartition(".")[2]
    given: dict[object, ast.AST] = {}
    if isinstance(node, ast.Call):
        given = {**dict(enumerate(node.args)), **{word.arg: word.value for word in node.keywords}}
    if function.endswith("registry.find"):
        asked = [given.get(place) or given.get(word) for place, word in enumerate(("room", "name"))]
        known = [text if whole else ANY for text, whole in map(_beginning, asked)]
        return {f"@{known[0]}.{known[1]}"}
    if last in BY_PATH:
        return {ANY}
    if last not in BY_NAME:
        return set()
    text, whole = _beginning(given.get(0) or given.get("name") or given.get("mod_name"))
    if not whole:
        text = f"{text.rpartition('.')[0]}.{ANY}" if "." in text else ANY
    if last == "__import__" and len(given) > 1:  # the names to import from it, a level
        return {text, f"{text}.{ANY}", f".{ANY}"}
    package = given.get(1) or given.get("package")
    if not text.startswith(".") or package is None or _dotted(package) == "__package__":
        return {text}
    above, known_package = _beginning(package)
    return {f"{above}{text}" if known_package and text[1] != "." else ANY}


def _beginning(node: ast.AST | None) -> tuple[str, bool]:
    """The literal text that a text begins with, and whether that is all of it."""
    match node:
        case ast.Constant(value=str(text)):
            return text, True
        case ast.JoinedStr(values=[first, *rest]):
            text, whole = _beginning(first)
            return text, whole and not rest
        case ast.BinOp(left=left):
            return _beginning(left)[0].split("%")[0], False
    return "", False
