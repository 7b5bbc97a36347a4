"""Values of Python expressions that a file states literally, without running it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import Any

UNKNOWN = object()
"""The value of an expression that only running the file can tell."""


def parsed(source: str | bytes) -> ast.Module | None:
    """The syntax tree of a Python file, without the warnings that are for its authors; None if it is no Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError):
            return None


def function_name(node: ast.expr) -> str:
    """The last part of the name of a function, or of the function that a call calls; empty for other expressions."""
    function = node.func if isinstance(node, ast.Call) else node
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def module_constants(tree: ast.Module) -> dict[str, ast.expr]:
    """The values that a module binds to names at its top."""
    constants: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            constants |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            constants[node.target.id] = node.value
    return constants


def literal_value(node: ast.AST, constants: Mapping[str, ast.expr], depth: int = 0) -> Any:
    """The value of an expression of literals, `constants` and joined texts; a tuple is a list.  Else `UNKNOWN`."""
    if isinstance(node, ast.Name) and node.id in constants and depth < 5:
        return literal_value(constants[node.id], constants, depth + 1)
    if isinstance(node, ast.Call) and function_name(node) == "join" and len(node.args) == 1:
        return _joined(node, constants, depth)
    try:
        literal = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return UNKNOWN
    return list(literal) if isinstance(literal, tuple) else literal


def _joined(node: ast.Call, constants: Mapping[str, ast.expr], depth: int) -> Any:
    """`".".join(PARTS)`, where the parts are literals, or `map(str, …)` of such."""
    between = literal_value(node.func.value, constants, depth + 1) if isinstance(node.func, ast.Attribute) else UNKNOWN
    parts: ast.AST = node.args[0]
    if isinstance(parts, ast.Call) and function_name(parts) == "map" and len(parts.args) == 2:
        parts = parts.args[1]
    words = literal_value(parts, constants, depth + 1)
    if not isinstance(between, str) or not isinstance(words, list):
        return UNKNOWN
    return between.join(map(str, words))


def version_attribute(tree: ast.Module, name: str) -> tuple[str, ast.expr] | None:
    """The version that a module binds to a name, as setuptools writes it (parts are joined by dots), and its
    expression; None if the name is not bound or its value is not a literal one."""
    constants = module_constants(tree)
    if name not in constants:
        return None
    value = literal_value(constants[name], constants)
    text = ".".join(map(str, value)) if isinstance(value, list) else value
    return (text, constants[name]) if isinstance(text, str) else None
