"""The formula of a ScaledObject's `scalingModifiers`: arithmetic over the triggers' names."""

import ast
import operator
from collections.abc import Callable, Mapping

from springtide.simulate.mistake import UsageError

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {"max": max, "min": min}


def compile_formula(text: str, names: frozenset[str]) -> Callable[[Mapping[str, float]], float]:
    """What computes a formula from the triggers' values.

    Raises:
        UsageError: it is more than `+ - * /`, brackets, `min`, `max`, numbers and names of triggers.
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        raise _unknown(text) from None
    _check(tree, text, names)
    return lambda values: _value(tree, values)


def _unknown(text: str) -> UsageError:
    return UsageError(
        f"formula {text!r}: only + - * /, brackets, min, max, numbers and names of triggers are simulated"
    )


def _check(node: ast.expr, text: str, names: frozenset[str]) -> None:
    known = {
        ast.BinOp: lambda item: type(item.op) in _OPERATORS,
        ast.Call: lambda item: isinstance(item.func, ast.Name) and item.func.id in _FUNCTIONS and not item.keywords,
        ast.Name: lambda item: item.id in names,
        ast.Constant: lambda item: isinstance(item.value, int | float),
    }
    if type(node) not in known or not known[type(node)](node):
        raise _unknown(text)
    for inner in _operands(node):
        _check(inner, text, names)


def _operands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    return list(node.args) if isinstance(node, ast.Call) else []


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left, values), _value(node.right, values))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _FUNCTIONS[node.func.id](*(_value(item, values) for item in node.args))
    if isinstance(node, ast.Name):
        return values[node.id]
    return float(ast.literal_eval(node))
