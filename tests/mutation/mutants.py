"""Small changes of a module's source, one at a time: what a slip of the keyboard could do."""

import ast
from collections.abc import Callable, Iterator
from typing import NamedTuple

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
REACHED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.FloorDiv: ast.Div, ast.Mod: ast.Mult,
}  # fmt: skip
NAMES = {
    "min": "max", "max": "min", "amin": "amax", "amax": "amin", "minimum": "maximum",
    "maximum": "minimum", "nanvar": "nanstd", "any": "all", "all": "any",
}  # fmt: skip
DROPPED = ("abs", "clip", "clamp", "sort", "masked_fill", "nan_to_num")  # x.abs() -> x


class Mutant(NamedTuple):
    line: int
    was: str
    now: str
    source: str  # of the whole module


def mutants(source: str) -> Iterator[Mutant]:
    """Every change of the kinds above: operators, constants by one, names, `not`, dropped calls."""
    tree = ast.parse(source)
    for parent, name, place, node in list(_expressions(tree)):
        for changed in _changes(node):
            put = _putter(parent, name, place)
            put(changed)
            made = ast.unparse(ast.fix_missing_locations(tree))
            put(node)
            yield Mutant(node.lineno, ast.unparse(node), ast.unparse(changed), made)


def _expressions(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.expr]]:
    """Every expression that is run, with where it stands; annotations and docstrings are not, nor
    decorators and `strict=True`, which is there for our own mistakes."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for place, inner in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(inner, ast.AST):
                continue
            if isinstance(inner, ast.keyword) and inner.arg == "strict":
                continue
            if isinstance(inner, ast.expr) and not isinstance(node, ast.Expr):
                yield node, name, place if isinstance(value, list) else None, inner
            yield from _expressions(inner)


def _putter(parent: ast.AST, name: str, place: int | None) -> Callable[[ast.expr], None]:
    def put(node: ast.expr) -> None:
        if place is None:
            setattr(parent, name, node)
        else:
            getattr(parent, name)[place] = node

    return put


def _changes(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as number):
            yield ast.Constant(number + 1)
            yield ast.Constant(number - 1) if number else ast.Constant(-1)
        case ast.Compare(ops=[op], left=left, comparators=right) if type(op) in COMPARED:
            yield ast.Compare(left, [COMPARED[type(op)]()], right)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in REACHED:
            yield ast.BinOp(left, REACHED[type(op)](), right)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub(), operand=inner):
            yield inner
        case ast.IfExp(test=test, body=body, orelse=other):
            yield ast.IfExp(test, other, body)
        case ast.Call(func=ast.Attribute(value=inner, attr=name)) if name in DROPPED:
            if not isinstance(inner, ast.Name) or inner.id not in ("np", "torch"):
                yield inner
            elif node.args:
                yield node.args[0]
        case ast.Attribute(value=value, attr=name, ctx=ctx) if name in NAMES:
            yield ast.Attribute(value, NAMES[name], ctx)
        case ast.Name(id=name, ctx=ast.Load()) if name in NAMES:
            yield ast.Name(NAMES[name], ast.Load())
