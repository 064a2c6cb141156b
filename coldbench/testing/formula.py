"""Arithmetic in a string, worked out without running it as code: "4 * K + 8 * hidden"."""

import ast
import operator
from collections.abc import Callable, Mapping

from coldbench.errors import UserError

Number = int | float
OPERATIONS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}


def worked_out(formula: str, values: Mapping[str, Number]) -> Number:
    """What + - * // ** of numbers and named values come to.

    Raises UserError where there is anything else in it, or a name without a value.
    """
    try:
        tree = ast.parse(formula, mode="eval")
    except SyntaxError as error:
        raise UserError(f"{formula!r} is no arithmetic: {error.msg}") from None
    return _value(tree.body, formula, values)


def _value(node: ast.expr, formula: str, values: Mapping[str, Number]) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.Name(id=name):
            raise UserError(f"{formula!r} names {name}; known are {', '.join(sorted(values))}")
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner, formula, values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
            both = _value(left, formula, values), _value(right, formula, values)
            return OPERATIONS[type(op)](*both)
    raise UserError(f"{formula!r}: only numbers, names and + - * // ** are known")
